#include <array>

#include <openssl/evp.h>

#include <millrace/avro/schema.h>

#include "schema/document.h"

namespace millrace::avro {

std::string_view to_string(schema_type type) noexcept {
  switch (type) {
    case schema_type::null:
      return "null";
    case schema_type::boolean:
      return "boolean";
    case schema_type::int32:
      return "int";
    case schema_type::int64:
      return "long";
    case schema_type::float32:
      return "float";
    case schema_type::float64:
      return "double";
    case schema_type::bytes:
      return "bytes";
    case schema_type::string:
      return "string";
    case schema_type::record:
      return "record";
    case schema_type::enumeration:
      return "enum";
    case schema_type::array:
      return "array";
    case schema_type::map:
      return "map";
    case schema_type::union_of:
      return "union";
    case schema_type::fixed:
      return "fixed";
  }
  return "";
}

std::string_view to_string(logical_type type) noexcept {
  switch (type) {
    case logical_type::none:
      return "";
    case logical_type::decimal:
      return "decimal";
    case logical_type::big_decimal:
      return "big-decimal";
    case logical_type::uuid:
      return "uuid";
    case logical_type::date:
      return "date";
    case logical_type::time_millis:
      return "time-millis";
    case logical_type::time_micros:
      return "time-micros";
    case logical_type::timestamp_millis:
      return "timestamp-millis";
    case logical_type::timestamp_micros:
      return "timestamp-micros";
    case logical_type::timestamp_nanos:
      return "timestamp-nanos";
    case logical_type::local_timestamp_millis:
      return "local-timestamp-millis";
    case logical_type::local_timestamp_micros:
      return "local-timestamp-micros";
    case logical_type::local_timestamp_nanos:
      return "local-timestamp-nanos";
    case logical_type::duration:
      return "duration";
  }
  return "";
}

std::string_view unqualified(std::string_view full_name) noexcept {
  const auto dot = full_name.rfind('.');
  return dot == std::string_view::npos ? full_name : full_name.substr(dot + 1);
}

std::string_view name_space(std::string_view full_name) noexcept {
  const auto dot = full_name.rfind('.');
  return dot == std::string_view::npos ? std::string_view{} : full_name.substr(0, dot);
}

const schema_node& schema::root() const noexcept { return *document_->root; }
const std::string& schema::text() const noexcept { return document_->text; }

const schema_node* schema::find(std::string_view full_name) const noexcept {
  const auto found = document_->names.find(full_name);
  return found == document_->names.end() ? nullptr : found->second;
}

namespace {

template <std::size_t Size>
[[nodiscard]] result<std::array<std::byte, Size>> digest(const std::string& text, const EVP_MD* algorithm) {
  std::array<std::byte, Size> made{};
  unsigned size = 0;
  const int done = EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(made.data()), &size,
                              algorithm, nullptr);
  if (done != 1 || size != Size) return error(errc::unsupported, "this system's OpenSSL refuses the digest");
  return made;
}

}  // namespace

result<std::array<std::byte, 16>> schema::fingerprint_md5() const {
  return digest<16>(canonical(), EVP_md5());
}
result<std::array<std::byte, 32>> schema::fingerprint_sha256() const {
  return digest<32>(canonical(), EVP_sha256());
}

std::uint64_t schema::fingerprint() const { return rabin_fingerprint(canonical()); }

// Specification, "Schema fingerprints": the table and the empty value are those of its reference code.
std::uint64_t rabin_fingerprint(std::string_view text) noexcept {
  constexpr std::uint64_t empty = 0xc15d213aa4d7a795U;
  static constexpr auto table = [] {
    std::array<std::uint64_t, 256> built{};
    for (std::uint64_t i = 0; i < 256; ++i) {
      std::uint64_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = (value >> 1U) ^ (empty & (~(value & 1U) + 1U));
      built[i] = value;
    }
    return built;
  }();
  std::uint64_t fingerprint = empty;
  for (const char c : text) {
    fingerprint = (fingerprint >> 8U) ^ table[(fingerprint ^ static_cast<unsigned char>(c)) & 0xFFU];
  }
  return fingerprint;
}

}  // namespace millrace::avro
