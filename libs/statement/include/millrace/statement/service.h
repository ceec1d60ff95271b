// A service besides the database that a processor calls, declared as a member. Applications use the typed forms,
// service::http_client and service::blocking.
//
// Services of one name are one dependency of the process: they share settings, limits, metrics and a circuit
// breaker, over processors.
//
// Example prelude:
//
//   #include <millrace/statement/declarations.h>
//
//   struct mailbox_of_clerk final : statements::service_declaration {
//     mailbox_of_clerk() : service_declaration("clerk", statements::service_kind::blocking) {}
//   };
//
// Example:
//
//   statements::declarations declared;
//   const statements::declaration_scope scope(declared);
//   const mailbox_of_clerk clerk;
//   invariant(declared.services.front()->name() == "clerk", "a service registers itself");
//   invariant(clerk.check_name().ok(), "a name is lower-case");
//
// Threads: one worker's thread, at start-up; immutable afterwards.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <millrace/base/result.h>

namespace millrace::statements {

// http: requests to a server. blocking: functions on threads that may wait.
enum class service_kind : std::uint8_t { http, blocking };

inline constexpr std::size_t service_name_bytes_max = 64;

class service_declaration {
 public:
  service_declaration(const service_declaration&) = delete;
  service_declaration& operator=(const service_declaration&) = delete;

  // The name as declared: the label `dependency` of metrics, and the name of the settings.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] service_kind kind() const noexcept { return kind_; }
  // The number of the name among the services of the application. Set by engine::build().
  [[nodiscard]] std::uint8_t number() const noexcept { return number_; }
  void number_is(std::uint8_t number) noexcept { number_ = number; }
  // Returns errc::config_invalid when the name is empty, longer than service_name_bytes_max, not of lower-case letters,
  // digits, '-', '_' and '.', or that of a dependency of the product ("database", "broker").
  [[nodiscard]] result<void> check_name() const;

 protected:
  // Registers the service with the declaration_scope of the thread (declarations.h).
  service_declaration(std::string name, service_kind kind);
  ~service_declaration() = default;

 private:
  std::string name_;
  service_kind kind_;
  std::uint8_t number_ = 0;
};

}  // namespace millrace::statements
