#include <algorithm>
#include <charconv>
#include <coroutine>
#include <ctime>
#include <string_view>

#include <millrace/base/assert.h>
#include <millrace/service/http_client.h>

namespace millrace::service {
namespace {

// `co_await` resumes when the transfer is complete.
class sent final : private stream::cancellable {
 public:
  sent(stream::context ctx, http::transport& to) noexcept : ctx_(ctx), to_(to) { transfer_.of = this; }

  [[nodiscard]] http::transfer& transfer() noexcept { return transfer_; }
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    transfer_.on_complete = [](http::transfer& done) { static_cast<carried&>(done).of->completed(); };
    ctx_.begin_wait(*this);
    to_.submit(transfer_);
  }
  void await_resume() const noexcept { ctx_.resumed(); }

 private:
  struct carried : http::transfer {
    sent* of = nullptr;
  };

  void completed() {
    unlink();
    ctx_.loop().resume_later(waiting_);
  }
  void on_cancelled() override { to_.cancel(transfer_); }

  stream::context ctx_;
  http::transport& to_;
  carried transfer_;
  std::coroutine_handle<> waiting_;
};

errc code_of(const http::response& answer) {
  switch (answer.status) {
    case 401:
    case 407:
      return errc::service_unauthorized;
    case 429:
      return errc::service_overloaded;
    case 503:
      return answer.retry_after.empty() ? errc::service_unavailable : errc::service_overloaded;
    case 408:
    case 425:
    case 502:
    case 504:
      return errc::service_unavailable;
    default:
      return answer.status / 100 == 5 ? errc::service_failed : errc::service_rejected;
  }
}

// Seconds, or a date in the one form that is not obsolete (RFC 9110).
nanoseconds pause_of(const std::string& retry_after, timestamp_micros now) {
  std::int64_t whole = 0;
  const char* const end = retry_after.data() + retry_after.size();
  if (const auto [at, failed] = std::from_chars(retry_after.data(), end, whole);
      failed == std::errc() && at == end) {
    return seconds(std::clamp<std::int64_t>(whole, 0, pause_max.count()));
  }
  std::tm date{};
  if (::strptime(retry_after.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date) == nullptr) return nanoseconds(0);
  const std::int64_t until = ::timegm(&date);
  const std::int64_t left = until - now.time_since_epoch().count() / 1'000'000;
  return seconds(std::clamp<std::int64_t>(left, 0, pause_max.count()));
}

result<http::response> value_of(const std::string& name, const http_call_options& options,
                                result<http::response> got) {
  if (!got) return got.error().in(name);
  const unsigned status = got->status;
  if (options.accepts.has(status)) return got;
  std::string text = name + ": HTTP " + std::to_string(status);
  if (status / 100 == 3) text += " (redirects are not followed)";
  return error(code_of(*got), std::move(text));
}

}  // namespace

http_client::call http_client::get(stream::context ctx, std::string_view target,
                                   http_call_options options) const {
  return run(this, ctx, {.method = "GET", .target = std::string(target)}, options);
}

http_client::call http_client::post(stream::context ctx, std::string_view target, std::string_view body,
                                    std::string_view content_type, http_call_options options) const {
  http::request request{"POST", std::string(target), std::string(body), {}};
  request.headers.emplace_back("Content-Type", content_type);
  return run(this, ctx, std::move(request), options);
}

http_client::call http_client::run(const http_client* self, stream::context ctx, http::request request,
                                   http_call_options options) {
  invariant(self->channel_ != nullptr, "a service is bound before it is called");
  channel& to = *self->channel_;
  turn wait(to, ctx);
  turn::end entered = co_await wait;
  if (entered == turn::end::taken && ctx.is_cancelled()) {
    to.leave();
    entered = turn::end::cancelled;
  }
  if (entered != turn::end::taken) {
    error why = without_turn(entered, to, self->name());
    to.count_refused(why);
    if (entered == turn::end::late) ctx.service_not_called(*self);
    co_return stream::answer<http::response>(std::move(why), ctx.duty_for(*self));
  }
  const instant began = to.loop().time().now();
  sent exchange(ctx, *self->to_);
  exchange.transfer().request = std::move(request);
  exchange.transfer().timeout = options.timeout.value_or(to.options().timeout);
  exchange.transfer().may_repeat = options.may_repeat;
  co_await exchange;
  result<http::response> got = *std::move(exchange.transfer().answer);
  if (got && !got->retry_after.empty() && (got->status == 429 || got->status == 503))
    to.pause_for(pause_of(got->retry_after, to.loop().time().wall()));
  result<http::response> value = value_of(self->name(), options, std::move(got));
  if (!value && value.error().code() == errc::service_unauthorized && !to.refused_for_long())
    value = error(errc::service_unavailable, value.error().message());
  const error* const failure = value ? nullptr : &value.error();
  to.count(to.loop().time().now() - began, failure);
  to.leave();
  ctx.service_answered(*self, failure);
  co_return stream::answer<http::response>(std::move(value), ctx.duty_for(*self));
}

}  // namespace millrace::service
