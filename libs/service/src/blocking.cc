#include <coroutine>
#include <string>

#include <millrace/base/assert.h>
#include <millrace/service/blocking.h>

namespace millrace::service {
namespace {

// `co_await` resumes when the function has ended, or the call.
class job_wait final : private runtime::timer, private stream::cancellable, private blocking_job::waiter {
 public:
  enum class end : std::uint8_t { done, late, never_begun, cancelled };

  job_wait(stream::context ctx, channel& through, blocking_port& to, std::shared_ptr<blocking_job> job,
           milliseconds timeout)
      : ctx_(ctx), channel_(through), to_(to), job_(std::move(job)), timeout_(timeout) {}

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    job_->waited_for_by(this);
    ctx_.begin_wait(*this);
    channel_.loop().start(*this, timeout_);
    to_.submit(job_);
  }
  end await_resume() const noexcept {
    ctx_.resumed();
    return end_;
  }

 private:
  void job_ended() override {
    cancel();
    unlink();
    resume(end::done);
  }
  void on_timer() override {
    unlink();
    resume(give_up() ? end::late : end::never_begun);
  }
  void on_cancelled() override {
    cancel();
    static_cast<void>(give_up());
    resume(end::cancelled);
  }
  [[nodiscard]] bool give_up() {
    job_->waited_for_by(nullptr);
    return job_->give_up(channel_);
  }
  void resume(end how) {
    end_ = how;
    channel_.loop().resume_later(waiting_);
  }

  stream::context ctx_;
  channel& channel_;
  blocking_port& to_;
  std::shared_ptr<blocking_job> job_;
  milliseconds timeout_;
  std::coroutine_handle<> waiting_;
  end end_ = end::done;
};

error unfinished(job_wait::end how, const std::string& name, milliseconds timeout) {
  const std::string within = std::to_string(timeout.count()) + " ms (`timeout`)";
  switch (how) {
    case job_wait::end::late:
      return {errc::service_timeout, name + ": the function did not return within " + within};
    case job_wait::end::never_begun:
      return {errc::service_overloaded, name + ": no thread was free within " + within};
    case job_wait::end::cancelled:
    case job_wait::end::done:
      break;
  }
  return {errc::cancelled, name + ": the attempt was cancelled"};
}

}  // namespace

bool blocking_job::perform() noexcept {
  state expected = state::queued;
  if (!state_.compare_exchange_strong(expected, state::running)) return false;
  call(stop_.get_token());
  return true;
}

void blocking_job::ended() {
  if (channel* const counting = std::exchange(abandoned_in_, nullptr)) counting->abandoned(-1);
  if (waiter_ != nullptr) std::exchange(waiter_, nullptr)->job_ended();
}

bool blocking_job::give_up(channel& counting) noexcept {
  state expected = state::queued;
  if (state_.compare_exchange_strong(expected, state::given_up)) return false;
  abandoned_in_ = &counting;
  counting.abandoned(1);
  stop_.request_stop();
  return true;
}

runtime::task<result<nanoseconds>> blocking::finished(const blocking* self, stream::context ctx,
                                                      std::shared_ptr<blocking_job> job,
                                                      std::optional<milliseconds> timeout) {
  invariant(self->channel_ != nullptr, "a service is bound before it is called");
  channel& through = *self->channel_;
  turn place(through, ctx);
  turn::end entered = co_await place;
  if (entered == turn::end::taken && ctx.is_cancelled()) {
    through.leave();
    entered = turn::end::cancelled;
  }
  if (entered != turn::end::taken) {
    error why = without_turn(entered, through, self->name());
    through.count_refused(why);
    if (entered == turn::end::late) ctx.service_not_called(*self);
    co_return why;
  }
  const instant began = through.loop().time().now();
  const milliseconds allowed = timeout.value_or(through.options().timeout);
  job_wait wait(ctx, through, *self->to_, std::move(job), allowed);
  const job_wait::end how = co_await wait;
  through.leave();
  const nanoseconds took = through.loop().time().now() - began;
  if (how == job_wait::end::done) co_return took;
  error why = unfinished(how, self->name(), allowed);
  through.count(took, &why);
  ctx.service_answered(*self, &why);
  co_return why;
}

void blocking::report(stream::context ctx, nanoseconds took, const error* failure) const {
  channel_->count(took, failure);
  ctx.service_answered(*this, failure);
}

void blocking::report_thrown(nanoseconds took) const {
  const error thrown(errc::processor_threw);
  channel_->count(took, &thrown);
}

}  // namespace millrace::service
