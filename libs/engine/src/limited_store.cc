#include "limited_store.h"

#include <algorithm>
#include <utility>

#include "breaker.h"

namespace millrace::engine {

std::unique_ptr<limited_store> limited_store::of(const engine_options& options, const engine_ports& ports,
                                                 engine_metrics& metrics) {
  const std::string_view name = dependency_names[static_cast<std::size_t>(dependency::database)];
  const auto policy = std::find_if(options.dependencies.begin(), options.dependencies.end(),
                                   [name](const dependency_policy& each) { return each.name == name; });
  if (policy == options.dependencies.end() || !policy->limits.limits()) return nullptr;
  return std::make_unique<limited_store>(
      ports.store,
      std::make_unique<measured_limiter>(ports.loop, policy->limits, metrics.dependency_waiting.of(name),
                                         metrics.dependency_wait.of(name)));
}

void limited_store::submit(stream::store_request& request) {
  if (free_.empty()) free_.push_back(&all_.emplace_back(*this));
  passage& p = *free_.back();
  free_.pop_back();
  p.request = &request;
  p.on_complete = request.on_complete;
  p.relay = request.relay;
  if (limiter_->limit.enter(p)) return send(p);
  p.waits_since = limiter_->time.now();
  limiter_->began_waiting();
}

void limited_store::admitted(passage& p) {
  limiter_->ended_waiting();
  limiter_->wait_time.observe(limiter_->time.now() - p.waits_since);
  send(p);
}

void limited_store::send(passage& p) {
  p.request->relay = &p;
  p.request->on_complete = completed;
  behind_.submit(*p.request);
}

void limited_store::completed(stream::store_request& request) {
  passage& p = *static_cast<passage*>(request.relay);
  limited_store& self = p.owner;
  self.finish(p);
  self.limiter_->limit.leave();
}

// The request may be gone afterwards.
void limited_store::finish(passage& p) {
  stream::store_request& request = *std::exchange(p.request, nullptr);
  request.on_complete = p.on_complete;
  request.relay = p.relay;
  free_.push_back(&p);
  request.on_complete(request);
}

// Whoever is resumed may submit more, which waits, too.
void limited_store::cancel_waiting() {
  for (std::size_t i = 0; i < all_.size(); ++i) {
    passage& p = all_[i];
    if (!p.linked()) continue;
    limiter_->limit.forget(p);
    limiter_->ended_waiting();
    p.request->answer = error(errc::cancelled, "the request was not sent: the engine has ended");
    finish(p);
  }
}

}  // namespace millrace::engine
