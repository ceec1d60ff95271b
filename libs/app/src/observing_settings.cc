#include <algorithm>

#include <millrace/base/assert.h>
#include <millrace/http/exchange.h>

#include "settings.h"

namespace millrace::app {

using config::field;
using config::findings;
using config::section;
using config::spec;

namespace {

struct bucket_scale {
  std::string_view name;
  std::vector<nanoseconds> bucket_settings::* bounds;
  metrics::scale scale;
};
constexpr bucket_scale scales[] = {
    {"decode", &bucket_settings::decode, metrics::scale::decode},
    {"request", &bucket_settings::request, metrics::scale::request},
    {"end_to_end", &bucket_settings::end_to_end, metrics::scale::end_to_end},
    {"stage", &bucket_settings::stage, metrics::scale::stage},
    {"loop", &bucket_settings::loop, metrics::scale::loop},
};
// The alert on the freshness objective counts what is below this bound.
constexpr nanoseconds objective = seconds(5);

const spec<bucket_settings>& bucket_spec() {
  static const spec<bucket_settings> declared{
      field(&bucket_settings::decode, "decode").doc("Decoding of one record. Default: 250ns to 10ms."),
      field(&bucket_settings::request, "request")
          .doc("Statements, commits and requests to the schema registry. Default: 50us to 15s."),
      field(&bucket_settings::end_to_end, "end_to_end")
          .doc("Age of records. Default: 500us to 60s. The alerts on freshness need the bound 5s."),
      field(&bucket_settings::stage, "stage").doc("Stages of a record. Default: 1us to 60s."),
      field(&bucket_settings::loop, "loop").doc("One turn of a worker's event loop. Default: 1us to 1s."),
  };
  return declared;
}

void check_buckets(const metrics_settings& value, findings& found) {
  metrics::catalogue scratch;
  for (const bucket_scale& one : scales) {
    const std::vector<nanoseconds>& bounds = value.buckets.*one.bounds;
    if (bounds.empty()) continue;
    if (auto set = scratch.set_bounds(one.scale, bounds); !set)
      found.error("buckets." + std::string(one.name), set.error().message());
  }
  const auto& ages = value.buckets.end_to_end;
  if (!ages.empty() && std::ranges::find(ages, objective) == ages.end()) {
    found.warning("buckets.end_to_end", "without the bound 5s the alerts on freshness count nothing",
                  "add 5s");
  }
}

void check_tracing(const tracing_settings& value, findings& found) {
  if (!value.endpoint.empty()) {
    if (const auto url = http::parse_url(value.endpoint); !url) {
      found.error("endpoint", url.error().message(),
                  "use the OTLP/HTTP port of the collector: http://collector:4318");
    }
  }
  if (!value.ca_file.empty()) {
    if (const auto readable = http::check({.ca_file = value.ca_file}); !readable)
      found.error("ca_file", readable.error().message());
  }
}

}  // namespace

const spec<log_settings>& log_spec() {
  static const spec<log_settings> declared{
      field(&log_settings::level, "level")
          .choices({{"debug", log_level::debug},
                    {"info", log_level::info},
                    {"warning", log_level::warning},
                    {"error", log_level::error}})
          .doc("Least severe level that is logged."),
      field(&log_settings::format, "format")
          .choices({{"logfmt", log_format::logfmt}, {"json", log_format::json}})
          .doc("Format of a line: name=value pairs, or a JSON object."),
  };
  return declared;
}

const spec<metrics_settings>& metrics_spec() {
  static const spec<metrics_settings> declared =
      spec<metrics_settings>{
          section(&metrics_settings::buckets, "buckets", bucket_spec())
              .doc("Upper bounds of histogram buckets, ascending, at most 40 of each kind."),
      }
          .check(check_buckets);
  return declared;
}

const spec<tap_settings>& tap_spec() {
  static const spec<tap_settings> declared{
      field(&tap_settings::enabled, "enabled")
          .doc("Allow `millrace tap` to sample live records including payloads. Requires `admin.token`."),
      field(&tap_settings::records_per_second, "records_per_second")
          .range(1U, 1'000U)
          .doc("Limit of samples per second."),
      field(&tap_settings::redact, "redact")
          .doc("Paths of fields that are not shown; `key` is the record's key. A value bound to a column "
               "of that name, or of the path's last part, is not shown either.")
          .example("[visitor_id, page.url, key]"),
      field(&tap_settings::statement_values, "statement_values")
          .doc("Show the values bound to statements, except those of `redact`."),
  };
  return declared;
}

const spec<tracing_settings>& tracing_spec() {
  static const spec<tracing_settings> declared =
      spec<tracing_settings>{
          field(&tracing_settings::endpoint, "endpoint")
              .doc("URL of a collector for OTLP over HTTP (JSON). Empty: no traces are sent; a "
                   "`traceparent` header is still copied to the records that its record emits.")
              .example("https://collector:4318"),
          field(&tracing_settings::ca_file, "ca_file")
              .doc("PEM file of the authorities to trust at the collector. Empty: the system's.")
              .example("/etc/millrace/collector-ca.pem"),
          field(&tracing_settings::bearer_token, "bearer_token")
              .doc("Bearer token sent to the collector.")
              .example("${file:/run/secrets/collector}"),
          field(&tracing_settings::sample_ratio, "sample_ratio")
              .range(0.0, 1.0)
              .doc("Share of the records without a `traceparent` header that begin a trace. A record with "
                   "the header is traced when its producer sampled it."),
          field(&tracing_settings::records_per_second, "records_per_second")
              .range(1U, 100'000U)
              .doc("Limit of traced records per second, per worker."),
      }
          .check(check_tracing);
  return declared;
}

void use_buckets(const metrics_settings& from, metrics::catalogue& in) {
  for (const bucket_scale& one : scales) {
    const std::vector<nanoseconds>& bounds = from.buckets.*one.bounds;
    if (bounds.empty()) continue;
    const bool accepted = in.set_bounds(one.scale, bounds).ok();
    invariant(accepted, "the configuration was checked");
  }
}

}  // namespace millrace::app
