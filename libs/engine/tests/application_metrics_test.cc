// Metrics that processors declare, in a running engine.
#include <stdexcept>

#include <fixtures/engine_fixture.h>

#include <millrace/statement/metric.h>

namespace millrace::engine {
namespace {

using namespace std::chrono_literals;

// Counts every record by its word; the word "unlabelled" is counted without a label, which is a mistake.
class counting final : public processor<parcel> {
 public:
  explicit counting(std::string called) : called_(std::move(called)) {}
  [[nodiscard]] std::string_view name() const override { return called_; }

  runtime::task<stream::outcome> process(record<parcel> p, stream::context) override {
    all_.add();
    if (p->word == "unlabelled") by_word_.add();
    by_word_.with(p->word).add();
    co_return stream::outcome::done();
  }

 private:
  std::string called_;
  statements::counter all_{"parcels_total", "Parcels."};
  statements::counter by_word_{"parcels_by_word_total", "Parcels by their word.", {"word"}};
};

class disagreeing final : public processor<parcel> {
 public:
  runtime::task<stream::outcome> process(record<parcel>, stream::context) override {
    co_return stream::outcome::done();
  }

 private:
  statements::counter all_{"parcels_total", "All parcels."};
};

class misnamed final : public processor<parcel> {
 public:
  runtime::task<stream::outcome> process(record<parcel>, stream::context) override {
    co_return stream::outcome::done();
  }

 private:
  statements::counter all_{"parcels", "Parcels."};
};

using application_metrics = record_engine_test;

TEST_F(application_metrics, TheProcessorsOfAnEngineCountTogether) {
  start_with({make<counting>("first"), make<counting>("second")});
  assign({0});
  for (int i = 0; i < 3; ++i) produce(0, i, i == 0 ? "book" : "lamp");
  advance(1s);
  EXPECT_EQ(registry.take_snapshot().value("parcels_total"), 6);
  EXPECT_EQ(registry.take_snapshot().value("parcels_by_word_total", {{"word", "lamp"}}), 4);
}

TEST_F(application_metrics, ACountWithoutItsLabelsFailsTheAttempt) {
  options.retry.attempts_max = 2;
  start_with({make<counting>("counting")});
  assign({0});
  produce(0, 1, "unlabelled");
  produce(0, 2, "book");
  advance(1min);
  EXPECT_EQ(engine_->counts().dead_lettered, 1U);
  EXPECT_EQ(engine_->counts().done, 1U);
  EXPECT_EQ(registry.take_snapshot().value("millrace_processor_exceptions_total"), 2);
}

TEST(ApplicationMetrics, AMetricThatBreaksARuleIsRefusedWithItsProcessor) {
  EXPECT_EQ(build({make<misnamed>()}).error().to_string(),
            "config_invalid: processor 'misnamed': metric 'parcels': a counter's name ends in _total, and no "
            "other");
}

TEST(ApplicationMetrics, ProcessorsMustAgreeOnAMetric) {
  EXPECT_EQ(
      build({make<counting>("first"), make<disagreeing>()}).error().to_string(),
      "config_invalid: processor 'disagreeing': metric 'parcels_total': it is declared already, with the "
      "help text 'Parcels.'");
}

}  // namespace
}  // namespace millrace::engine
