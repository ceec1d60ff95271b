// A password, token or key. It is never shown by accident: streams and show() print "***", no conversion to a
// string exists, and the bytes are overwritten when the value goes away. Copies are secrets too.
//
// What this cannot do: the text of a configuration file that holds a literal secret passes through the YAML
// parser, whose buffers are not ours to overwrite. ${file:...} and ${env:...} references never enter the
// parser.
//
// Threads: a plain value.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::config {

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

  // The value itself, valid as long as this object is unchanged. Hand it to the library that needs it, never
  // to a log.
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

}  // namespace millrace::config
