#include "observing_config.h"

#include <algorithm>

#include <millrace/base/assert.h>

namespace millrace::app {

using config::field;
using config::findings;
using config::section;
using config::spec;

namespace {

struct bucket_scale {
  std::string_view name;
  std::vector<nanoseconds> bucket_config::* bounds;
  metrics::scale scale;
};
constexpr bucket_scale scales[] = {
    {"decode", &bucket_config::decode, metrics::scale::decode},
    {"request", &bucket_config::request, metrics::scale::request},
    {"end_to_end", &bucket_config::end_to_end, metrics::scale::end_to_end},
    {"stage", &bucket_config::stage, metrics::scale::stage},
    {"loop", &bucket_config::loop, metrics::scale::loop},
};
// The alert on the freshness objective counts what is below this bound.
constexpr nanoseconds objective = seconds(5);

const spec<bucket_config>& bucket_spec() {
  static const spec<bucket_config> declared{
      field(&bucket_config::decode, "decode").doc("Of decoding one record. Default: 250ns to 10ms."),
      field(&bucket_config::request, "request")
          .doc("Of statements, commits and requests to the schema registry. Default: 50us to 15s."),
      field(&bucket_config::end_to_end, "end_to_end")
          .doc("Of the age of records. Default: 500us to 60s. Keep 5s: the alerts on freshness count by it."),
      field(&bucket_config::stage, "stage").doc("Of what a record waits for. Default: 1us to 60s."),
      field(&bucket_config::loop, "loop").doc("Of a turn of a worker's loop. Default: 1us to 1s."),
  };
  return declared;
}

}  // namespace

const spec<log_config>& log_spec() {
  static const spec<log_config> declared{
      field(&log_config::level, "level")
          .choices({{"debug", log_level::debug},
                    {"info", log_level::info},
                    {"warning", log_level::warning},
                    {"error", log_level::error}})
          .doc("Least severe messages to print."),
      field(&log_config::format, "format")
          .choices({{"logfmt", log_format::logfmt}, {"json", log_format::json}})
          .doc("How a message is written: one line each, of name=value pairs or as a JSON object."),
  };
  return declared;
}

const spec<metrics_config>& metrics_spec() {
  static const spec<metrics_config> declared{
      section(&metrics_config::buckets, "buckets", bucket_spec())
          .doc("Upper bounds of the buckets of histograms, ascending, at most 40 of each kind."),
  };
  return declared;
}

const spec<tap_config>& tap_spec() {
  static const spec<tap_config> declared{
      field(&tap_config::enabled, "enabled")
          .doc("Whether `millrace tap` may sample live records, payloads included. It needs `admin.token` "
               "too."),
      field(&tap_config::records_per_second, "records_per_second")
          .range(1U, 1'000U)
          .doc("Samples a second at most."),
      field(&tap_config::redact, "redact")
          .doc("Fields that are not shown, by their path; `key` is the record's key. A value bound to a "
               "column "
               "of that name, or of the path's last part, is not shown either.")
          .example("[visitor_id, page.url, key]"),
      field(&tap_config::statement_values, "statement_values")
          .doc("Whether the values bound to statements are shown, but for what `redact` names."),
  };
  return declared;
}

const spec<tracing_config>& tracing_spec() {
  static const spec<tracing_config> declared{
      field(&tracing_config::endpoint, "endpoint")
          .doc("Collector of OTLP over HTTP (JSON). Empty: no traces are sent; a `traceparent` header still "
               "goes "
               "on in what its record produces.")
          .example("https://collector:4318"),
      field(&tracing_config::ca_file, "ca_file")
          .doc(
              "PEM file with the authorities that may sign the collector's certificate. Empty: the system's.")
          .example("/etc/millrace/collector-ca.pem"),
      field(&tracing_config::bearer_token, "bearer_token")
          .doc("Sent to the collector as `Authorization: Bearer`.")
          .example("${file:/run/secrets/collector}"),
      field(&tracing_config::sample_ratio, "sample_ratio")
          .range(0.0, 1.0)
          .doc("Share of the records without a `traceparent` that begin a trace. Those with one are traced "
               "when "
               "its producer sampled them."),
      field(&tracing_config::records_per_second, "records_per_second")
          .range(1U, 100'000U)
          .doc("Traced records a second at most, of each worker."),
  };
  return declared;
}

void check_buckets(const app_config& value, findings& found) {
  metrics::catalogue scratch;
  for (const bucket_scale& one : scales) {
    const std::vector<nanoseconds>& bounds = value.metrics.buckets.*one.bounds;
    if (bounds.empty()) continue;
    if (auto set = scratch.set_bounds(one.scale, bounds); !set) {
      found.error("metrics.buckets." + std::string(one.name), set.error().message());
    }
  }
  const auto& ages = value.metrics.buckets.end_to_end;
  if (!ages.empty() && std::ranges::find(ages, objective) == ages.end()) {
    found.warning("metrics.buckets.end_to_end",
                  "without the bound 5s the alerts on freshness have nothing to count", "add 5s");
  }
}

void use_buckets(const metrics_config& from, metrics::catalogue& in) {
  for (const bucket_scale& one : scales) {
    const std::vector<nanoseconds>& bounds = from.buckets.*one.bounds;
    if (bounds.empty()) continue;
    const bool accepted = in.set_bounds(one.scale, bounds).ok();
    invariant(accepted, "the configuration was checked");
  }
}

}  // namespace millrace::app
