// What a server answers when it cannot: the ERROR frame's code, text and extra fields. Texts are Cassandra's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace millrace::emulators::cql {

namespace code {
inline constexpr std::int32_t server_error = 0x0000;
inline constexpr std::int32_t protocol = 0x000A;
inline constexpr std::int32_t bad_credentials = 0x0100;
inline constexpr std::int32_t unavailable = 0x1000;
inline constexpr std::int32_t overloaded = 0x1001;
inline constexpr std::int32_t bootstrapping = 0x1002;
inline constexpr std::int32_t truncate = 0x1003;
inline constexpr std::int32_t write_timeout = 0x1100;
inline constexpr std::int32_t read_timeout = 0x1200;
inline constexpr std::int32_t read_failure = 0x1300;
inline constexpr std::int32_t write_failure = 0x1500;
inline constexpr std::int32_t cdc_write_failure = 0x1600;
inline constexpr std::int32_t syntax = 0x2000;
inline constexpr std::int32_t unauthorized = 0x2100;
inline constexpr std::int32_t invalid = 0x2200;
inline constexpr std::int32_t config = 0x2300;
inline constexpr std::int32_t already_exists = 0x2400;
inline constexpr std::int32_t unprepared = 0x2500;
// ScyllaDB's; a client learns it from SUPPORTED and asks for it in STARTUP.
inline constexpr std::int32_t rate_limit = 0x4321;
}  // namespace code

struct failure {
  std::int32_t code = code::server_error;
  std::string message;
  std::string extra;  // the fields that follow the message, already encoded
};

[[nodiscard]] inline failure invalid(std::string message) { return {code::invalid, std::move(message), {}}; }

// Nothing, or why not.
using verdict = std::optional<failure>;

// A value or a failure.
template <typename T>
class [[nodiscard]] answer {
 public:
  // NOLINTBEGIN(google-explicit-constructor): a value or a failure reads as the answer it is.
  answer(T good) : state_(std::in_place_index<0>, std::move(good)) {}
  answer(failure bad) : state_(std::in_place_index<1>, std::move(bad)) {}
  // NOLINTEND(google-explicit-constructor)

  [[nodiscard]] explicit operator bool() const noexcept { return state_.index() == 0; }
  [[nodiscard]] T& operator*() { return *std::get_if<0>(&state_); }
  [[nodiscard]] T* operator->() { return std::get_if<0>(&state_); }
  [[nodiscard]] failure& why() { return *std::get_if<1>(&state_); }

 private:
  std::variant<T, failure> state_;
};

}  // namespace millrace::emulators::cql
