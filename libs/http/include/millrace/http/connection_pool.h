// Requests to one server over connections that are kept, on an event loop: no thread per request, nothing blocks.
//
// HTTP/1.1, TCP or TLS; one request at a time on a connection. Redirects are not followed. Bodies are read with
// Content-Length, chunked, or to the end of the connection.
//
// Example, at namespace scope:
//
//   std::unique_ptr<http::transport> connect(runtime::loop& loop, http::name_resolver& names, const http::endpoint& to) {
//     auto as = std::make_shared<http::identity>(http::identity::headers{{"X-Api-Key", "k"}});
//     return std::make_unique<http::connection_pool>(loop, http::pool_options{.server = to}, std::move(as), names);
//   }
//
// A connection that the server has closed while it was idle is no failure: a request that meets it, and that may be
// repeated, is sent once more on a new one.
//
// Errors of a transfer:
//
//   code                        cause
//   errc::service_unavailable   the name is not resolved, no connection within connect_timeout, TLS refused, or the
//                               connection ended before the answer began
//   errc::service_timeout       sent, and no complete answer within the timeout
//   errc::service_protocol      the answer is not HTTP/1.1, its header is too large, or it ended early
//   errc::limit_exceeded        the body is larger than body_bytes_max
//   errc::service_rejected      the request cannot be sent: a target or header that breaks its line
//   errc::service_overloaded    connections_max requests are at work
//   errc::cancelled             cancel(), or the end of the pool
//
// An answer of any status is no error here. Messages have the address of the server, and neither headers nor bodies.
//
// Threads: the loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <millrace/http/name_resolver.h>
#include <millrace/http/transport.h>
#include <millrace/runtime/loop.h>

namespace millrace::http {

// The connections of one worker to one server.
// Lifetime: loop, resolver and identity outlive the pool. Its destructor cancels what is at work.
class connection_pool final : public transport {
 public:
  connection_pool(runtime::loop& l, pool_options options, std::shared_ptr<const identity> as,
                  name_resolver& names);
  ~connection_pool() override;

  void submit(transfer& what) override;
  void cancel(transfer& what) override;

  // Connections, with those that are being made.
  [[nodiscard]] std::size_t connections() const noexcept;
  // Connections that were made since the start.
  [[nodiscard]] std::uint64_t opened() const noexcept;

 private:
  class core;
  std::unique_ptr<core> core_;
};

}  // namespace millrace::http
