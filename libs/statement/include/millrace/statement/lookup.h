// A lookup that a processor declares as a member: a SELECT of one row by its key whose answers are shared and
// cached. The typed form is cql's lookup<R(Args...)>; here is what the engine, the configuration and the
// testkit need of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/base/result.h>
#include <millrace/metrics/registry.h>
#include <millrace/statement/declaration.h>
#include <millrace/statement/invalidations.h>

namespace millrace::statements {

// When there is no row: go on with the default row, end the record, or look again later.
enum class miss_policy : std::uint8_t { use_default, skip, retry, dead_letter };

struct lookup_options {
  std::size_t entries_max = 10'000;               // per worker; 0: nothing is cached
  std::size_t bytes_max = std::size_t{4} << 20U;  // per worker, keys and bookkeeping included
  milliseconds ttl{10'000};          // of a row, from when it was asked for; 0: rows are not cached
  milliseconds negative_ttl{1'000};  // of "there is no row"; 0: not cached
  miss_policy on_miss = miss_policy::use_default;
  // Of miss_policy::retry, for rows that come later than the records that need them: how often a record
  // looks again, for how long since its first look, and what becomes of it then.
  milliseconds retry_delay{1'000};
  milliseconds retry_for{30'000};
  miss_policy when_late = miss_policy::dead_letter;  // not retry
  statement_options statement = {};
};
// errc::config_invalid with the reason.
[[nodiscard]] result<void> check(const lookup_options& options);

// Since the start, of one worker or of all. Lookups = hits + negative_hits + shared + misses.
struct lookup_statistics {
  std::uint64_t hits = 0;           // answered by a cached row
  std::uint64_t negative_hits = 0;  // answered by "there is no row", cached
  std::uint64_t shared = 0;         // joined a request that was on its way
  std::uint64_t misses = 0;         // sent a request
  std::uint64_t absent = 0;         // answers without a row, cached or not
  std::uint64_t evictions = 0;      // entries that made room, or found none
  std::uint64_t invalidations = 0;  // entries and requests under way that a write made stale
  std::uint64_t entries = 0;        // now
  std::uint64_t bytes = 0;          // now
};
lookup_statistics& operator+=(lookup_statistics& sum, const lookup_statistics& more) noexcept;

// Memory that is not a record's, counted against the budget of the process. Thread-safe.
class byte_account {
 public:
  byte_account() = default;
  byte_account(const byte_account&) = delete;
  byte_account& operator=(const byte_account&) = delete;

  // False: the budget is used up.
  [[nodiscard]] virtual bool try_hold(std::size_t bytes) noexcept = 0;
  virtual void let_go(std::size_t bytes) noexcept = 0;

 protected:
  ~byte_account() = default;
};

// What lookups of one name share in a worker.
class lookup_state {
 public:
  lookup_state() = default;
  lookup_state(const lookup_state&) = delete;
  lookup_state& operator=(const lookup_state&) = delete;
  virtual ~lookup_state() = default;

  // Any thread.
  [[nodiscard]] virtual lookup_statistics statistics() const noexcept = 0;
};

// The lookups of one worker, by name. Built before the worker runs; outlives its processors and their rows.
struct lookup_room {
  invalidation_board& board;         // of the process
  byte_account* memory = nullptr;    // null: not counted
  metrics::shard* counts = nullptr;  // null: not exposed; the worker's
  std::map<std::string, std::unique_ptr<lookup_state>, std::less<>> states = {};
};

class lookup_declaration {
 public:
  explicit lookup_declaration(std::string name);
  lookup_declaration(const lookup_declaration&) = delete;
  lookup_declaration& operator=(const lookup_declaration&) = delete;

  // The label of metrics, and how the configuration and statement_options::invalidates name it.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] virtual const statement_declaration& statement() const noexcept = 0;
  // As declared in the code.
  [[nodiscard]] virtual const lookup_options& declared() const noexcept = 0;
  // Start-up only, once its statement is prepared. Lookups of one name in a room share their cache and must
  // agree. errc::config_invalid, db_invalid (no SELECT by key).
  [[nodiscard]] virtual result<void> open(lookup_room& room, const lookup_options& options) = 0;

 protected:
  ~lookup_declaration() = default;

 private:
  std::string name_;
};

}  // namespace millrace::statements
