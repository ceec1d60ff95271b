// Who counts: a registry holds one shard of cells per thread that counts, and sums them when asked.
//
//   catalogue declared;            // both live as long as the process
//   registry counts(declared);
//   shard& mine = counts.add_shard();                        // one per worker, driver thread, ...
//   counter& received = mine.counter(received_family, {"navigation"});   // once
//   received.add(records);                                   // on the record path
//   std::string page = to_text(counts.take_snapshot());      // admin thread
//
// Threads: a shard belongs to one thread at a time, which alone resolves and writes its cells. Resolving a
// cell takes a lock and may allocate: do it at start-up, at assignment, or on the first failure of a kind,
// never per record. A registry may be used from any thread. Cells live as long as the registry.
//
// Example:
//
//   metrics::catalogue declared;
//   const auto received_family = declared.counter({.name = "millrace_parcels_received_total", .help = "Parcels taken."});
//   metrics::registry counts(declared);
//   metrics::counter& received = counts.add_shard().counter(received_family);  // once
//   received.add(3);                                                           // on the record path
//   const metrics::snapshot page = counts.take_snapshot();                     // on the admin thread
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/metrics/catalogue.h>
#include <millrace/metrics/cells.h>
#include <millrace/metrics/snapshot.h>

namespace millrace::metrics {

class registry;

// Values in the order of the family's labels, exactly as many. A view for the duration of a call.
class label_values {
 public:
  label_values() = default;
  label_values(std::initializer_list<std::string_view> values) noexcept
      : values_(values.begin(), values.size()) {}
  explicit label_values(std::span<const std::string_view> values) noexcept : values_(values) {}

  [[nodiscard]] std::span<const std::string_view> get() const noexcept { return values_; }

 private:
  std::span<const std::string_view> values_;
};

class shard {
 public:
  ~shard();
  shard(const shard&) = delete;
  shard& operator=(const shard&) = delete;

  // The cell of these labels, created at zero when it is new. The same arguments yield the same cell.
  [[nodiscard]] metrics::counter& counter(counter_family what, label_values labels = {});
  [[nodiscard]] metrics::gauge& gauge(gauge_family what, label_values labels = {});
  [[nodiscard]] metrics::histogram& histogram(histogram_family what, label_values labels = {});
  [[nodiscard]] metrics::size_histogram& histogram(size_histogram_family what, label_values labels = {});

  // Takes a gauge off the page, e.g. that of a partition which was revoked; resolving it again brings it
  // back, at zero. The reference stays valid. Counters and histograms never go away: their sums must not
  // fall.
  void retire(gauge_family what, label_values labels = {});

  // Where to declare what this shard counts.
  [[nodiscard]] catalogue& declared() const noexcept;

 private:
  friend class registry;
  struct cells;
  explicit shard(registry& owner);

  registry& registry_;
  std::unique_ptr<cells> cells_;
};

// The counters of a family with one open label, each resolved at its first use and found without a lock from
// then on. For values that are few but known only when they come: a topic, a reason. For the shard's thread.
class counters_by_value {
 public:
  counters_by_value(shard& cells, counter_family what) : cells_(&cells), what_(what) {}

  [[nodiscard]] counter& of(std::string_view value) {
    for (const known& k : known_) {
      if (k.value == value) return *k.cell;
    }
    return resolve(value);
  }

 private:
  static constexpr std::size_t known_max = 64;  // the rest is resolved every time
  struct known {
    std::string value;
    counter* cell;
  };
  counter& resolve(std::string_view value);

  shard* cells_;
  counter_family what_;
  std::vector<known> known_;
};

// What a scrape hook fills: values that are computed when asked for. Counters and gauges, in the base unit;
// added to (or merged with) what the shards hold for the same labels.
class samples {
 public:
  void set(counter_family what, label_values labels, double value) { put(*what, labels, value); }
  void set(gauge_family what, label_values labels, double value) { put(*what, labels, value); }

 private:
  friend class registry;
  struct sample {
    const family* what;
    std::vector<std::string> labels;
    double value;
  };
  explicit samples(registry& owner) noexcept : registry_(owner) {}
  void put(const family& what, label_values labels, double value);

  registry& registry_;
  std::vector<sample> all_;
};

// Keeps a hook registered. Once its destructor has returned, the hook does not run and will not.
class [[nodiscard]] scrape_hook {
 public:
  scrape_hook() = default;
  scrape_hook(scrape_hook&& other) noexcept;
  scrape_hook& operator=(scrape_hook&& other) noexcept;
  scrape_hook(const scrape_hook&) = delete;
  scrape_hook& operator=(const scrape_hook&) = delete;
  ~scrape_hook();

 private:
  friend class registry;
  scrape_hook(registry& owner, std::uint64_t id) noexcept : registry_(&owner), id_(id) {}
  void release() noexcept;

  registry* registry_ = nullptr;
  std::uint64_t id_ = 0;
};

class registry {
 public:
  // `declared` must outlive the registry.
  explicit registry(catalogue& declared);
  ~registry();
  registry(const registry&) = delete;
  registry& operator=(const registry&) = delete;

  // For one more thread that counts. At most shards_max.
  static constexpr std::size_t shards_max = 1024;
  [[nodiscard]] shard& add_shard();

  // Calls `hook` on the scraping thread at every snapshot, one scrape at a time. It may read only what is
  // safe to read from that thread, and must not take snapshots or add or drop hooks.
  scrape_hook at_scrape(std::function<void(samples&)> hook);

  // The present values. Counters and histograms without labels are there from the start, at zero.
  [[nodiscard]] snapshot take_snapshot();

  // The catalogue of the registry.
  [[nodiscard]] catalogue& declared() const noexcept { return catalogue_; }

 private:
  friend class shard;
  friend class samples;
  friend class scrape_hook;
  struct state;

  // Checks number and closed values, bounds open ones. Breaks an invariant on a wrong number or unknown
  // closed value.
  std::vector<std::string> bounded(const family& what, label_values labels);
  void drop_hook(std::uint64_t id) noexcept;

  catalogue& catalogue_;
  std::unique_ptr<state> state_;
};

}  // namespace millrace::metrics
