// Settings that every connection to a Kafka cluster needs, and the reports of a client beside its port.
//
// Example:
//
//   kafka::client_config config;
//   config.bootstrap_servers = "kafka-1:9093,kafka-2:9093";
//   config.properties["security.protocol"] = "SSL";
//   config.on_log = [](const kafka::log_line& line) { invariant(line.level >= 0, "syslog levels begin at 0"); };
//
// Secrets (passwords, private keys) are passed in `properties` or `credentials` only. They are never logged and
// never part of an error's text. A client reads the files of `properties` (keys, certificates) when it is
// created, and not again.
//
// Threads: plain values; callbacks run on the thread that owns the client, from within its poll or turn.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include <millrace/base/errors.h>
#include <millrace/kafka/sasl_credentials.h>

namespace millrace::kafka {

// A line of librdkafka's own log. `level` is syslog's: 0 emergency … 3 error, 4 warning, 6 information, 7
// debug. The views are valid during the call.
struct log_line {
  int level = 6;
  std::string_view facility;
  std::string_view text;
};
// Receives the lines of the log.
using log_sink = std::function<void(const log_line&)>;
// Receives librdkafka's statistics document (JSON, its STATISTICS.md) once per `statistics.interval.ms`.
using statistics_sink = std::function<void(std::string_view json)>;

struct client_config {
  std::string bootstrap_servers;  // "host:port,host:port"
  std::string client_id = "millrace";
  // Properties of librdkafka by their own names (its CONFIGURATION.md): TLS, SASL, tuning. An unknown name,
  // an invalid value, and a property that Millrace sets itself are errc::config_invalid.
  std::map<std::string, std::string> properties;
  // User and password, which may change while clients use them; they replace sasl.username and sasl.password of
  // `properties`. May be null.
  std::shared_ptr<const sasl_credentials> credentials = {};
  log_sink on_log;                // may be empty
  statistics_sink on_statistics;  // may be empty
};

}  // namespace millrace::kafka
