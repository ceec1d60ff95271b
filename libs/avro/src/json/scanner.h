// A position in a document that is not trusted: nesting, escapes, what is skipped, and the place of a failure.
//
// A function that reads takes the position of a value and returns the one behind it, or nullptr after a
// failure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <millrace/base/bytes.h>
#include <millrace/base/errors.h>

namespace millrace::avro {

class json_scanner {
 public:
  // The error of the first failure, with the path and the byte.
  [[nodiscard]] error failure() const;

 protected:
  using at = const std::uint8_t*;

  // Brackets nest at most `depth_max` deep.
  void start(bytes_view in, std::size_t depth_max);
  // One bracket deeper; false after a failure.
  [[nodiscard]] bool enter(at p) {
    if (depth_ >= depth_max_) [[unlikely]]
      return too_deep(p) != nullptr;
    ++depth_;
    return true;
  }

  // A value of any type, without recursion.
  [[nodiscard]] at skip(at p);
  // At the opening quote.
  [[nodiscard]] at skip_string(at p);
  // At a backslash.
  [[nodiscard]] at escape(at p, std::uint32_t& point);
  // The characters of a string behind its opening quote, to `to`, which has room for the raw text. Returns the
  // position behind the string.
  [[nodiscard]] at unescape(at p, std::uint8_t*& to);

  // Failures; each returns nullptr. inside() adds a step in front of the path.
  [[gnu::cold]] at fail(errc code, at where, std::string what);
  [[gnu::cold]] at unexpected(at p, std::string_view wanted);
  [[gnu::cold]] at inside(std::string_view step);

  static constexpr const char* why_cut_off = "the document ends inside a string";
  static constexpr const char* why_control = "a control character inside a string, which JSON escapes";
  static constexpr const char* why_not_utf8 = "a string that is not UTF-8";

  at begin_ = nullptr;
  at end_ = nullptr;
  std::size_t depth_ = 0;

 private:
  [[nodiscard]] at skip_scalar(at p);
  [[gnu::cold]] at too_deep(at p);

  std::size_t depth_max_ = 0;
  errc failed_code_ = errc::malformed;
  std::size_t failed_at_ = 0;
  std::string failed_what_;
  std::string path_;
};

}  // namespace millrace::avro
