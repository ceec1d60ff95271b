// Streams of bytes: the input and output of object container files. Files, memory, or an implementation of
// the two ports.
//
// Example:
//
//   byte_buffer written;
//   const auto output = avro::output_into(written);
//   if (const auto taken = output->write(as_bytes("Obj")); !taken) return taken.error();
//   const auto input = avro::input_of(written);
//   std::array<std::byte, 16> front{};
//   const auto count = input->read(front);
//   if (!count) return count.error();
//   invariant(*count == 3, "what was written is read");
//
// Example prelude:
//
//   #include <array>
//
// Threads: one thread at a time.
// Errors: errc::io_error with the path and the system's reason.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include <millrace/base/bytes.h>
#include <millrace/base/result.h>

namespace millrace::avro {

// The input port.
class byte_input {
 public:
  byte_input() = default;
  byte_input(const byte_input&) = delete;
  byte_input& operator=(const byte_input&) = delete;
  virtual ~byte_input() = default;

  // Fills the front of `into`, which is not empty, with the next bytes and returns their number; 0 is the
  // end.
  [[nodiscard]] virtual result<std::size_t> read(std::span<std::byte> into) = 0;
};

// The output port.
class byte_output {
 public:
  byte_output() = default;
  byte_output(const byte_output&) = delete;
  byte_output& operator=(const byte_output&) = delete;
  virtual ~byte_output() = default;

  // Writes all of `bytes`. After errc::io_error an unknown part was written.
  [[nodiscard]] virtual result<void> write(bytes_view bytes) = 0;
  // Ends the output, once. Reports errors that the system reports late.
  [[nodiscard]] virtual result<void> close() = 0;
};

// Opens a file for reading; "-" is standard input. Fails with errc::io_error.
[[nodiscard]] result<std::unique_ptr<byte_input>> open_file(const std::string& path);
// Creates a file or replaces its content; "-" is standard output. Fails with errc::io_error.
[[nodiscard]] result<std::unique_ptr<byte_output>> create_file(const std::string& path);

// Returns an input that reads `bytes`, which must outlive it.
[[nodiscard]] std::unique_ptr<byte_input> input_of(bytes_view bytes);
// Returns an output that appends to `buffer`, which must outlive it.
[[nodiscard]] std::unique_ptr<byte_output> output_into(byte_buffer& buffer);

}  // namespace millrace::avro
