// Values of any schema to Avro's binary form.
#pragma once

#include <string>

#include <millrace/avro/value.h>

#include "run/byte_sink.h"

namespace millrace::avro {

inline constexpr std::size_t no_branch = SIZE_MAX;
// The branch of a union that holds values of type `from`: that type itself; else the one of its full name;
// else the first it fits.
[[nodiscard]] std::size_t branch_of(const schema_node& type, const schema_node& from) noexcept;

// One datum. Stops at the first failure, and then knows where and why.
class value_encoder {
 public:
  value_encoder(byte_sink& out, std::size_t depth_max) : out_(out), depth_max_(depth_max) {}

  [[nodiscard]] bool write(const schema_node& type, const value& datum);

  [[nodiscard]] errc code() const { return code_; }
  [[nodiscard]] const char* why() const { return why_; }
  // ".page.url", "[]"; "" for the value itself.
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  [[nodiscard]] bool fail(errc code, const char* why);
  [[nodiscard]] bool write_union(const schema_node& type, const value& datum);
  [[nodiscard]] bool write_text(std::string_view text);
  [[nodiscard]] bool write_symbol(const schema_node& type, const value& datum);
  [[nodiscard]] bool write_items(const schema_node& type, const value& datum);
  [[nodiscard]] bool write_entries(const schema_node& type, const value& datum);
  [[nodiscard]] bool write_record(const schema_node& type, const value& datum);
  [[nodiscard]] bool write_deeper(const schema_node& type, const value& datum);

  byte_sink& out_;
  std::size_t depth_max_;
  std::size_t depth_ = 0;
  errc code_ = errc::unresolvable;
  const char* why_ = "";
  std::string path_;
};

}  // namespace millrace::avro
