// A small configuration with the shapes that a real one has.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/config/load.h>

namespace millrace::config {

using namespace std::chrono_literals;

enum class order : std::uint8_t { unordered, key, partition };

struct sasl_config {
  std::string user;
  secret password;
};

struct kafka_config {
  std::string bootstrap_servers;
  std::string group = "millrace";
  milliseconds session_timeout = 45s;
  std::map<std::string, std::string> properties;
  std::optional<sasl_config> sasl;
};

struct source_config {
  std::string topic;
  std::uint32_t processors = 1;
};

struct pipeline_config {
  config::order order = config::order::unordered;
  std::uint16_t in_flight = 1024;
  byte_size bytes_in_flight = mib(64);
  double dead_letter_ratio_max = 0.5;
  bool commit = true;
  nanoseconds drain_timeout = 20s;
  std::vector<std::string> ignored_errors = {"rejected"};
  std::optional<std::string> dead_letter_topic;
};

struct sample_config {
  kafka_config kafka;
  pipeline_config pipeline;
  std::vector<source_config> sources;
};

inline spec<sample_config> sample_spec() {
  const spec<sasl_config> sasl{
      field(&sasl_config::user, "user").required().doc("User name."),
      field(&sasl_config::password, "password").required().doc("Password."),
  };
  const spec<kafka_config> kafka{
      field(&kafka_config::bootstrap_servers, "bootstrap_servers")
          .required()
          .doc("Brokers to start from.")
          .example("broker-1:9092,broker-2:9092")
          .formerly("brokers"),
      field(&kafka_config::group, "group").doc("Consumer group."),
      field(&kafka_config::session_timeout, "session_timeout")
          .range(6s, 30min)
          .doc("How long a silent member stays."),
      field(&kafka_config::properties, "properties").doc("Passed to librdkafka as they are."),
      section(&kafka_config::sasl, "sasl", sasl).doc("Authentication by user and password."),
  };
  const spec<pipeline_config> pipeline =
      spec<pipeline_config>{
          field(&pipeline_config::order, "order")
              .choices(
                  {{"unordered", order::unordered}, {"key", order::key}, {"partition", order::partition}})
              .doc("What may overtake what."),
          field(&pipeline_config::in_flight, "in_flight")
              .range(1, 16384)
              .doc("Records in flight per worker."),
          field(&pipeline_config::bytes_in_flight, "bytes_in_flight")
              .range(mib(1), gib(16))
              .doc("Bytes in flight."),
          field(&pipeline_config::dead_letter_ratio_max, "dead_letter_ratio_max")
              .range(0, 1)
              .doc("The brake."),
          field(&pipeline_config::commit, "commit").doc("Whether offsets are committed."),
          field(&pipeline_config::drain_timeout, "drain_timeout").doc("Time to finish at a stop."),
          field(&pipeline_config::ignored_errors, "ignored_errors").doc("Errors that are | not counted."),
          field(&pipeline_config::dead_letter_topic, "dead_letter_topic").doc("Where poison goes."),
      }
          .check([](const pipeline_config& p, findings& found) {
            if (p.drain_timeout > 60s)
              found.error("drain_timeout", "`drain_timeout` must be below 60s", "a pod is killed then");
            if (!p.dead_letter_topic)
              found.warning("dead_letter_topic", "no dead letter topic: poison stops the line");
          });
  const spec<source_config> source{
      field(&source_config::topic, "topic").required().doc("Topic to read."),
      field(&source_config::processors, "processors").range(1, 64),
  };
  return spec<sample_config>{
      section(&sample_config::kafka, "kafka", kafka).doc("How to reach Kafka."),
      section(&sample_config::pipeline, "pipeline", pipeline),
      sections(&sample_config::sources, "sources", source).doc("What is read."),
  }
      .check([](const sample_config& c, findings& found) {
        if (c.kafka.session_timeout <= c.pipeline.drain_timeout) {
          found.error("pipeline.drain_timeout",
                      "`pipeline.drain_timeout` must be below `kafka.session_timeout`");
        }
      });
}

// The least that loads without a word.
inline constexpr std::string_view minimal =
    "kafka:\n"
    "  bootstrap_servers: broker:9092\n"
    "pipeline:\n"
    "  dead_letter_topic: dead\n";

class SampleConfig : public testing::Test {
 protected:
  loaded<sample_config> read(std::string_view text) {
    from_.file = "config.yaml";
    from_.text = std::string(text);
    return load(spec_, from_);
  }
  // The diagnostics as a terminal shows them, without the count at the end.
  std::string complaints(std::string_view text) {
    std::string shown;
    for (const diagnostic& one : read(text).diagnostics) shown += to_text(one, false);
    return shown;
  }
  void set_variable(const std::string& name, const std::string& value) { from_.environment[name] = value; }
  void set_flag(const std::string& flag) { from_.set.push_back(flag); }

  const spec<sample_config> spec_ = sample_spec();
  inputs from_;
};

}  // namespace millrace::config
