// Metrics of an application: counters, gauges and histograms that a processor declares as members.
//
// Example, at namespace scope:
//
//   #include <millrace/engine/processor.h>
//   #include <millrace/simulation/parcel.h>
//
//   class review final : public engine::processor<engine::parcel> {
//    public:
//     runtime::task<stream::outcome> process(engine::record<engine::parcel> parcel, stream::context ctx) override {
//       if (ctx.attempt() == 1) weights_.observe(static_cast<std::uint64_t>(parcel->number));
//       if (parcel->number > 30) reviews_.with("heavy").add();
//       co_return stream::outcome::done();
//     }
//
//    private:
//     statements::counter reviews_{"parcels_reviews_total", "Parcels sent to review.", {"reason"}};
//     statements::size_histogram weights_{"parcels_weight_kilograms", "Weight of a parcel."};
//   };
//
// An application writes millrace::counter, gauge, histogram and size_histogram. The metrics are on /metrics, on
// the page, in `metrics` of the application's command line, and in tests in simulation::processor_runner.
//
// Names follow Prometheus: lower-case snake case; a counter ends in _total, and no other metric does; a histogram
// of durations ends in _seconds; a metric of bytes ends in _bytes, before _total. Names that begin with millrace_
// or process_ belong to the product. Several declarations of one name must agree in kind, help text, labels and
// buckets; their values add up, over processors and workers. A violation is errc::config_invalid of
// engine::build() with the processor and the name: the start refuses it, and so does `validate`.
//
// A metric with labels is counted in by with(), which takes a value for each label. The first label_sets_max
// label sets of a metric have series of their own, in the whole process; later ones are counted in one series
// that has "other" for each label. A value is cut to label_value_bytes_max; bytes that are not UTF-8 become '?'.
// with() in the constructor of the processor shows a label set as 0 from the start, as rate() needs it.
//
// Retries: process() runs again after a failure, and so does what it counts.
//
// Cost: an add() is a load and a store of a cell of the worker's own, as for the metrics of the engine. with()
// finds a known label set without a lock and without memory. The reference that it returns stays valid as long
// as the metric and may be kept in a member.
//
// Threads: the worker's thread, which is the thread of process(). Other threads must not count.
// Errors: add(), set() and observe() of a metric with labels without with(), and with() with another number of
// values than labels, throw std::invalid_argument: the attempt fails as errc::processor_threw. Before the worker
// starts, in the constructor of the processor, nothing is counted.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/base/result.h>
#include <millrace/metrics/catalogue.h>
#include <millrace/metrics/cells.h>
#include <millrace/metrics/registry.h>

namespace millrace::statements {

inline constexpr std::size_t label_sets_max = 100;
inline constexpr std::size_t label_value_bytes_max = 128;

// The part of a metric that does not depend on its kind: its declaration.
class metric_declaration {
 public:
  metric_declaration(const metric_declaration&) = delete;
  metric_declaration& operator=(const metric_declaration&) = delete;

  // The name, as declared.
  [[nodiscard]] const std::string& name() const noexcept { return family_.name; }
  // Declares the metric in a catalogue. Returns errc::config_invalid with the rule that the declaration breaks, or
  // with its difference from another declaration of the name.
  [[nodiscard]] result<const metrics::family*> declare(metrics::catalogue& in) const;
  // Counts into this shard from now on. Called once, before the first record; declare() must accept the metric.
  virtual void bind(metrics::shard& cells) = 0;

 protected:
  // Registers the metric with the declaration_scope of the thread (declarations.h). `bounds` are those of a
  // histogram, in nanoseconds when it is one of durations; none: the default.
  metric_declaration(metrics::family family, const std::vector<std::string>& labels, bool durations = false,
                     std::vector<std::uint64_t> bounds = {});
  ~metric_declaration() = default;

  [[nodiscard]] std::size_t label_count() const noexcept { return family_.labels.size(); }
  // Throws std::invalid_argument with the labels of the metric.
  [[noreturn]] void refuse_labels(std::size_t given) const;

 private:
  [[nodiscard]] const char* broken_histogram_rule() const;

  metrics::family family_;
  bool durations_;
  std::vector<std::uint64_t> bounds_;
};

// The part that series of every kind share: the cell of the worker that they count into.
template <class Cell>
class series {
 public:
  using cell_type = Cell;
  // Whether the worker has started, or the label set is known: before, nothing is counted.
  [[nodiscard]] bool bound() const noexcept { return cell_ != nullptr; }
  void bind(Cell& cell) noexcept { cell_ = &cell; }

 protected:
  Cell* cell_ = nullptr;
};

// One series of a counter.
class counter_series : public series<metrics::counter> {
 public:
  // Adds a whole number; nothing before the worker starts.
  void add(std::uint64_t by = 1) noexcept {
    if (bound()) [[likely]]
      cell_->add(by);
  }
};

// One series of a gauge.
class gauge_series : public series<metrics::gauge> {
 public:
  // Replaces the value of this declaration, or adds to it; nothing before the worker starts.
  void set(double value) noexcept {
    if (bound()) [[likely]]
      cell_->set(value);
  }
  void add(double by) noexcept {
    if (bound()) [[likely]]
      cell_->add(by);
  }
};

// One series of a histogram: of durations, or of whole numbers.
template <class Cell, class Value>
class histogram_series : public series<Cell> {
 public:
  // Counts one observation; nothing before the worker starts.
  void observe(Value value) noexcept {
    if (this->bound()) [[likely]]
      this->cell_->observe(value);
  }
};
using duration_series = histogram_series<metrics::histogram, nanoseconds>;
using size_series = histogram_series<metrics::size_histogram, std::uint64_t>;

// The series of a metric, by label values.
template <class Series>
class metric : public metric_declaration {
 public:
  // The series of these label values, in the order of the labels.
  template <class... Values>
    requires(sizeof...(Values) > 0 && (std::convertible_to<const Values&, std::string_view> && ...))
  Series& with(const Values&... values) {
    const std::string_view all[] = {std::string_view(values)...};
    return find(all);
  }
  void bind(metrics::shard& cells) final;

 protected:
  metric(metrics::family family, const std::vector<std::string>& labels, bool durations = false,
         std::vector<std::uint64_t> bounds = {})
      : metric_declaration(std::move(family), labels, durations, std::move(bounds)) {}
  ~metric() = default;

  // The series of a metric without labels.
  [[nodiscard]] Series& plain() {
    if (!plain_.bound() && label_count() > 0) [[unlikely]]
      refuse_labels(0);
    return plain_;
  }

 private:
  struct label_set {
    std::vector<std::string> values;
    std::size_t hash = 0;
    Series series;
  };
  // Twice the label sets, and a power of two.
  static constexpr std::size_t slots = 256;
  static_assert(2 * label_sets_max <= slots && label_sets_max < 256);

  Series& find(std::span<const std::string_view> values);
  Series& add_set(std::span<const std::string_view> values, std::size_t hash, std::uint8_t& slot);
  void resolve(Series& series, std::span<const std::string_view> values);

  metrics::shard* cells_ = nullptr;
  const metrics::family* bound_family_ = nullptr;
  Series plain_;
  Series other_;
  std::deque<label_set> sets_;        // stay where they are
  std::vector<std::uint8_t> places_;  // by hash: 1 + index in sets_; 0: free
};
extern template class metric<counter_series>;
extern template class metric<gauge_series>;
extern template class metric<duration_series>;
extern template class metric<size_series>;

// A number that only grows. It counts whole numbers, of bytes if the name says so; not time, which a histogram
// measures: its _sum is the total.
class counter final : public metric<counter_series> {
 public:
  counter(std::string name, std::string help, const std::vector<std::string>& labels = {});
  // Adds a whole number to a counter without labels.
  void add(std::uint64_t by = 1) { plain().add(by); }
};

// A number that goes up and down, in the unit that the name ends with (_seconds, _bytes, _ratio). The value is the
// sum, the greatest or the smallest of what processors and workers have set; each starts with 0.
class gauge final : public metric<gauge_series> {
 public:
  gauge(std::string name, std::string help, const std::vector<std::string>& labels = {},
        metrics::merge merged = metrics::merge::sum);
  // Sets a gauge without labels, or adds to it.
  void set(double value) { plain().set(value); }
  void add(double by) { plain().add(by); }
};

// Durations, shown in seconds. Without `buckets`: those of the setting metrics.buckets.stage, 1 µs to 60 s.
class histogram final : public metric<duration_series> {
 public:
  histogram(std::string name, std::string help, const std::vector<std::string>& labels = {},
            const std::vector<nanoseconds>& buckets = {});
  // Counts a duration in a histogram without labels.
  void observe(nanoseconds took) { plain().observe(took); }
};

// Whole numbers: items, bytes, cents. Without `buckets`: powers of two, 64 B to 16 MiB for a name that ends in
// _bytes, and 1 to 4,096 otherwise.
class size_histogram final : public metric<size_series> {
 public:
  size_histogram(std::string name, std::string help, const std::vector<std::string>& labels = {},
                 std::vector<std::uint64_t> buckets = {});
  // Counts a number in a histogram without labels.
  void observe(std::uint64_t size) { plain().observe(size); }
};

}  // namespace millrace::statements
