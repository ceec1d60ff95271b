// Addresses of host names, for event loops, which must not wait for a name server.
//
// Example:
//
//   http::name_resolver names;
//   names.resolve("localhost", [](const http::name_resolver::addresses& found) {
//     invariant(!found || !found->empty(), "a name that is known has an address");  // on the resolver's thread
//   });
//
// Threads: resolve() may be called from any thread and does not block. All names are resolved one after the other
// on one thread, which the first of them starts.
// Lifetime: a resolver may be destroyed at any time; it does not wait for the name server. Its thread then ends after
// the name that it resolves, and makes no further call.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <millrace/base/result.h>

namespace millrace::http {

class name_resolver {
 public:
  // Addresses as text, in the order in which they are to be tried; at least one. errc::service_unavailable with the
  // name and the reason otherwise.
  using addresses = result<std::vector<std::string>>;

  name_resolver();
  name_resolver(const name_resolver&) = delete;
  name_resolver& operator=(const name_resolver&) = delete;
  ~name_resolver();

  // Calls `resolved` on the resolver's thread, once, unless the resolver is destroyed before. errc::limit_exceeded when
  // names_max names wait already.
  static constexpr std::size_t names_max = 1'000;
  void resolve(std::string host, std::function<void(addresses)> resolved);

 private:
  struct state;
  std::shared_ptr<state> state_;
};

// Whether the host is an IP address, which need not be resolved.
[[nodiscard]] bool is_ip_address(const std::string& host) noexcept;

}  // namespace millrace::http
