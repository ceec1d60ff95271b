// What may be measured: every metric family is declared here before anything counts it. The catalogue is
// where /metrics takes HELP, TYPE and buckets from, where the metrics reference is generated from, and where
// a dashboard or an alert can be checked against.
//
//   catalogue declared;
//   counter_family received = declared.counter({.name = "millrace_records_received_total",
//                                               .help = "Records taken from Kafka.",
//                                               .labels = {label::open("topic", 64)}});
//
// Declaring the same family again yields the same family, so a component may declare what it counts in its
// constructor. A declaration that breaks a naming rule, or that differs from an earlier one of the same name,
// is a defect and breaks an invariant. Rules (Prometheus naming and instrumentation guides):
//   * lower-case snake case, starting with an allowed prefix: millrace_, process_, or one added by
//   allow_prefix();
//   * a counter ends in _total and nothing else does; _sum, _count and _bucket belong to histograms;
//   * the unit is in the name: _seconds, _bytes, _ratio (before _total), and only then;
//   * an open label has a bound; `le` and names starting with __ are reserved.
//
// Threads: a catalogue may be used from any thread. Families live as long as their catalogue.
//
// Example:
//
//   metrics::catalogue declared;
//   const metrics::counter_family received = declared.counter({.name = "millrace_parcels_received_total",
//                                                              .help = "Parcels taken.",
//                                                              .labels = {metrics::label::open("depot", 64)}});
//   invariant(received->name == "millrace_parcels_received_total", "the family is declared");
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/base/result.h>
#include <millrace/metrics/cells.h>

namespace millrace::metrics {

inline constexpr std::size_t labels_max = 8;  // per family
inline constexpr std::size_t open_label_values_max = 10'000;

enum class unit : std::uint8_t { none, seconds, bytes, ratio };
enum class kind : std::uint8_t { counter, gauge, histogram };
// What a histogram measures, and with it the bounds of its buckets. A configuration may replace the bounds.
enum class scale : std::uint8_t {
  decode,      // one record on the CPU
  request,     // one request over the network: a statement, a commit, a schema
  end_to_end,  // the age of a record
  stage,       // one stage in the life of a record
  loop,        // a turn of an event loop
};
inline constexpr std::size_t scale_count = 5;

// How a gauge's values in several shards become one series. Counters and histograms always add up.
enum class merge : std::uint8_t { sum, max, min };

// Returns the name of a unit or kind.
[[nodiscard]] std::string_view to_string(unit u) noexcept;
[[nodiscard]] std::string_view to_string(kind k) noexcept;
[[nodiscard]] std::string_view to_string(scale s) noexcept;

// A label and the bound on its values.
struct label {
  std::string name;
  std::vector<std::string> values;  // closed: exactly these; any other value breaks an invariant
  std::size_t values_max = 0;       // open: this many distinct values, later ones are counted as "other"

  [[nodiscard]] static label closed(std::string_view name, std::vector<std::string> values);
  [[nodiscard]] static label open(std::string_view name, std::size_t values_max);
  // `error`, closed over the names of millrace::errc.
  [[nodiscard]] static label errors();

  friend bool operator==(const label&, const label&) = default;
};

// One declared family. Immutable.
struct family {
  std::string name;
  std::string help;
  metrics::kind kind = metrics::kind::counter;
  metrics::unit unit = metrics::unit::none;
  metrics::merge merge = metrics::merge::sum;
  std::vector<label> labels;
  std::optional<bucket_layout> buckets;  // histograms only

  // What a cell's whole numbers are multiplied with to be shown: 1e-9 for seconds, 1 otherwise.
  [[nodiscard]] double shown(double whole) const noexcept {
    return unit == metrics::unit::seconds ? whole / 1e9 : whole;
  }
};

// Handles with a type, so that a histogram cannot be asked for as a counter.
template <kind Kind, typename Cell>
class family_ref {
 public:
  explicit family_ref(const family& what) noexcept : family_(&what) {}
  [[nodiscard]] const family& operator*() const noexcept { return *family_; }
  [[nodiscard]] const family* operator->() const noexcept { return family_; }

 private:
  const family* family_;
};
using counter_family = family_ref<kind::counter, counter>;
using gauge_family = family_ref<kind::gauge, gauge>;
using histogram_family = family_ref<kind::histogram, histogram>;
using size_histogram_family = family_ref<kind::histogram, size_histogram>;

struct counter_spec {
  std::string name = {};
  std::string help = {};
  metrics::unit unit = metrics::unit::none;
  std::vector<label> labels = {};
};
struct gauge_spec {
  std::string name = {};
  std::string help = {};
  metrics::unit unit = metrics::unit::none;
  std::vector<label> labels = {};
  metrics::merge merge = metrics::merge::sum;
};
struct histogram_spec {  // durations, always in seconds
  std::string name = {};
  std::string help = {};
  std::vector<label> labels = {};
  std::vector<nanoseconds> buckets = {};
};
struct size_histogram_spec {
  std::string name = {};
  std::string help = {};
  metrics::unit unit = metrics::unit::none;
  std::vector<label> labels = {};
  std::vector<std::uint64_t> buckets = {};
};

class catalogue {
 public:
  catalogue();
  ~catalogue();
  catalogue(const catalogue&) = delete;
  catalogue& operator=(const catalogue&) = delete;

  // Lets an application name its own metrics, e.g. "navigation_".
  void allow_prefix(std::string_view prefix);

  // Declares a family and returns its handle.
  counter_family counter(counter_spec spec);
  gauge_family gauge(gauge_spec spec);
  histogram_family histogram(histogram_spec spec);
  size_histogram_family histogram(size_histogram_spec spec);

  // The bounds of a scale, for histogram_spec::buckets: those of set_bounds(), or the default.
  [[nodiscard]] std::vector<nanoseconds> bounds(scale of) const;
  // Before the families of that scale are declared. errc::config_invalid when they are no bounds: 1 to
  // histogram_bounds_max positive durations in ascending order.
  [[nodiscard]] result<void> set_bounds(scale of, std::vector<nanoseconds> bounds);

  // Sorted by name.
  [[nodiscard]] std::vector<const family*> families() const;
  // nullptr when nothing of that name is declared.
  [[nodiscard]] const family* find(std::string_view name) const;
  // Everything that is declared, as a JSON document: {"metrics": [{"name", "type", "unit", "help", "labels":
  // [{"name", "values" or "values_max"}], "buckets"}]}, sorted by name; buckets in the base unit.
  [[nodiscard]] std::string to_json() const;

 private:
  const family& declare(family wanted);

  mutable std::mutex mutex_;
  std::vector<std::string> prefixes_;
  std::array<std::vector<nanoseconds>, scale_count> bounds_;
  std::deque<family> families_;
};

// Bucket bounds that fit what they measure.
namespace buckets {
[[nodiscard]] std::vector<nanoseconds> decode();  // 250 ns to 10 ms: one record on the CPU
[[nodiscard]] std::vector<nanoseconds>
request();  // 50 µs to 15 s: a CQL statement, up to the server's timeout
[[nodiscard]] std::vector<nanoseconds> end_to_end();  // 500 µs to 60 s: from a record's creation to its end
[[nodiscard]] std::vector<nanoseconds> stage();       // 1 µs to 60 s: what a record waits for
[[nodiscard]] std::vector<nanoseconds> loop();        // 1 µs to 1 s: a turn of an event loop
[[nodiscard]] std::vector<std::uint64_t> bytes();     // 64 B to 16 MiB
[[nodiscard]] std::vector<std::uint64_t> batch();     // 1 to 4096 things
}  // namespace buckets

}  // namespace millrace::metrics
