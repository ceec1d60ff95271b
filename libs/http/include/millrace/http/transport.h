// The port to a server for an event loop: requests and their answers. connection_pool.h implements it.
//
// Example, at namespace scope:
//
//   // `question` stays alive until it is complete.
//   void ask(http::transport& server, http::transfer& question) {
//     question.request = {.method = "GET", .target = "/limits/42"};
//     question.timeout = seconds(2);
//     question.on_complete = [](http::transfer& done) {
//       invariant(done.answer.has_value(), "a transfer is completed with its answer");
//     };
//     server.submit(question);
//   }
//
// Threads: the loop's thread, except identity, which any thread may change.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/base/result.h>
#include <millrace/http/exchange.h>
#include <millrace/http/url.h>
#include <millrace/runtime/intrusive.h>

namespace millrace::http {

class pool_connection;

// One request and its answer. It stays at its address from submit() to its completion.
struct transfer : runtime::list_hook {
  http::request request;
  nanoseconds timeout{0};  // from submit() to the last byte of the answer
  bool may_repeat = true;  // the server may receive it twice
  // Set before on_complete is called, which submits no transfer and cancels none itself: it resumes what waits, later.
  std::optional<result<response>> answer;
  void (*on_complete)(transfer&) = nullptr;

  // Of the pool.
  instant deadline;
  pool_connection* connection = nullptr;
  bool was_repeated = false;
};

// The port to one server; implemented by connection_pool and by the simulation.
class transport {
 public:
  transport() = default;
  transport(const transport&) = delete;
  transport& operator=(const transport&) = delete;
  virtual ~transport() = default;

  // Sends a request. Every transfer is completed exactly once, by a call of on_complete, which may come from here.
  virtual void submit(transfer& what) = 0;
  // Completes a transfer that is not complete with errc::cancelled. The server may have received the request.
  virtual void cancel(transfer& what) = 0;
};

// Headers of every request of a server, such as credentials, which may change while the process runs.
class identity {
 public:
  using headers = std::vector<std::pair<std::string, std::string>>;
  explicit identity(headers first) : now_(std::make_shared<const headers>(std::move(first))) {}

  // Any thread.
  [[nodiscard]] std::shared_ptr<const headers> now() const {
    const std::lock_guard lock(mutex_);
    return now_;
  }
  // Requests that begin later have these. Returns whether they differ.
  bool use(headers next) {
    auto made = std::make_shared<const headers>(std::move(next));
    const std::lock_guard lock(mutex_);
    const bool differs = *made != *now_;
    now_ = std::move(made);
    return differs;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const headers> now_;
};

// Returns errc::service_rejected with the name of the first header that a request cannot have: one that is not a token, has
// control characters, or belongs to the connection, such as Content-Length.
[[nodiscard]] result<void> check(const identity::headers& headers);

struct pool_options {
  endpoint server;
  tls_files files = {};  // for https; read again when they change
  std::size_t connections_max = 16;
  milliseconds connect_timeout{3'000};  // name, connection and TLS handshake
  milliseconds idle_timeout{30'000};    // of a connection without a request
  std::size_t header_bytes_max = 64U << 10U;
  std::size_t body_bytes_max = 1U << 20U;
};

}  // namespace millrace::http
