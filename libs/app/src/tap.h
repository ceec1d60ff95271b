// Samples of live records on request, decoded as JSON. Off unless the configuration enables it.
// Workers offer followed records; the admin thread collects. Without a request a record costs one atomic
// load.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/app/admin_server.h>
#include <millrace/app/app_config.h>
#include <millrace/base/clock.h>
#include <millrace/base/result.h>
#include <millrace/base/secret.h>
#include <millrace/engine/observer.h>

namespace millrace::app {

// What is wanted. Empty: any.
struct tap_filter {
  std::optional<std::string> key;
  std::optional<std::int32_t> partition;
  std::optional<std::string> outcome;  // done, skipped, dead_lettered, abandoned
  std::optional<std::string> error;    // part of the reason, or of the error of an attempt or statement
  std::size_t limit = 10;

  // Of "/tap/key=a/partition=3/outcome=done/error=timeout/limit=5"; values are percent-encoded. nullopt: it
  // is none.
  [[nodiscard]] static std::optional<tap_filter> parse(std::string_view path);
  [[nodiscard]] bool may_want(std::optional<bytes_view> its_key, std::int32_t its_partition) const;
  [[nodiscard]] bool wants(const engine::followed_record& record) const;
};

class tap {
 public:
  // Followed per second at most, whatever is requested: filters on outcomes need many.
  static constexpr std::uint32_t followed_per_second_max = 2'000;
  static constexpr std::size_t limit_max = 1'000;

  explicit tap(const clock& time) : time_(time) {}

  // Workers.
  [[nodiscard]] bool armed() const noexcept { return armed_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool wants(std::optional<bytes_view> key, std::int32_t partition);
  void offer(const engine::followed_record& record);

  // The admin thread: arms, waits for `limit` records or until the timeout `patience`.
  [[nodiscard]] std::vector<engine::followed_record> collect(const tap_filter& filter, nanoseconds timeout);

 private:
  const clock& time_;
  std::atomic<bool> armed_{false};
  std::mutex mutex_;
  std::condition_variable enough_;
  tap_filter filter_;
  std::vector<engine::followed_record> taken_;
  std::int64_t second_ = 0;
  std::uint32_t followed_ = 0;  // in this second
};

// The writer's schema by id; empty when it cannot be had.
using schema_source = std::function<std::string(std::int32_t id)>;

// One line of JSON: place, outcome, latency by stage, effects, and the value decoded with its writer's
// schema. Fields named in `redact` ("visitor_id", "page.url"; "key" is the record's key) are replaced.
[[nodiscard]] std::string describe(const engine::followed_record& record, const tap_settings& settings,
                                   const schema_source& schemas);

// Answers POST /tap/...: one line for each record. 401 without the token, 403 when it is off.
[[nodiscard]] admin_page tap_page(const admin_request& order, const app_config& settings, tap& from,
                                  const schema_source& schemas);

}  // namespace millrace::app
