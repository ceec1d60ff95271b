// Avro's binary form of a schema → JSON text, by the shapes. The bytes come from the encoder and are trusted.
#pragma once

#include <string>
#include <string_view>

#include <millrace/base/bytes.h>
#include <millrace/base/result.h>

#include "json/shape.h"

namespace millrace::avro {

class binary_printer {
 public:
  binary_printer(const json_code& code, std::string& out) : code_(code), out_(out) {}

  [[nodiscard]] result<void> print(bytes_view datum);

 private:
  // False after a failure.
  [[nodiscard]] bool value(const json_shape& s);
  [[nodiscard]] bool scalar(const json_shape& s);
  [[nodiscard]] bool array(const json_shape& s);
  [[nodiscard]] bool map(const json_shape& s);
  [[nodiscard]] bool record(const json_shape& s);
  [[nodiscard]] bool union_of(const json_shape& s);
  [[nodiscard]] bool real_of_union(const json_shape& s, const json_branch& branch);
  [[nodiscard]] bool decimal(const json_shape& s);
  template <class T>
  void real();
  void time(const json_shape& s);
  void bytes(bytes_view content);
  void text(std::string_view content);
  void number(std::int64_t content);

  [[nodiscard]] std::int64_t take_long();
  [[nodiscard]] bytes_view take(std::size_t size);
  [[nodiscard]] bytes_view take_bytes() { return take(static_cast<std::size_t>(take_long())); }
  [[nodiscard]] bool fail(errc code, std::string what);

  const json_code& code_;
  std::string& out_;
  const std::uint8_t* p_ = nullptr;
  const std::uint8_t* end_ = nullptr;
  errc failed_code_ = errc::unresolvable;
  std::string failed_what_;
};

}  // namespace millrace::avro
