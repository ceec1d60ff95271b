// The words of the client's tests.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/emulators/registry_double.h>
#include <millrace/registry/client.h>

namespace millrace::registry::test {

using emulators::registry_double;
using emulators::registry_double_options;
using emulators::registry_fault;
using emulators::registry_fault_kind;

inline constexpr const char* text = R"({"type":"record","name":"R","fields":[]})";

// Moved by hand, read by any thread.
class test_clock final : public clock {
 public:
  [[nodiscard]] instant now() const noexcept override { return {ns_.load()}; }
  [[nodiscard]] timestamp_micros wall() const noexcept override {
    return timestamp_micros(microseconds(1'700'000'000'000'000 + ns_.load() / 1'000));
  }
  void advance(nanoseconds by) { ns_.fetch_add(by.count()); }

 private:
  std::atomic<std::int64_t> ns_{1'000'000'000};
};

// Waits for the answers of asynchronous lookups.
class answers {
 public:
  client::on_schema next() {
    return [this](result<client::document> answer) {
      const std::lock_guard lock(mutex_);
      got_.push_back(std::move(answer));
      arrived_.notify_all();
    };
  }
  std::vector<result<client::document>> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return got_.size() >= count; });
    return std::exchange(got_, {});
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<result<client::document>> got_;
};

inline result<client::document> fetch(client& from, std::int32_t id) {
  answers got;
  from.fetch(id, got.next());
  return got.wait_for(1).front();
}
inline result<client::document> fetch(client& from, const uuid& guid) {
  answers got;
  from.fetch(guid, got.next());
  return got.wait_for(1).front();
}

// The code of a lookup's failure; nullopt when it succeeded.
inline std::optional<errc> failure_of(client& from, std::int32_t id) {
  const auto answer = fetch(from, id);
  return answer ? std::nullopt : std::optional(answer.error().code());
}

// A registry, a client of it whose clock is moved by hand, and what happened to it.
class registry_test : public testing::Test {
 protected:
  registry_test() {
    options.on_event = [this](const client_event& event) {
      const std::lock_guard lock(events_mutex_);
      events_.push_back({std::string(event.name), std::string(event.url), std::string(event.error)});
    };
    options.time = &time;
  }

  void start_server(registry_double_options with = {}) {
    auto started = registry_double::start(std::move(with));
    ASSERT_TRUE(started) << started.error().to_string();
    server = std::move(*started);
  }
  // A client of `options`, of the server when they name no other.
  client& connect() {
    if (!server) start_server();
    if (options.urls.empty()) options.urls = {server->url()};
    auto created = client::create(options);
    EXPECT_TRUE(created) << created.error().to_string();
    registry = std::move(*created);
    return *registry;
  }
  void fail_next(registry_fault_kind kind, std::uint64_t times = 1) {
    registry_fault fault;
    fault.kind = kind;
    fault.times = times;
    server->inject(fault);
  }
  void answer_next(int status, int code, std::uint64_t times = 1, std::uint32_t retry_after_s = 0) {
    registry_fault fault;
    fault.status = status;
    fault.code = code;
    fault.times = times;
    fault.retry_after_s = retry_after_s;
    server->inject(fault);
  }
  // Past every rest of a server that failed.
  void rest() { time.advance(seconds(10)); }
  struct seen_event {
    std::string name;
    std::string url;
    std::string error;
  };
  std::vector<seen_event> events() {
    const std::lock_guard lock(events_mutex_);
    return events_;
  }

  test_clock time;
  client_options options;
  std::unique_ptr<registry_double> server;

 private:
  std::mutex events_mutex_;
  std::vector<seen_event> events_;

 protected:
  std::unique_ptr<client> registry;  // last: it reports events
};

}  // namespace millrace::registry::test
