#include <algorithm>
#include <cstddef>
#include <deque>
#include <map>
#include <mutex>
#include <new>
#include <set>
#include <utility>

#include <millrace/base/assert.h>
#include <millrace/metrics/registry.h>

namespace millrace::metrics {
namespace {

using labels_key = std::pair<const family*, std::vector<std::string>>;

// Bump allocation of cells in blocks of whole cache lines, so that no line is shared by the cells of two
// shards. Nothing is freed before the shard is: cells are trivially destructible and their addresses never
// change.
class cell_store {
 public:
  cell_store() = default;
  cell_store(const cell_store&) = delete;
  cell_store& operator=(const cell_store&) = delete;
  ~cell_store() {
    for (std::byte* block : blocks_) ::operator delete(block, block_alignment);
  }

  template <typename Cell, typename... Args>
  Cell& make(Args&&... args) {
    return *new (take(sizeof(Cell), alignof(Cell))) Cell(std::forward<Args>(args)...);
  }
  std::atomic<std::uint64_t>* make_counts(std::size_t n) {
    void* at = take(n * sizeof(std::atomic<std::uint64_t>), alignof(std::atomic<std::uint64_t>));
    auto* counts = static_cast<std::atomic<std::uint64_t>*>(at);
    for (std::size_t i = 0; i < n; ++i) new (counts + i) std::atomic<std::uint64_t>(0);
    return counts;
  }

 private:
  static constexpr std::size_t block_bytes = 4096;
  static constexpr std::align_val_t block_alignment{64};

  void* take(std::size_t bytes, std::size_t alignment) {
    used_ = (used_ + alignment - 1) / alignment * alignment;
    if (blocks_.empty() || used_ + bytes > block_bytes) {
      blocks_.push_back(static_cast<std::byte*>(::operator new(block_bytes, block_alignment)));
      used_ = 0;
    }
    void* at = blocks_.back() + used_;
    used_ += bytes;
    return at;
  }

  std::vector<std::byte*> blocks_;
  std::size_t used_ = 0;
};
static_assert(sizeof(std::atomic<std::uint64_t>) * (histogram_bounds_max + 1) < 4096);

struct gauge_entry {
  gauge* cell;
  bool shown = true;
};

}  // namespace

struct shard::cells {
  // Guards the maps, not the cells: taken to resolve and to scrape.
  std::mutex mutex;
  cell_store store;
  std::map<labels_key, metrics::counter*> counters;
  std::map<labels_key, gauge_entry> gauges;
  std::multimap<labels_key, metrics::gauge*> more_gauges;
  std::map<labels_key, metrics::histogram*> histograms;
  std::map<labels_key, metrics::size_histogram*> size_histograms;
};

struct registry::state {
  std::mutex mutex;  // shards, open label values
  std::deque<std::unique_ptr<shard>> shards;
  std::map<std::pair<const family*, std::size_t>, std::set<std::string, std::less<>>> open_values;
  std::map<const family*, std::set<std::vector<std::string>>> label_sets;  // of families that limit them

  std::mutex hooks_mutex;  // held while hooks run; taken before `mutex`
  std::map<std::uint64_t, std::function<void(samples&)>> hooks;
  std::uint64_t hooks_added = 0;
};

shard::shard(registry& owner) : registry_(owner), cells_(std::make_unique<cells>()) {}
shard::~shard() = default;

catalogue& shard::declared() const noexcept { return registry_.declared(); }

metrics::counter& shard::counter(counter_family what, label_values labels) {
  labels_key key{&*what, registry_.bounded(*what, labels)};
  const std::scoped_lock lock(cells_->mutex);
  metrics::counter*& cell = cells_->counters[std::move(key)];
  if (cell == nullptr) cell = &cells_->store.make<metrics::counter>();
  return *cell;
}

metrics::gauge& shard::gauge(gauge_family what, label_values labels) {
  labels_key key{&*what, registry_.bounded(*what, labels)};
  const std::scoped_lock lock(cells_->mutex);
  gauge_entry& entry = cells_->gauges[std::move(key)];
  if (entry.cell == nullptr) entry.cell = &cells_->store.make<metrics::gauge>();
  entry.shown = true;
  return *entry.cell;
}

metrics::gauge& shard::another_gauge(gauge_family what, label_values labels) {
  labels_key key{&*what, registry_.bounded(*what, labels)};
  const std::scoped_lock lock(cells_->mutex);
  metrics::gauge& made = cells_->store.make<metrics::gauge>();
  cells_->more_gauges.emplace(std::move(key), &made);
  return made;
}

metrics::histogram& shard::histogram(histogram_family what, label_values labels) {
  labels_key key{&*what, registry_.bounded(*what, labels)};
  const std::scoped_lock lock(cells_->mutex);
  metrics::histogram*& cell = cells_->histograms[std::move(key)];
  if (cell == nullptr) {
    auto* counts = cells_->store.make_counts(what->buckets->buckets());
    cell = &cells_->store.make<metrics::histogram>(*what->buckets, counts);
  }
  return *cell;
}

metrics::size_histogram& shard::histogram(size_histogram_family what, label_values labels) {
  labels_key key{&*what, registry_.bounded(*what, labels)};
  const std::scoped_lock lock(cells_->mutex);
  metrics::size_histogram*& cell = cells_->size_histograms[std::move(key)];
  if (cell == nullptr) {
    auto* counts = cells_->store.make_counts(what->buckets->buckets());
    cell = &cells_->store.make<metrics::size_histogram>(*what->buckets, counts);
  }
  return *cell;
}

void shard::retire(gauge_family what, label_values labels) {
  const labels_key key{&*what, registry_.bounded(*what, labels)};
  const std::scoped_lock lock(cells_->mutex);
  const auto found = cells_->gauges.find(key);
  if (found == cells_->gauges.end()) return;
  found->second.shown = false;
  found->second.cell->set(0);
}

void shard::retire(const metrics::gauge& cell) {
  const std::scoped_lock lock(cells_->mutex);
  for (auto& [key, entry] : cells_->gauges) {
    if (entry.cell != &cell) continue;
    entry.shown = false;
    entry.cell->set(0);
    return;
  }
}

void samples::put(const family& what, label_values labels, double value) {
  all_.push_back({&what, registry_.bounded(what, labels), value});
}

scrape_hook::scrape_hook(scrape_hook&& other) noexcept
    : registry_(std::exchange(other.registry_, nullptr)), id_(other.id_) {}

scrape_hook& scrape_hook::operator=(scrape_hook&& other) noexcept {
  if (this != &other) {
    release();
    registry_ = std::exchange(other.registry_, nullptr);
    id_ = other.id_;
  }
  return *this;
}

scrape_hook::~scrape_hook() { release(); }

void scrape_hook::release() noexcept {
  if (registry_ != nullptr) std::exchange(registry_, nullptr)->drop_hook(id_);
}

registry::registry(catalogue& declared) : catalogue_(declared), state_(std::make_unique<state>()) {}
registry::~registry() { invariant(state_->hooks.empty(), "a scrape hook outlived its registry"); }

shard& registry::add_shard() {
  const std::scoped_lock lock(state_->mutex);
  invariant(state_->shards.size() < shards_max, "too many shards");
  state_->shards.push_back(std::unique_ptr<shard>(new shard(*this)));
  return *state_->shards.back();
}

scrape_hook registry::at_scrape(std::function<void(samples&)> hook) {
  const std::scoped_lock lock(state_->hooks_mutex);
  const std::uint64_t id = ++state_->hooks_added;
  state_->hooks.emplace(id, std::move(hook));
  return scrape_hook(*this, id);
}

void registry::drop_hook(std::uint64_t id) noexcept {
  const std::scoped_lock lock(state_->hooks_mutex);
  state_->hooks.erase(id);
}

std::vector<std::string> registry::bounded(const family& what, label_values labels) {
  const auto given = labels.get();
  invariant(given.size() == what.labels.size(), "a metric is given exactly its labels");
  std::vector<std::string> values;
  if (what.label_sets_max > 0) {
    values.assign(given.begin(), given.end());
    const std::scoped_lock lock(state_->mutex);
    auto& known = state_->label_sets[&what];
    if (known.contains(values)) return values;
    if (known.size() < what.label_sets_max) return *known.insert(std::move(values)).first;
    return std::vector<std::string>(given.size(), "other");
  }
  values.reserve(given.size());
  for (std::size_t i = 0; i < given.size(); ++i) {
    const label& bound = what.labels[i];
    if (bound.values_max == 0) {
      invariant(std::ranges::find(bound.values, given[i]) != bound.values.end(),
                "a closed label is given one of its values");
      values.emplace_back(given[i]);
      continue;
    }
    const std::scoped_lock lock(state_->mutex);
    auto& known = state_->open_values[{&what, i}];
    if (!known.contains(given[i])) {
      if (known.size() >= bound.values_max) {
        values.emplace_back("other");
        continue;
      }
      known.emplace(given[i]);
    }
    values.emplace_back(given[i]);
  }
  return values;
}

namespace {

// Adds up the shards' cells and the hooks' samples.
class summing {
 public:
  void declare(const std::vector<const family*>& families) {
    for (const family* f : families) {
      if (f->labels.empty() && f->kind != kind::gauge) at({f, {}});
    }
  }
  void add(const labels_key& key, double value) {
    const auto [entry, fresh] = all_.try_emplace(key);
    double& present = entry->second.value;
    if (fresh || key.first->merge == merge::sum) {
      present += value;
    } else {
      present = key.first->merge == merge::max ? std::max(present, value) : std::min(present, value);
    }
  }
  void add(const labels_key& key, const histogram_cells& cells) {
    distribution& to = at(key).values;
    for (std::size_t i = 0; i < to.counts.size(); ++i) to.counts[i] += cells.count_in(i);
    to.sum += key.first->shown(cells.sum());
  }
  snapshot finish() {
    std::map<std::string_view, family_snapshot> sorted;
    for (auto& [key, one] : all_) {
      one.label_values = key.second;
      sorted.try_emplace(key.first->name, family_snapshot{key.first, {}})
          .first->second.all.push_back(std::move(one));
    }
    std::vector<family_snapshot> families;
    families.reserve(sorted.size());
    for (auto& [name, one] : sorted) families.push_back(std::move(one));
    return snapshot(std::move(families));
  }

 private:
  series& at(const labels_key& key) {
    series& one = all_[key];
    if (key.first->buckets) one.values.counts.resize(key.first->buckets->buckets());
    return one;
  }

  std::map<labels_key, series> all_;
};

}  // namespace

snapshot registry::take_snapshot() {
  summing sums;
  sums.declare(catalogue_.families());
  const std::scoped_lock hooks_lock(state_->hooks_mutex);
  samples computed(*this);
  for (const auto& [id, hook] : state_->hooks) hook(computed);
  for (const samples::sample& s : computed.all_) sums.add({s.what, s.labels}, s.value);

  const std::scoped_lock lock(state_->mutex);
  for (const auto& one : state_->shards) {
    const std::scoped_lock shard_lock(one->cells_->mutex);
    for (const auto& [key, cell] : one->cells_->counters) {
      sums.add(key, key.first->shown(static_cast<double>(cell->total())));
    }
    for (const auto& [key, entry] : one->cells_->gauges) {
      if (entry.shown) sums.add(key, entry.cell->value());
    }
    for (const auto& [key, cell] : one->cells_->more_gauges) sums.add(key, cell->value());
    for (const auto& [key, cell] : one->cells_->histograms) sums.add(key, *cell);
    for (const auto& [key, cell] : one->cells_->size_histograms) sums.add(key, *cell);
  }
  return sums.finish();
}

}  // namespace millrace::metrics
