#include "worker.h"

#include <algorithm>
#include <atomic>
#include <ctime>
#include <thread>

namespace millrace::app::certify {

void tallies::note(const error& why) {
  const std::lock_guard lock(mutex_);
  failure& of = failures_[why.code()];
  if (++of.count == 1) of.first = why.message();
}

void tallies::warn(std::string_view text) {
  const std::lock_guard lock(mutex_);
  ++warnings_[std::string(text)];
}

std::map<errc, tallies::failure> tallies::failures() const {
  const std::lock_guard lock(mutex_);
  return failures_;
}

std::map<std::string, std::uint64_t> tallies::warnings() const {
  const std::lock_guard lock(mutex_);
  return warnings_;
}

nanoseconds load::percentile(double share) const noexcept {
  if (latencies.empty()) return nanoseconds(0);
  const auto at = static_cast<std::size_t>(share * static_cast<double>(latencies.size() - 1));
  return latencies[at];
}

nanoseconds thread_cpu() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return seconds(now.tv_sec) + nanoseconds(now.tv_nsec);
}

result<std::unique_ptr<worker>> worker::attach(cql::session& by, tallies& counts) {
  std::unique_ptr<worker> made(new worker(counts));
  cql::store_options options;
  options.on_trace = [self = made.get()](const statements::statement_declaration&, const uuid& trace) {
    self->traces_.push_back(trace);
  };
  options.on_warning = [&counts](const statements::statement_declaration&, std::string_view text) {
    counts.warn(text);
  };
  auto store = by.attach(made->loop_, std::move(options), nullptr);
  if (!store) return store.error();
  made->store_ = std::move(*store);
  return made;
}

// The store refers to the statements.
worker::~worker() { store_.reset(); }

void worker::sort(std::vector<nanoseconds>& latencies) { std::sort(latencies.begin(), latencies.end()); }

result<void> worker::beside(const std::function<result<void>()>& work) {
  std::atomic<bool> done{false};
  result<void> answer;
  std::thread other([&] {
    answer = work();
    done = true;
    loop_.wake();
  });
  turn_until([&done] { return done.load(); });
  other.join();
  return answer;
}

// Nothing here emits.
byte_buffer* worker::begin_emit(const stream::emit_request& what) {
  static_cast<void>(what);
  return nullptr;
}

}  // namespace millrace::app::certify
