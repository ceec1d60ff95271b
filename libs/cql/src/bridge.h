// The bridge's C handles as C++ owners, and its answers as errors.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <millrace/base/errors.h>
#include <millrace/native/bridge.h>

namespace millrace::cql {

struct session_closer {
  void operator()(millrace_cql_session* session) const noexcept { millrace_cql_session_close(session); }
};
using session_handle = std::unique_ptr<millrace_cql_session, session_closer>;

struct owner_releaser {
  void operator()(millrace_cql_owner* owner) const noexcept { millrace_cql_release(&owner, 1); }
};
using owner_handle = std::unique_ptr<millrace_cql_owner, owner_releaser>;

// Zeroed, with its size set, as every struct of the bridge requires.
template <typename T>
[[nodiscard]] T sized() noexcept {
  T value{};
  value.size = sizeof(T);
  return value;
}

[[nodiscard]] errc code_of(std::int32_t status) noexcept;
// "write timeout …" with the protocol's number where the server sent one.
[[nodiscard]] error to_error(std::int32_t status, std::int32_t code, std::string_view message);
[[nodiscard]] inline error to_error(const millrace_cql_error& failed) {
  return to_error(failed.status, failed.code, static_cast<const char*>(failed.message));
}

// The protocol's number of "LOCAL_QUORUM", "local_quorum" or "LocalQuorum".
[[nodiscard]] std::optional<std::uint16_t> consistency_number(std::string_view name);
// "ANY, ONE, …" for messages.
[[nodiscard]] std::string consistency_names();

}  // namespace millrace::cql
