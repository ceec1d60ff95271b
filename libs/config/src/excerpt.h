// The user's own line, with what may be secret cut out.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/config/diagnostic.h>
#include <millrace/config/types.h>

#include "yaml.h"

namespace millrace::config {

class excerpts {
 public:
  // `text` must outlive this object.
  excerpts(std::string_view text, const section_info& settings);

  // Sets line, column, width and excerpt. `hidden`: the value at this position is a secret, show nothing from
  // there on.
  void show(diagnostic& one, position at, std::size_t width, bool hidden = false) const;

 private:
  // Cuts a line after the first key whose value may be secret: a secret setting, an unknown
  // key, an entry of a map. Lines without a key continue the nearest key above them that is indented less.
  [[nodiscard]] std::string_view harmless_part(std::size_t line) const;
  [[nodiscard]] bool is_harmless(std::string_view key) const;
  // Cuts a line after the scheme of its first URL, or after its first key, when an '@' follows: what precedes
  // the '@' may be a password.
  [[nodiscard]] static std::string_view without_credentials(std::string_view kept);

  std::vector<std::string_view> lines_;
  std::vector<std::string> harmless_;  // sorted: keys that no section declares as a secret
};

// Replaces control characters, so that a value cannot drive the terminal.
[[nodiscard]] std::string printable(std::string_view text);
// Characters (code points) of UTF-8 text.
[[nodiscard]] std::size_t characters(std::string_view text);

}  // namespace millrace::config
