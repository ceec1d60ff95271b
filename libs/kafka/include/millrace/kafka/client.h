// What every connection to a Kafka cluster needs, and what the clients report beside their ports.
//
// Secrets (passwords, private keys) travel only in `properties`; they are never logged and never part of an
// error's text.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include <millrace/base/errors.h>

namespace millrace::kafka {

// A line of librdkafka's own log. `level` is syslog's: 0 emergency … 3 error, 4 warning, 6 information,
// 7 debug. The views are valid during the call.
struct log_line {
  int level = 6;
  std::string_view facility;
  std::string_view text;
};
// Called on the owner's thread, from within its poll or turn.
using log_sink = std::function<void(const log_line&)>;
// librdkafka's statistics document (JSON, its STATISTICS.md), once per statistics.interval.ms; same thread.
using statistics_sink = std::function<void(std::string_view json)>;

struct client_config {
  std::string bootstrap_servers;  // "host:port,host:port"
  std::string client_id = "millrace";
  // librdkafka's properties by their own names (its CONFIGURATION.md): TLS, SASL, tuning. A name it does not
  // know, a value it refuses and a property that Millrace sets itself are errc::config_invalid.
  std::map<std::string, std::string> properties;
  log_sink on_log;                // may be empty
  statistics_sink on_statistics;  // may be empty
};

}  // namespace millrace::kafka
