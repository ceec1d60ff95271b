// Schema id → plan. A plan is compiled once per id; an id that is not known yet is fetched, once, while the
// records that need it wait. Without an answer the request is retried for ever; an id that the registry
// does not know is given up after the grace period, and requested again later.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>

#include <millrace/base/backoff.h>
#include <millrace/base/errors.h>
#include <millrace/engine/options.h>
#include <millrace/engine/value.h>
#include <millrace/metrics/cells.h>
#include <millrace/runtime/loop.h>
#include <millrace/stream/schemas.h>

namespace millrace::engine {

class plan_table;

class plan_entry final : private stream::schema_receiver, private runtime::timer {
 public:
  enum class phase : std::uint8_t { fetching, backing_off, ready, broken };

  plan_entry(plan_table& owner, std::int32_t id) : owner_(owner), id_(id) {}

  [[nodiscard]] phase state() const noexcept { return state_; }
  [[nodiscard]] const value_plan& plan() const noexcept { return *plan_; }
  metrics::counter* decoded = nullptr;  // the engine's, of this id
  // A value that was decoded with the plan views its constants: the entry stays while it is used.
  void use() noexcept { ++users_; }
  void stop_using();

  // Why no record of this id can be decoded. State broken only.
  [[nodiscard]] const error& failure() const noexcept { return *failure_; }

 private:
  friend class plan_table;
  void fetch();
  void on_schema(std::int32_t id, stream::schema_answer text) override;
  void on_timer() override { fetch(); }
  void failed(error cause);
  // The lowest is removed first; UINT64_MAX: it must stay.
  [[nodiscard]] std::uint64_t eviction_rank() const noexcept {
    return state_ == phase::ready && users_ == 0 ? found_last_ : UINT64_MAX;
  }

  plan_table& owner_;
  std::int32_t id_;
  phase state_ = phase::fetching;
  bool outstanding_ = false;
  bool listed_ = false;  // in the table's list of broken ones
  std::uint32_t failures_ = 0;
  std::size_t users_ = 0;
  std::uint64_t found_last_ = 0;  // the table's count of searches
  instant first_asked_;
  instant broken_until_;  // a schema that was not found may be registered later
  std::shared_ptr<const value_plan> plan_;
  std::optional<error> failure_;
};

// Told when waiting records may go on, and of failures.
class plan_watcher {
 public:
  virtual void on_plan_settled() = 0;
  virtual void on_schema_failure(const error& failure) = 0;

 protected:
  ~plan_watcher() = default;
};

class plan_table {
 public:
  plan_table(runtime::loop& loop, stream::schemas& schemas, const value_format& format,
             const engine_options& options, plan_watcher& watcher);
  plan_table(const plan_table&) = delete;
  plan_table& operator=(const plan_table&) = delete;
  ~plan_table();

  // The entry of an id, fetched when new; valid until the next call for another id. nullptr when schemas_max
  // ids are being fetched: try again when one has settled.
  [[nodiscard]] plan_entry* find(std::int32_t id) {
    if (last_ != nullptr && last_->id_ == id) return last_;
    return find_slow(id);
  }
  // Stops asking.
  void stop() noexcept;
  [[nodiscard]] std::size_t missing() const noexcept { return missing_; }
  [[nodiscard]] std::size_t outstanding() const noexcept { return outstanding_; }

 private:
  friend class plan_entry;
  [[nodiscard]] plan_entry* find_slow(std::int32_t id);
  // Makes room for another id: a broken one, or the one that was not used for longest.
  [[nodiscard]] bool forget_one();

  runtime::loop& loop_;
  stream::schemas& schemas_;
  const value_format& format_;
  const engine_options& options_;
  plan_watcher& watcher_;
  random_source random_;
  std::unordered_map<std::int32_t, std::unique_ptr<plan_entry>> entries_;
  std::deque<std::int32_t> broken_;  // in the order in which they broke, each at most once
  plan_entry* last_ = nullptr;       // always ready
  bool full_ = false;                // an id was turned away since
  std::uint64_t searches_ = 0;
  std::size_t missing_ = 0;
  std::size_t outstanding_ = 0;
  bool stopped_ = false;
};

}  // namespace millrace::engine
