// An open file descriptor that is closed with its owner.
//
// Example prelude:
//
//   #include <fcntl.h>
//
// Example:
//
//   const file_descriptor file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
//   if (!file) return error(errc::io_error, "/dev/null cannot be opened");
//
// Threads: an object belongs to one thread at a time.
#pragma once

#include <utility>

namespace millrace {

// The owner of one descriptor, or of none.
class file_descriptor {
 public:
  // Owns nothing.
  file_descriptor() noexcept = default;
  // Takes over an open descriptor; a negative number, the result of a failed call, is none.
  explicit file_descriptor(int number) noexcept : number_(number) {}
  file_descriptor(file_descriptor&& other) noexcept : number_(other.release()) {}
  file_descriptor& operator=(file_descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~file_descriptor() { close(); }

  // Returns the descriptor; it is negative when there is none.
  [[nodiscard]] int get() const noexcept { return number_; }
  [[nodiscard]] explicit operator bool() const noexcept { return number_ >= 0; }
  // Returns the descriptor and gives it up: the caller closes it.
  [[nodiscard]] int release() noexcept { return std::exchange(number_, -1); }
  // Closes the descriptor, if there is one. Returns false when the system reports a failure, such as a full
  // disk, in errno; the descriptor is closed nevertheless.
  bool close() noexcept;

 private:
  int number_ = -1;
};

}  // namespace millrace
