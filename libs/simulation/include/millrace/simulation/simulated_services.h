// Services on a manual clock: servers that a test primes, and blocking functions that run inline.
//
// Example:
//
//   manual_clock time;
//   runtime::loop loop(time);
//   simulation::simulated_services services(loop);
//   services.http("scales").answer("/weights/tea", 200, "7");
//   services.http("scales").is_down = true;              // from now on nobody answers
//   services.blocking("archive").lasts = seconds(2);     // by the clock of the test
//   invariant(services.http("scales").requests().empty(), "nothing was sent yet");
//
// Threads: the test's thread.
// Errors: a request for which nothing is primed fails with errc::config_invalid, which names it.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/base/result.h>
#include <millrace/http/transport.h>
#include <millrace/runtime/loop.h>
#include <millrace/runtime/timer.h>
#include <millrace/service/blocking.h>
#include <millrace/service/channel.h>
#include <millrace/statement/declarations.h>

namespace millrace::simulation {

// The end of one request, decided when it is sent.
struct http_fate {
  nanoseconds after{0};  // longer than the timeout of the request: it fails with errc::service_timeout
  std::optional<error> failure = {};
  http::response answer = {200, {}, {}, {}};
};

// A server.
class simulated_http final : public http::transport {
 public:
  explicit simulated_http(runtime::loop& l) noexcept;
  ~simulated_http() override;

  // Every request to this target, whatever its method, has this answer from now on. A header Retry-After takes effect.
  void answer(std::string target, unsigned status, std::string body = {},
              std::vector<std::pair<std::string, std::string>> headers = {});
  // Decides each request instead.
  void decide(std::function<http_fate(const http::request&)> by) { decide_ = std::move(by); }
  // Every request fails with errc::service_unavailable.
  bool is_down = false;
  // Time until an answer that was primed.
  nanoseconds delay{0};

  // The requests in the order in which they were sent.
  [[nodiscard]] const std::vector<http::request>& requests() const noexcept { return requests_; }
  [[nodiscard]] std::size_t in_flight() const noexcept { return at_work_.size(); }

  void submit(http::transfer& what) override;
  void cancel(http::transfer& what) override;

 private:
  class exchange;

  [[nodiscard]] http_fate fate_of(const http::request& request) const;
  void end(exchange& which, result<http::response> how);

  runtime::loop& loop_;
  std::map<std::string, http::response, std::less<>> primed_;
  std::function<http_fate(const http::request&)> decide_;
  std::vector<http::request> requests_;
  std::vector<std::unique_ptr<exchange>> at_work_;
};

// Threads: a function runs inline when it is submitted, and its call ends later.
class simulated_blocking final : public service::blocking_port {
 public:
  explicit simulated_blocking(runtime::loop& l) noexcept;
  ~simulated_blocking() override;

  // Time from the start of a function to its end.
  nanoseconds lasts{0};
  // Functions are not run: their calls fail with this error.
  std::optional<error> failure = {};
  // The number of functions that were run.
  [[nodiscard]] std::size_t calls() const noexcept { return calls_; }

  void submit(std::shared_ptr<service::blocking_job> job) override;

 private:
  class run;

  runtime::loop& loop_;
  std::size_t calls_ = 0;
  std::vector<std::unique_ptr<run>> at_work_;
};

// The services of one worker.
class simulated_services {
 public:
  explicit simulated_services(runtime::loop& l, service::channel_options limits = {});
  simulated_services(const simulated_services&) = delete;
  simulated_services& operator=(const simulated_services&) = delete;
  ~simulated_services();

  // The server or the threads of this name; made when they are new. A name has one kind.
  [[nodiscard]] simulated_http& http(std::string_view name);
  [[nodiscard]] simulated_blocking& blocking(std::string_view name);
  // Limits of services whose first use comes later.
  void use_limits(service::channel_options limits) noexcept { limits_ = limits; }
  // Connects the declared services.
  void bind(const statements::declarations& declared);
  // Whether a declared service has this name.
  [[nodiscard]] bool is_declared(std::string_view name) const;

 private:
  struct one;
  [[nodiscard]] one& find(std::string_view name);

  runtime::loop& loop_;
  service::channel_options limits_;
  std::map<std::string, std::unique_ptr<one>, std::less<>> all_;
};

}  // namespace millrace::simulation
