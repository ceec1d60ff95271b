// Bytes that come or go piece by piece: what object container files are read from and written to. Files,
// memory, or whatever implements the two ports. One thread at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include <millrace/base/bytes.h>
#include <millrace/base/result.h>

namespace millrace::avro {

class byte_input {
 public:
  byte_input() = default;
  byte_input(const byte_input&) = delete;
  byte_input& operator=(const byte_input&) = delete;
  virtual ~byte_input() = default;

  // Fills the front of `into` (not empty) with what comes next and says how many bytes that were; 0 is the
  // end. errc::io_error.
  [[nodiscard]] virtual result<std::size_t> read(std::span<std::byte> into) = 0;
};

class byte_output {
 public:
  byte_output() = default;
  byte_output(const byte_output&) = delete;
  byte_output& operator=(const byte_output&) = delete;
  virtual ~byte_output() = default;

  // Takes all of `bytes`, or errc::io_error: how much was written is then unknown.
  [[nodiscard]] virtual result<void> write(bytes_view bytes) = 0;
  // Nothing more comes; errors that the system reports late are reported here. Once.
  [[nodiscard]] virtual result<void> close() = 0;
};

// A file by its path; "-" is standard input or output. errc::io_error names the path and the reason.
[[nodiscard]] result<std::unique_ptr<byte_input>> open_file(const std::string& path);
// Replaces what is there.
[[nodiscard]] result<std::unique_ptr<byte_output>> create_file(const std::string& path);

// `bytes` must outlive the input.
[[nodiscard]] std::unique_ptr<byte_input> input_of(bytes_view bytes);
// Appends to `buffer`, which must outlive the output.
[[nodiscard]] std::unique_ptr<byte_output> output_into(byte_buffer& buffer);

}  // namespace millrace::avro
