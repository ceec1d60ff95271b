// A lookup that a processor declares as a member: a SELECT of one row by its key, whose answers are shared
// and cached. Applications use the typed form, cql::lookup<R(Args...)>. This header has what the engine, the
// configuration and the simulation need.
//
// Example:
//
//   const statements::lookup_options options{.ttl = seconds(30), .on_miss = statements::miss_policy::retry};
//   if (const auto valid = statements::check(options); !valid) return valid.error();
//
// Threads: a lookup belongs to one worker; statistics() and byte_account are thread-safe.
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

// Action when there is no row: continue with the default row, end the record, or retry the lookup later.
enum class miss_policy : std::uint8_t { use_default, skip, retry, dead_letter };

// Options of one lookup. Limits are per worker.
struct lookup_options {
  std::size_t entries_max = 10'000;               // per worker; 0: no cache
  std::size_t bytes_max = std::size_t{4} << 20U;  // per worker, keys and bookkeeping included
  milliseconds ttl{10'000};                       // of a row, from its request on; 0: rows are not cached
  milliseconds negative_ttl{1'000};               // of the response "no row"; 0: not cached
  miss_policy on_miss = miss_policy::use_default;
  // For miss_policy::retry, where a row may be written later than the record that needs it: the delay between
  // two lookups, the period of retries from the first lookup on, and the action after it.
  milliseconds retry_delay{1'000};
  milliseconds retry_for{30'000};
  miss_policy when_late = miss_policy::dead_letter;  // not retry
  statement_options statement = {};
};
// Checks that the options fit each other. Returns errc::config_invalid with the reason.
[[nodiscard]] result<void> check(const lookup_options& options);

// Counters since the start, of one worker or summed. Lookups = hits + negative_hits + shared + misses.
struct lookup_statistics {
  std::uint64_t hits = 0;           // answered by a cached row
  std::uint64_t negative_hits = 0;  // answered by "there is no row", cached
  std::uint64_t shared = 0;         // joined a request in flight
  std::uint64_t misses = 0;         // sent a request
  std::uint64_t absent = 0;         // answers without a row, cached or not
  std::uint64_t evictions = 0;      // entries removed for others, or not stored for lack of room
  std::uint64_t invalidations = 0;  // entries and requests in flight that a write invalidated
  std::uint64_t entries = 0;        // now
  std::uint64_t bytes = 0;          // now
};
// Adds counters.
lookup_statistics& operator+=(lookup_statistics& sum, const lookup_statistics& more) noexcept;

// Memory beside records that counts against the budget of the process. Thread-safe.
class byte_account {
 public:
  byte_account() = default;
  byte_account(const byte_account&) = delete;
  byte_account& operator=(const byte_account&) = delete;

  // Reserves `bytes`. Returns false, and reserves nothing, when the budget is used up.
  [[nodiscard]] virtual bool try_hold(std::size_t bytes) noexcept = 0;
  // Returns reserved bytes.
  virtual void let_go(std::size_t bytes) noexcept = 0;

 protected:
  ~byte_account() = default;
};

// The state that lookups of one name share in a worker: their cache.
class lookup_state {
 public:
  lookup_state() = default;
  lookup_state(const lookup_state&) = delete;
  lookup_state& operator=(const lookup_state&) = delete;
  virtual ~lookup_state() = default;

  // Any thread: the counters since the start.
  [[nodiscard]] virtual lookup_statistics statistics() const noexcept = 0;
};

// The lookups of one worker by name. Built before the worker runs. Outlives its processors and their rows.
struct lookup_room {
  invalidation_board& board;         // of the process
  byte_account* memory = nullptr;    // null: not counted
  metrics::shard* counts = nullptr;  // null: not exposed; the worker's
  std::map<std::string, std::unique_ptr<lookup_state>, std::less<>> states = {};
};

// A declared lookup.
class lookup_declaration {
 public:
  // Registers the lookup with the declaration_scope of the thread (declarations.h).
  explicit lookup_declaration(std::string name);
  lookup_declaration(const lookup_declaration&) = delete;
  lookup_declaration& operator=(const lookup_declaration&) = delete;

  // The label of metrics, and the name in the configuration and in statement_options::invalidates.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  // The SELECT that is sent on a miss.
  [[nodiscard]] virtual const statement_declaration& statement() const noexcept = 0;
  // The options as declared in the code; the configuration may replace them.
  [[nodiscard]] virtual const lookup_options& declared() const noexcept = 0;
  // Opens the lookup with its final options. Start-up only, after its statement was prepared. Lookups of one
  // name in a room share their cache and must agree. Returns errc::config_invalid when they do not, and
  // errc::db_invalid when the statement is not a SELECT by key.
  [[nodiscard]] virtual result<void> open(lookup_room& room, const lookup_options& options) = 0;

 protected:
  ~lookup_declaration() = default;

 private:
  std::string name_;
};

}  // namespace millrace::statements
