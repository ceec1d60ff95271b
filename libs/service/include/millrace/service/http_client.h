// HTTP requests of a processor, declared as a member. Applications write millrace::http_client.
//
// Example prelude:
//
//   #include <millrace/engine/processor.h>
//   #include <millrace/simulation/parcel.h>
//   #include <millrace/stream/must.h>
//
// Example, at namespace scope:
//
//   class weigh final : public engine::processor<engine::parcel> {
//    public:
//     runtime::task<stream::outcome> process(engine::record<engine::parcel> parcel, stream::context ctx) override {
//       const std::string target = "/weights/" + http::escaped(parcel->word);
//       const http::response weight = co_await stream::must(scales_.get(ctx, target, {.accepts = {404}}));
//       if (weight.status == 404) co_return stream::outcome::skipped("no weight");
//       co_await stream::must(scales_.post(ctx, "/weighed", weight.body, "text/plain"));
//       co_return stream::outcome::done();
//     }
//
//    private:
//     service::http_client scales_{"scales"};
//   };
//
// The name is that of the settings (`http` in the configuration: URL, timeouts, limits, TLS, credentials), of the label
// `dependency` of metrics, and of the circuit breaker. Clients of one name, also of several processors, share them.
//
// Connections are kept and belong to the worker's event loop: no thread per call, nothing blocks. Redirects are not
// followed.
//
// Errors: an answer with status 2xx, or one that the call accepts, is a value. Otherwise:
//
//   code                         status or cause                                            disposition
//   errc::service_unavailable    no connection; it ended before the answer; 408, 425,        retry
//                                502, 503, 504; 401, 407 for less than unauthorized_after
//   errc::service_overloaded     429; 503 with Retry-After; no turn within queue_timeout     retry
//   errc::service_failed         another 5xx                                                retry
//   errc::service_timeout        no complete answer within the timeout                      retry
//   errc::service_protocol       the answer is not HTTP/1.1, or ended early                 retry
//   errc::service_unauthorized   401, 407 for longer                                        stop
//   errc::service_rejected       another status; a request that cannot be sent              dead letter
//   errc::limit_exceeded         a body larger than response_bytes_max                      dead letter
//   errc::cancelled              the attempt was cancelled                                  retry
//
// The retryable ones open the circuit breaker and cost the record no attempt: an outage dead-letters nothing, however
// long it is. A record whose request alone fails with service_failed, service_timeout or service_protocol, while others
// succeed, is dead-lettered after `engine.retry.age_max`. 429 and 503 with Retry-After pause the calls of this worker for
// the time that the header says, at most pause_max.
//
// Repetition: a record may be processed again, and so is what it has sent. A service that must not act twice needs a key
// of the request, such as topic, partition and offset of the record in a header.
//
// The answer must be looked at, as that of a statement (stream/answer.h).
// Messages have the name of the service and the status, and neither targets, headers nor bodies.
// Threads: the worker's thread.
// Lifetime: the request is copied before the call returns; the answer owns its memory. With GCC 12 a co_await expression
// has no temporary with a destructor: a request and a composed target are named variables.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <millrace/base/clock.h>
#include <millrace/http/exchange.h>
#include <millrace/http/transport.h>
#include <millrace/http/url.h>
#include <millrace/runtime/task.h>
#include <millrace/service/channel.h>
#include <millrace/statement/service.h>
#include <millrace/stream/answer.h>
#include <millrace/stream/context.h>

namespace millrace::service {

// At most statuses_max statuses, such as {404, 410}. GCC 12 does not compile an std::initializer_list in a co_await
// expression.
class accepted_statuses {
 public:
  static constexpr std::size_t statuses_max = 8;

  accepted_statuses() = default;
  template <std::integral... Statuses>
    requires(sizeof...(Statuses) > 0)
  // NOLINTNEXTLINE(google-explicit-constructor): {404} is a list of statuses.
  accepted_statuses(Statuses... all) noexcept : all_{static_cast<unsigned>(all)...} {
    static_assert(sizeof...(Statuses) <= statuses_max, "a call accepts at most 8 statuses besides 2xx");
  }
  // Returns whether an answer with this status is a value.
  [[nodiscard]] bool has(unsigned status) const noexcept {
    return status / 100 == 2 || std::find(all_.begin(), all_.end(), status) != all_.end();
  }

 private:
  std::array<unsigned, statuses_max> all_{};
};

// Options of one call. They need no destructor, so that they may be written in a co_await expression.
struct http_call_options {
  std::optional<milliseconds> timeout = {};  // none: that of the settings
  accepted_statuses accepts = {};            // statuses besides 2xx that are a value
  // False: never sent twice by itself, after a connection that was kept has ended. A retry of the record sends it again.
  bool may_repeat = true;
};

class http_client final : public statements::service_declaration {
 public:
  using call = runtime::task<stream::answer<http::response>>;

  // Registers the service with the declaration_scope of the thread.
  explicit http_client(std::string name)
      : service_declaration(std::move(name), statements::service_kind::http) {}

  // Sends a request. `target` is appended to the path of the URL in the settings; its parts need http::escaped().
  [[nodiscard]] call operator()(stream::context ctx, const http::request& request,
                                http_call_options options = {}) const {
    return run(this, ctx, request, options);
  }
  [[nodiscard]] call get(stream::context ctx, std::string_view target, http_call_options options = {}) const;
  [[nodiscard]] call post(stream::context ctx, std::string_view target, std::string_view body,
                          std::string_view content_type, http_call_options options = {}) const;

  // Connects the declaration, once, before the first record. Both must outlive it.
  void bind(channel& through, http::transport& to) noexcept {
    channel_ = &through;
    to_ = &to;
  }

 private:
  static call run(const http_client* self, stream::context ctx, http::request request,
                  http_call_options options);

  channel* channel_ = nullptr;
  http::transport* to_ = nullptr;
};

}  // namespace millrace::service
