// A password, token or key. A stream prints "***", no conversion to a string exists, and the bytes are
// overwritten when the value is destroyed. A copy is a secret too.
//
// Limit: a literal secret in a configuration file passes through the buffers of the YAML parser, which are not
// overwritten. The text behind a ${file:...} or ${env:...} reference does not enter the parser.
//
// Threads: a plain value; concurrent reads are safe.
//
// Example:
//
//   const millrace::secret password("correct horse");
//   std::ostringstream log;
//   log << password;
//   millrace::invariant(log.str() == "***", "a secret is not printed");
//
// Example prelude:
//
//   #include <sstream>
#pragma once

#include <cstddef>
#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>

namespace millrace {

// Overwrites the text, then empties it. Not optimised away.
void wipe(std::string& text) noexcept;

class secret {
 public:
  secret() = default;
  explicit secret(std::string_view value);
  secret(const secret& other) : secret(other.reveal()) {}
  secret(secret&& other) noexcept;
  secret& operator=(const secret& other);
  secret& operator=(secret&& other) noexcept;
  ~secret() { clear(); }

  // The value, valid while this object is unchanged. For the library that needs it, never for a log.
  [[nodiscard]] std::string_view reveal() const noexcept { return {bytes_.get(), size_}; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  void clear() noexcept;

  // Compares in a time that depends on the lengths only.
  friend bool operator==(const secret& a, const secret& b) noexcept;
  friend std::ostream& operator<<(std::ostream& to, const secret&);

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
};

}  // namespace millrace
