// The state that lookups of one name share in a worker: what is cached, and what is being requested.
//
// The rule that makes it right: an invalidation is read before an answer is cached and before a lookup is
// answered, it removes the entry and invalidates the flight of its key, which then is neither cached
// nor joined. So an answer read before the write reaches only lookups that began before it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/cql/lookup.h>
#include <millrace/metrics/table.h>
#include <millrace/runtime/intrusive.h>
#include <millrace/statement/lookup.h>
#include <millrace/stream/store.h>

namespace millrace::cql::internal {

// Nodes by key: chained, with as many buckets as nodes are expected. A Node has `hash`, `next` and key().
template <typename Node>
class key_table {
 public:
  explicit key_table(std::size_t nodes) {
    std::size_t buckets = 1;
    while (buckets < nodes) buckets *= 2;
    buckets_.resize(buckets);
  }
  [[nodiscard]] Node* find(std::uint64_t hash, bytes_view key) const noexcept {
    for (Node* node = buckets_[hash & (buckets_.size() - 1)]; node != nullptr; node = node->next) {
      if (node->hash == hash && as_text(node->key()) == as_text(key)) return node;
    }
    return nullptr;
  }
  void insert(Node& node) noexcept {
    Node*& head = buckets_[node.hash & (buckets_.size() - 1)];
    node.next = head;
    head = &node;
  }
  void remove(Node& node) noexcept {
    Node** at = &buckets_[node.hash & (buckets_.size() - 1)];
    while (*at != &node) at = &(*at)->next;
    *at = node.next;
  }
  template <typename Visit>
  void take_all(Visit visit) {
    for (Node*& head : buckets_) {
      while (head != nullptr) {
        Node& node = *head;
        head = node.next;
        visit(node);
      }
    }
  }
  [[nodiscard]] std::size_t bytes() const noexcept { return buckets_.size() * sizeof(Node*); }

 private:
  std::vector<Node*> buckets_;
};

// One answer, in one block with its key: the object, the key, the cells.
class cached_row final : public stream::rows_owner, public runtime::list_hook {
 public:
  // nullptr: the account has no room.
  [[nodiscard]] static cached_row* make(statements::byte_account* account, bytes_view key,
                                        const stream::rows_ref& answer);
  [[nodiscard]] static std::size_t size_of(bytes_view key, const stream::rows_ref& answer) noexcept;

  [[nodiscard]] bytes_view key() const noexcept {
    return {reinterpret_cast<const std::byte*>(this) + sizeof(cached_row), key_bytes_};
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  std::uint64_t hash = 0;
  cached_row* next = nullptr;
  instant expires_at;

 private:
  cached_row(statements::byte_account* account, std::size_t size) noexcept : account_(account), size_(size) {}
  ~cached_row() = default;
  void destroy() noexcept override;

  statements::byte_account* account_;
  std::size_t size_;
  std::size_t key_bytes_ = 0;
};

struct lookup_flight final : stream::store_request {
  [[nodiscard]] bytes_view key() const noexcept { return key_bytes; }

  lookup_cache* owner = nullptr;
  const lookup_base* asker = nullptr;
  byte_buffer key_bytes;
  std::uint64_t hash = 0;
  lookup_flight* next = nullptr;
  instant asked_at;
  runtime::loop* loop = nullptr;
  lookup_waiter* first = nullptr;
  lookup_waiter* last = nullptr;
  bool submitted = false;
  bool stale = false;
};

inline constexpr metrics::label_declaration by_lookup = metrics::open("lookup", 200);

// One lookup. Without a shard its statistics are kept and shown nowhere.
struct lookup_metrics : metrics::table {
  using table::table;
  [[nodiscard]] statements::lookup_statistics read() const noexcept;

  metrics::counter& hits = counter({.name = "millrace_lookup_hits_total",
                                    .help = "Lookups answered from the cache with a row.",
                                    .labels = {by_lookup}});
  metrics::counter& negative_hits = counter({.name = "millrace_lookup_negative_hits_total",
                                             .help = "Lookups answered from the cache with \"no row\".",
                                             .labels = {by_lookup}});
  metrics::counter& shared = counter({.name = "millrace_lookup_shared_total",
                                      .help = "Lookups that joined a request in flight for the same key.",
                                      .labels = {by_lookup}});
  metrics::counter& misses = counter({.name = "millrace_lookup_misses_total",
                                      .help = "Lookups that sent a request to the database.",
                                      .labels = {by_lookup}});
  metrics::counter& absent = counter({.name = "millrace_lookup_absent_total",
                                      .help = "Lookups that found no row, in the cache or in the database.",
                                      .labels = {by_lookup}});
  metrics::counter& evictions =
      counter({.name = "millrace_lookup_evictions_total",
               .help = "Cached answers evicted, and answers not cached for lack of memory.",
               .labels = {by_lookup}});
  metrics::counter& invalidations =
      counter({.name = "millrace_lookup_invalidations_total",
               .help = "Cached answers and requests in flight invalidated by writes.",
               .labels = {by_lookup}});
  metrics::gauge& entries =
      gauge({.name = "millrace_lookup_entries", .help = "Cached answers.", .labels = {by_lookup}});
  metrics::gauge& bytes = gauge({.name = "millrace_lookup_bytes",
                                 .help = "Memory of cached answers and their index.",
                                 .unit = metrics::unit::bytes,
                                 .labels = {by_lookup}});
};

class lookup_cache final : public statements::lookup_state {
 public:
  lookup_cache(std::string cql, const statements::lookup_options& options, statements::lookup_room& room,
               const std::string& name);
  // No flight is under way.
  ~lookup_cache() override;

  [[nodiscard]] const std::string& cql() const noexcept { return cql_; }
  [[nodiscard]] const statements::lookup_options& options() const noexcept { return options_; }
  [[nodiscard]] statements::lookup_statistics statistics() const noexcept override { return metrics_.read(); }
  // False: the process's memory has no room even for an empty cache.
  [[nodiscard]] bool fits() const noexcept { return fits_; }

  [[nodiscard]] lookup_start begin(stream::context ctx, const lookup_base& asker, bytes_view key);
  static void wait(lookup_flight& flight, lookup_waiter& waiter, stream::store& database);

 private:
  static constexpr std::size_t flights_expected = 1'024;

  void on_answer(lookup_flight& flight);
  [[nodiscard]] stream::rows_ref keep(const lookup_flight& flight, stream::rows_ref answer);
  void remove(cached_row& entry) noexcept;
  void evict() noexcept;
  void read_inbox();
  void invalidate(bytes_view key);
  void invalidate_everything();
  [[nodiscard]] lookup_flight& take_flight();
  void show() noexcept;

  const std::string cql_;
  const statements::lookup_options options_;
  statements::byte_account* memory_;
  lookup_metrics metrics_;
  std::uint64_t seed_;
  key_table<cached_row> entries_;
  key_table<lookup_flight> flights_{flights_expected};
  runtime::intrusive_list<cached_row> by_use_;  // the least recently used first
  std::size_t entry_count_ = 0;
  std::size_t entry_bytes_ = 0;
  std::size_t flight_count_ = 0;
  bool fits_ = true;
  std::vector<std::unique_ptr<lookup_flight>> all_flights_;
  lookup_flight* free_flights_ = nullptr;
  statements::invalidation_inbox inbox_;
};

}  // namespace millrace::cql::internal
