// ${env:NAME}, ${env:NAME:-default}, ${file:/path}.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/result.h>

namespace millrace::config {

struct resolved_text {
  std::string text;
  std::vector<std::string> used;  // "${env:NAME}", "${file:/path}": without the default
};

class reference_reader {
 public:
  // `folder` is where relative paths start; "" for the working directory.
  reference_reader(const std::map<std::string, std::string>& environment, std::string folder)
      : environment_(environment), folder_(std::move(folder)) {}

  // Replaces every reference once; what comes in is not looked at again. errc::config_invalid names the
  // reference that leads nowhere, never a value; errc::malformed quotes text that starts like a reference and
  // is none.
  [[nodiscard]] result<resolved_text> resolve(std::string_view text) const;

 private:
  [[nodiscard]] result<std::string> follow(std::string_view scheme, std::string_view target,
                                           std::string& used) const;

  const std::map<std::string, std::string>& environment_;
  std::string folder_;
};

}  // namespace millrace::config
