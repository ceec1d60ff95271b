// Schema → plan, of the keys or the values of one route. A plan is compiled once per id, fingerprint or GUID; a
// schema that is not known yet is fetched, once, while the records that need it wait. Without an answer the request
// is retried for ever; an id that the registry does not know is given up after the grace period, and requested
// again later. Without a frame there is one plan, which needs no request.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include <millrace/base/backoff.h>
#include <millrace/base/errors.h>
#include <millrace/engine/options.h>
#include <millrace/engine/value.h>
#include <millrace/metrics/cells.h>
#include <millrace/runtime/loop.h>
#include <millrace/stream/schemas.h>

#include "routes.h"

namespace millrace::engine {

class plan_table;

class plan_entry final : private stream::schema_receiver, private runtime::timer {
 public:
  // unmatched: of none of the types of the route.
  enum class phase : std::uint8_t { fetching, backing_off, ready, broken, unmatched };

  plan_entry(plan_table& owner, const stream::schema_tag& tag) : owner_(owner), tag_(tag) {}

  [[nodiscard]] phase state() const noexcept { return state_; }
  [[nodiscard]] const value_plan& plan() const noexcept { return *plan_; }
  [[nodiscard]] const route_type& type() const noexcept { return *type_; }
  // For labels.
  [[nodiscard]] std::string name() const { return to_string(tag_); }
  metrics::counter* decoded = nullptr;  // the engine's, of this schema
  // A value that was decoded with the plan views its constants: the entry stays while it is used.
  void use() noexcept { ++users_; }
  void stop_using();

  // Why no record of this schema can be decoded. States broken and unmatched only.
  [[nodiscard]] const error& failure() const noexcept { return *failure_; }

 private:
  friend class plan_table;
  void fetch();
  void on_schema(std::int32_t id, stream::schema_answer text) override;
  void on_timer() override { fetch(); }
  void compile(const stream::schema_document& writer);
  void settled(phase how);
  void failed(error cause);
  // The lowest is removed first; UINT64_MAX: it must stay.
  [[nodiscard]] std::uint64_t eviction_rank() const noexcept {
    const bool settled = state_ == phase::ready || state_ == phase::unmatched;
    return settled && users_ == 0 ? found_last_ : UINT64_MAX;
  }

  plan_table& owner_;
  const stream::schema_tag tag_;
  phase state_ = phase::fetching;
  bool outstanding_ = false;
  bool listed_ = false;  // in the table's list of broken ones
  std::uint32_t failures_ = 0;
  std::size_t users_ = 0;
  std::uint64_t found_last_ = 0;  // the table's count of searches
  instant first_asked_;
  instant broken_until_;  // a schema that was not found may be registered later
  const route_type* type_ = nullptr;
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
  plan_table(runtime::loop& loop, stream::schemas& schemas, const route_part& part,
             const engine_options& options, plan_watcher& watcher);
  plan_table(const plan_table&) = delete;
  plan_table& operator=(const plan_table&) = delete;
  ~plan_table();

  // The entry of a schema, fetched when new; valid until the next call for another schema. nullptr when
  // schemas_max schemas are being fetched: try again when one has settled.
  [[nodiscard]] plan_entry* find(const stream::schema_tag& tag) {
    if (last_ != nullptr && last_->tag_ == tag) return last_;
    return find_slow(tag);
  }
  // Stops asking.
  void stop() noexcept;
  [[nodiscard]] std::size_t missing() const noexcept { return missing_; }
  [[nodiscard]] std::size_t outstanding() const noexcept { return outstanding_; }

 private:
  friend class plan_entry;
  struct tag_hash {
    std::size_t operator()(const stream::schema_tag& tag) const noexcept {
      constexpr std::uint64_t odd = 0x9E3779B97F4A7C15ULL;
      return static_cast<std::size_t>((tag.low ^ (tag.high * odd) ^ static_cast<std::uint64_t>(tag.what)) *
                                      odd);
    }
  };

  [[nodiscard]] plan_entry* find_slow(const stream::schema_tag& tag);
  // The type of a writer's values; nullptr in place of it when it is none of the route's.
  struct choice {
    const route_type* type = nullptr;
    std::string record_name;
  };
  [[nodiscard]] result<choice> choose(const stream::schema_document& writer) const;
  [[nodiscard]] std::string type_names() const;
  // Makes room for another id: a broken one, or the one that was not used for longest.
  [[nodiscard]] bool forget_one();

  runtime::loop& loop_;
  stream::schemas& schemas_;
  const route_part& part_;
  const engine_options& options_;
  plan_watcher& watcher_;
  random_source random_;
  std::unordered_map<stream::schema_tag, std::unique_ptr<plan_entry>, tag_hash> entries_;
  std::deque<stream::schema_tag> broken_;  // in the order in which they broke, each at most once
  plan_entry* last_ = nullptr;             // always ready
  bool full_ = false;                      // an id was turned away since
  std::uint64_t searches_ = 0;
  std::size_t missing_ = 0;
  std::size_t outstanding_ = 0;
  bool stopped_ = false;
};

}  // namespace millrace::engine
