#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <millrace/app/app_config.h>
#include <millrace/app/metric_catalogue.h>
#include <millrace/simulation/parcel.h>
#include <millrace/statement/metric.h>

namespace millrace::app {
namespace {

using namespace std::chrono_literals;

TEST(MetricCatalogue, DeclaresTheMetricsOfEveryPart) {
  metrics::catalogue all;
  declare_metrics(all);
  for (const char* name :
       {"millrace_records_done_total", "millrace_stage_seconds", "millrace_statement_seconds",
        "millrace_schema_registry_request_seconds", "millrace_lookup_hits_total",
        "millrace_offset_gap_records_total", "millrace_kafka_broker_rtt_seconds", "process_open_fds",
        "millrace_build_info", "millrace_cgroup_memory_bytes", "millrace_loop_turn_seconds",
        "millrace_log_lines_total", "millrace_cql_requests_total"}) {
    EXPECT_NE(all.find(name), nullptr) << name;
  }
  const auto read = nlohmann::json::parse(all.to_json());
  EXPECT_EQ(read["metrics"].size(), all.families().size());
}

TEST(MetricCatalogue, TheBucketsOfAConfigurationAreUsed) {
  metrics::catalogue all;
  metrics_settings settings;
  settings.buckets.request = {1ms, 5s};
  use_buckets(settings, all);
  declare_metrics(all);
  EXPECT_EQ(all.find("millrace_statement_seconds")->buckets->bounds().size(), 2U);
  EXPECT_EQ(all.find("millrace_decode_seconds")->buckets->bounds().size(), metrics::buckets::decode().size());
}

class weighing final : public engine::processor<engine::parcel> {
  runtime::task<stream::outcome> process(engine::record<engine::parcel>, stream::context) override {
    co_return stream::outcome::done();
  }
  statements::histogram took_{"parcels_weighing_seconds", "Time to weigh a parcel."};
};

TEST(MetricCatalogue, HasTheMetricsOfTheApplication) {
  const auto text = metric_catalogue_json({engine::make<weighing>()});
  ASSERT_TRUE(text) << text.error().to_string();
  std::vector<std::string> own;
  const auto read = nlohmann::json::parse(*text);
  for (const auto& each : read["metrics"]) {
    if (each.value("application", false)) own.push_back(each["name"]);
  }
  EXPECT_EQ(own, (std::vector<std::string>{"parcels_weighing_seconds"}));
}

}  // namespace
}  // namespace millrace::app
