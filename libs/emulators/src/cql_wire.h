// The primitive notations of the CQL native protocol v4 (section 3 of native_protocol_v4.spec): big-endian
// integers, [string], [bytes], [value] and so on, read with bounds checks and written by appending.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace millrace::emulators::cql {

inline constexpr std::size_t frame_header_bytes = 9;
inline constexpr std::uint8_t protocol_version = 4;

enum class opcode : std::uint8_t {
  error = 0x00,
  startup = 0x01,
  ready = 0x02,
  authenticate = 0x03,
  options = 0x05,
  supported = 0x06,
  query = 0x07,
  result = 0x08,
  prepare = 0x09,
  execute = 0x0A,
  register_events = 0x0B,
  event = 0x0C,
  batch = 0x0D,
  auth_challenge = 0x0E,
  auth_response = 0x0F,
  auth_success = 0x10,
};

// A [value]: null and "not set" are distinguished from empty.
struct value {
  enum class state : std::uint8_t { present, null, unset };

  std::string_view bytes;
  state is = state::null;

  [[nodiscard]] bool present() const noexcept { return is == state::present; }
};

// Reads from a view; the first read past the end makes every later one fail too (ok() turns false and values
// read as empty), so a caller may check once at the end.
class wire_reader {
 public:
  explicit wire_reader(std::string_view bytes) : rest_(bytes) {}

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] std::size_t left() const noexcept { return rest_.size(); }

  std::uint8_t u8() { return static_cast<std::uint8_t>(number<std::uint8_t>()); }
  std::uint16_t u16() { return number<std::uint16_t>(); }
  std::int32_t i32() { return static_cast<std::int32_t>(number<std::uint32_t>()); }
  std::int64_t i64() { return static_cast<std::int64_t>(number<std::uint64_t>()); }
  std::string_view take(std::size_t count) {
    if (count > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  std::string_view string() { return take(u16()); }
  std::string_view short_bytes() { return take(u16()); }
  std::string_view long_string() {
    const std::int32_t length = i32();
    return length < 0 ? fail() : take(static_cast<std::size_t>(length));
  }
  // [bytes]: a negative length is null, read as absent.
  value bytes() {
    const std::int32_t length = i32();
    if (length < 0) return {};
    return {take(static_cast<std::size_t>(length)), value::state::present};
  }
  value cell() {
    const std::int32_t length = i32();
    if (length >= 0) return {take(static_cast<std::size_t>(length)), value::state::present};
    return {{}, length == -2 ? value::state::unset : value::state::null};
  }
  std::string_view fail() {
    ok_ = false;
    rest_ = {};
    return {};
  }

 private:
  template <typename U>
  U number() {
    if (rest_.size() < sizeof(U)) {
      fail();
      return 0;
    }
    U out = 0;
    for (std::size_t i = 0; i < sizeof(U); ++i) {
      out = static_cast<U>((static_cast<std::uint64_t>(out) << 8U) | static_cast<unsigned char>(rest_[i]));
    }
    rest_.remove_prefix(sizeof(U));
    return out;
  }

  std::string_view rest_;
  bool ok_ = true;
};

template <typename U>
inline void put_number(std::string& out, U number) {
  char raw[sizeof(U)];
  for (std::size_t i = 0; i < sizeof(U); ++i) {
    raw[i] = static_cast<char>(static_cast<std::uint64_t>(number) >> (8 * (sizeof(U) - 1 - i)));
  }
  out.append(raw, sizeof(U));
}
inline void put_u8(std::string& out, std::uint8_t number) { out.push_back(static_cast<char>(number)); }
inline void put_u16(std::string& out, std::uint16_t number) { put_number(out, number); }
inline void put_i32(std::string& out, std::int32_t number) {
  put_number(out, static_cast<std::uint32_t>(number));
}
inline void put_i64(std::string& out, std::int64_t number) {
  put_number(out, static_cast<std::uint64_t>(number));
}
// [string] and [short bytes]; longer text is cut at the notation's 65,535 bytes.
inline void put_string(std::string& out, std::string_view text) {
  text = text.substr(0, 0xFFFF);
  put_u16(out, static_cast<std::uint16_t>(text.size()));
  out.append(text);
}
inline void put_bytes(std::string& out, std::string_view bytes) {
  put_i32(out, static_cast<std::int32_t>(bytes.size()));
  out.append(bytes);
}
inline void put_null(std::string& out) { put_i32(out, -1); }

}  // namespace millrace::emulators::cql
