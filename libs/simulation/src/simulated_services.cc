#include <algorithm>

#include <millrace/base/assert.h>
#include <millrace/service/http_client.h>
#include <millrace/simulation/simulated_services.h>

namespace millrace::simulation {

class simulated_http::exchange final : public runtime::timer {
 public:
  exchange(simulated_http& owner, http::transfer& what, result<http::response> how)
      : owner_(owner), transfer_(what), how_(std::move(how)) {}
  [[nodiscard]] bool is_of(const http::transfer& what) const noexcept { return &transfer_ == &what; }
  [[nodiscard]] http::transfer& transfer() const noexcept { return transfer_; }

 private:
  void on_timer() override { owner_.end(*this, std::move(how_)); }

  simulated_http& owner_;
  http::transfer& transfer_;
  result<http::response> how_;
};

simulated_http::simulated_http(runtime::loop& l) noexcept : loop_(l) {}

simulated_http::~simulated_http() {
  invariant(at_work_.empty(), "every request has ended: advance the clock");
}

void simulated_http::answer(std::string target, unsigned status, std::string body,
                            std::vector<std::pair<std::string, std::string>> headers) {
  http::response made{status, std::move(body), {}, std::move(headers)};
  if (const std::string* pause = made.header("Retry-After")) made.retry_after = *pause;
  primed_.insert_or_assign(std::move(target), std::move(made));
}

http_fate simulated_http::fate_of(const http::request& request) const {
  if (is_down) return {.failure = error(errc::service_unavailable, "the server is down")};
  if (decide_) return decide_(request);
  const auto found = primed_.find(request.target);
  if (found != primed_.end()) return {.after = delay, .answer = found->second};
  return {.failure = error(errc::config_invalid,
                           "no answer is primed for " + request.method + " " + request.target)};
}

void simulated_http::submit(http::transfer& what) {
  what.answer.reset();
  requests_.push_back(what.request);
  http_fate fate = fate_of(what.request);
  result<http::response> how = std::move(fate.answer);
  if (fate.failure) how = *std::move(fate.failure);
  if (fate.after > what.timeout) {
    fate.after = what.timeout;
    how = error(errc::service_timeout, "no complete answer in time");
  }
  at_work_.push_back(std::make_unique<exchange>(*this, what, std::move(how)));
  loop_.start(*at_work_.back(), fate.after);
}

void simulated_http::cancel(http::transfer& what) {
  const auto found =
      std::find_if(at_work_.begin(), at_work_.end(), [&what](const auto& each) { return each->is_of(what); });
  invariant(found != at_work_.end(), "a transfer that is cancelled is at work");
  end(**found, error(errc::cancelled, "the request was cancelled"));
}

void simulated_http::end(exchange& which, result<http::response> how) {
  http::transfer& what = which.transfer();
  std::erase_if(at_work_, [&which](const auto& each) { return each.get() == &which; });
  what.answer.emplace(std::move(how));
  what.on_complete(what);
}

class simulated_blocking::run final : public runtime::timer {
 public:
  run(simulated_blocking& owner, std::shared_ptr<service::blocking_job> job)
      : owner_(owner), job_(std::move(job)) {}

 private:
  void on_timer() override {
    const std::shared_ptr<service::blocking_job> job = std::move(job_);
    std::erase_if(owner_.at_work_, [this](const auto& each) { return each.get() == this; });
    job->ended();
  }

  simulated_blocking& owner_;
  std::shared_ptr<service::blocking_job> job_;
};

simulated_blocking::simulated_blocking(runtime::loop& l) noexcept : loop_(l) {}

simulated_blocking::~simulated_blocking() = default;

void simulated_blocking::submit(std::shared_ptr<service::blocking_job> job) {
  if (failure) {
    job->refuse(*failure);
  } else if (job->perform()) {
    ++calls_;
  }
  at_work_.push_back(std::make_unique<run>(*this, std::move(job)));
  loop_.start(*at_work_.back(), lasts);
}

struct simulated_services::one {
  one(runtime::loop& l, const std::string& name, const service::channel_options& limits)
      : through(l, name, limits, nullptr), server(l), threads(l) {}

  service::channel through;
  simulated_http server;
  simulated_blocking threads;
  std::optional<statements::service_kind> declared_as;
};

simulated_services::simulated_services(runtime::loop& l, service::channel_options limits)
    : loop_(l), limits_(limits) {}

simulated_services::~simulated_services() = default;

simulated_services::one& simulated_services::find(std::string_view name) {
  const auto known = all_.find(name);
  if (known != all_.end()) return *known->second;
  std::string text(name);
  auto made = std::make_unique<one>(loop_, text, limits_);
  return *all_.emplace(std::move(text), std::move(made)).first->second;
}

simulated_http& simulated_services::http(std::string_view name) {
  one& found = find(name);
  invariant(found.declared_as != statements::service_kind::blocking,
            "the service of that name is an http_client");
  return found.server;
}

simulated_blocking& simulated_services::blocking(std::string_view name) {
  one& found = find(name);
  invariant(found.declared_as != statements::service_kind::http,
            "the service of that name is a blocking one");
  return found.threads;
}

void simulated_services::bind(const statements::declarations& declared) {
  for (statements::service_declaration* each : declared.services) {
    one& to = find(each->name());
    to.declared_as = each->kind();
    if (each->kind() == statements::service_kind::http) {
      static_cast<service::http_client*>(each)->bind(to.through, to.server);
    } else {
      static_cast<service::blocking*>(each)->bind(to.through, to.threads);
    }
  }
}

bool simulated_services::is_declared(std::string_view name) const {
  const auto known = all_.find(name);
  return known != all_.end() && known->second->declared_as.has_value();
}

}  // namespace millrace::simulation
