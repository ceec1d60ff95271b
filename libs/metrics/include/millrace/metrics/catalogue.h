// Every metric family is declared in the catalogue before anything counts it. /metrics takes HELP, TYPE and
// buckets from it, and the metrics reference, the dashboard and the alerts are generated from it.
//
//   catalogue declared;
//   counter_family received = declared.counter({.name = "millrace_parcels_received_total",
//                                               .help = "Parcels taken.",
//                                               .labels = {label::open("depot", 64)}});
//
// The libraries declare theirs in tables (table.h), one line each; an application declares members of its
// processors (statement/metric.h), which call declare_for_application().
//
// Declaring the same family again yields the same family. A declaration that breaks a naming rule, or that
// differs from an earlier one of the same name, is a defect and breaks an invariant. Rules (Prometheus naming
// and instrumentation guides):
//
//   * The name is lower-case snake case. The product's start with millrace_ or process_, and no others.
//   * The name of a counter ends in _total, no other does. _sum, _count and _bucket belong to histograms.
//   * The unit is the end of the name (_seconds, _bytes, _ratio; before _total), and only then.
//   * An open label has a bound. `le` and names starting with __ are reserved.
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
#include <span>
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
// The bounds of a histogram's buckets, by the kind of duration. A configuration may replace them.
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
  std::size_t label_sets_max = 0;        // later sets are counted with "other" for every label; 0: no limit
  bool of_application = false;           // declared by declare_for_application()

  // A cell's whole number in the unit of the family: nanoseconds become seconds, others stay.
  [[nodiscard]] double shown(double whole) const noexcept {
    return unit == metrics::unit::seconds ? whole / 1e9 : whole;
  }
};

// The first naming or label rule that a family breaks, as a sentence; nullptr when it breaks none. The rules are
// listed above, but for the prefix.
[[nodiscard]] const char* broken_rule(const family& of) noexcept;

// A label of a declaration: as `label`, without memory of its own.
struct label_declaration {
  std::string_view name;
  std::span<const std::string_view> values = {};
  std::size_t values_max = 0;
};
// Returns an open label: its first `values_max` distinct values are kept, later ones are counted as "other".
[[nodiscard]] constexpr label_declaration open(std::string_view name, std::size_t values_max) {
  return {name, {}, values_max};
}
// Returns a label with exactly these values. `values` must have static storage.
[[nodiscard]] constexpr label_declaration closed(std::string_view name,
                                                 std::span<const std::string_view> values) {
  return {name, values, 0};
}
// Returns the label `error`, closed over the names of millrace::errc.
[[nodiscard]] label_declaration errors();
using label_declarations = std::array<label_declaration, 4>;  // those without a name are absent

// One row of a table: a counter, a gauge or a histogram of durations (table.h).
struct declaration {
  std::string_view name;
  std::string_view help;
  metrics::unit unit = metrics::unit::none;
  label_declarations labels = {};
  metrics::scale scale = metrics::scale::request;  // histograms, which are always in seconds
  metrics::merge merge = metrics::merge::sum;      // gauges
};

// Handles with a type: a histogram cannot be used as a counter.
template <kind Kind, typename Cell>
class family_ref {
 public:
  static constexpr metrics::kind declared_kind = Kind;

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

  // Declares a family and returns its handle.
  counter_family counter(counter_spec spec);
  gauge_family gauge(gauge_spec spec);
  histogram_family histogram(histogram_spec spec);
  size_histogram_family histogram(size_histogram_spec spec);

  // Declares a family of the application. It may have any prefix but those of the product. Returns the family;
  // errc::config_invalid with the rule that it breaks, or with its difference from an earlier declaration of
  // the name. The family may be new as long as the catalogue is not sealed; a new one in a sealed catalogue
  // breaks an invariant.
  [[nodiscard]] result<const family*> declare_for_application(family wanted);

  // The family of a row: counter_family, gauge_family or histogram_family. Only the first declaration of a
  // name builds one.
  template <typename Family>
  [[nodiscard]] Family declare(const declaration& what) {
    return Family(declare(Family::declared_kind, what));
  }
  // From now on a family that is not known yet is a defect: declaring it breaks an invariant.
  void seal();
  // How often anything was declared, found or built.
  [[nodiscard]] std::uint64_t declarations() const;

  // The bounds of a scale, for histogram_spec::buckets: those of set_bounds(), or the default.
  [[nodiscard]] std::vector<nanoseconds> bounds(scale of) const;
  // Call it before the families of that scale are declared. errc::config_invalid unless they are 1 to
  // histogram_bounds_max positive durations in ascending order; the present bounds stay then.
  [[nodiscard]] result<void> set_bounds(scale of, std::vector<nanoseconds> bounds);

  // Sorted by name.
  [[nodiscard]] std::vector<const family*> families() const;
  // nullptr when nothing of that name is declared.
  [[nodiscard]] const family* find(std::string_view name) const;
  // Every family as a JSON document, sorted by name, buckets in the base unit:
  //   {"metrics": [{"name", "type", "unit", "help", "labels": [{"name", "values" or "values_max"}],
  //   "buckets", "application"}]}
  // `application` is true for a family of the application, and absent otherwise.
  [[nodiscard]] std::string to_json() const;

 private:
  const family& declare(family wanted);
  const family& declare(kind what, const declaration& row);
  const family* known(std::string_view name);  // the mutex is held

  mutable std::mutex mutex_;
  bool sealed_ = false;
  std::uint64_t declarations_ = 0;
  std::array<std::vector<nanoseconds>, scale_count> bounds_;
  std::deque<family> families_;
};

// Bucket bounds that fit what they measure.
namespace buckets {
// 250 ns to 10 ms: one record on the CPU.
[[nodiscard]] std::vector<nanoseconds> decode();
// 50 µs to 15 s: one CQL statement, up to the server's timeout.
[[nodiscard]] std::vector<nanoseconds> request();
// 500 µs to 60 s: from a record's creation to its end.
[[nodiscard]] std::vector<nanoseconds> end_to_end();
// 1 µs to 60 s: one wait of a record.
[[nodiscard]] std::vector<nanoseconds> stage();
// 1 µs to 1 s: one turn of an event loop.
[[nodiscard]] std::vector<nanoseconds> loop();
// 64 B to 16 MiB.
[[nodiscard]] std::vector<std::uint64_t> bytes();
// 1 to 4096 items.
[[nodiscard]] std::vector<std::uint64_t> batch();
}  // namespace buckets

}  // namespace millrace::metrics
