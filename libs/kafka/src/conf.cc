#include "conf.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include <millrace/base/assert.h>

namespace millrace::kafka {
namespace {

constexpr std::size_t message_bytes_max = 512;
// A suggestion is made for a name at most this many edits away.
constexpr std::size_t suggestion_edits_max = 4;

constexpr managed_property managed_everywhere[] = {
    {"bootstrap.servers", "use `kafka.bootstrap_servers`"},
    {"metadata.broker.list", "use `kafka.bootstrap_servers`"},
    {"client.id", "the client has the name of the application"},
    {"log.queue", "Millrace consumes the log queue"},
    {"enabled_events", "Millrace selects the events"},
};

std::size_t edit_distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);
  for (std::size_t j = 0; j <= to.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= from.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= to.size(); ++j) {
      const std::size_t replaced = diagonal + (from[i - 1] == to[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

// librdkafka's table of properties, "name | C/P | range | ...". Its dump of a configuration would leave out
// those that have no default, passwords among them.
std::string property_table() {
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* const into = ::open_memstream(&text, &size);
  if (into == nullptr) return {};
  rd_kafka_conf_properties_show(into);
  std::fclose(into);
  std::string table(text, size);
  std::free(text);
  return table;
}

std::string nearest_property(std::string_view name) {
  const std::string table = property_table();
  std::string_view rest = table;
  std::string nearest;
  std::size_t nearest_edits = suggestion_edits_max + 1;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const std::string_view known = line.substr(0, line.find_first_of(" |"));
    if (known.empty() || line.find('|') == std::string_view::npos) continue;
    const std::size_t edits = edit_distance(name, known);
    if (edits < nearest_edits) {
      nearest = known;
      nearest_edits = edits;
    }
  }
  return nearest;
}

}  // namespace

bool is_secret(std::string_view property) noexcept {
  for (const std::string_view word : {"password", "secret", ".pem", "oauthbearer.config", "sasl.jaas"}) {
    if (property.find(word) != std::string_view::npos) return true;
  }
  return false;
}

conf_builder::conf_builder() : conf_(rd_kafka_conf_new()) {}

void conf_builder::prefer(const char* name, std::string_view value) {
  const result<void> done = set(name, value);
  invariant(done.ok(), "librdkafka takes our own defaults");
}

result<void> conf_builder::apply(const client_config& config, std::span<const managed_property> managed) {
  if (config.bootstrap_servers.empty()) {
    return error(errc::config_invalid, "`kafka.bootstrap_servers` is empty; give at least one host:port");
  }
  const auto find_managed = [&](std::string_view name) -> const managed_property* {
    for (const std::span<const managed_property> list :
         {std::span<const managed_property>(managed_everywhere), managed}) {
      const auto at =
          std::find_if(list.begin(), list.end(), [&](const managed_property& p) { return p.name == name; });
      if (at != list.end()) return &*at;
    }
    return nullptr;
  };
  for (const auto& [name, value] : config.properties) {
    if (const managed_property* owned = find_managed(name)) {
      return error(errc::config_invalid,
                   "Kafka property '" + name +
                       "' is set by Millrace and cannot be given: " + std::string(owned->instead));
    }
    if (result<void> done = set(name.c_str(), value); !done) return done;
  }
  if (config.credentials) {
    const sasl_credentials::login now = config.credentials->get();
    if (result<void> done = set("sasl.username", now.user); !done) return done;
    if (result<void> done = set("sasl.password", now.password.reveal()); !done) return done;
  }
  if (result<void> done = set("bootstrap.servers", config.bootstrap_servers); !done) return done;
  return set("client.id", config.client_id);
}

result<void> conf_builder::set(const char* name, std::string_view value) {
  char text[message_bytes_max] = {};
  const std::string terminated(value);
  switch (rd_kafka_conf_set(conf_.get(), name, terminated.c_str(), text, sizeof text)) {
    case RD_KAFKA_CONF_OK:
      return {};
    case RD_KAFKA_CONF_UNKNOWN: {
      std::string message =
          "Kafka property '" + std::string(name) + "' does not exist in librdkafka " + rd_kafka_version_str();
      const std::string nearest = nearest_property(name);
      if (!nearest.empty()) message += "; did you mean '" + nearest + "'?";
      return error(errc::config_invalid, std::move(message));
    }
    case RD_KAFKA_CONF_INVALID:
      break;
  }
  std::string message = "Kafka property '" + std::string(name) + "' has an invalid value";
  if (!is_secret(name)) message += ": " + std::string(text);
  return error(errc::config_invalid, std::move(message));
}

void conf_builder::enable_events(int events) {
  rd_kafka_conf_set_events(conf_.get(),
                           events | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG | RD_KAFKA_EVENT_STATS);
}

result<client_handle> conf_builder::make_client(rd_kafka_type_t type) {
  prefer("log.queue", "true");
  char text[message_bytes_max] = {};
  client_handle client(rd_kafka_new(type, conf_.get(), text, sizeof text));
  if (!client) {
    const std::string_view reason(text);
    if (rd_kafka_last_error() == RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE) {
      return error(errc::io_error, "the Kafka client cannot start: " + std::string(text) +
                                       "; raise the limits of open files and threads of the process");
    }
    const bool tls =
        reason.find("ssl.") != std::string_view::npos || reason.find("SSL") != std::string_view::npos;
    return error(tls ? errc::tls_error : errc::config_invalid,
                 "the Kafka client cannot start with this configuration: " + std::string(reason));
  }
  [[maybe_unused]] const auto* the_clients_now = conf_.release();
  rd_kafka_set_log_queue(client.get(), nullptr);
  return client;
}

}  // namespace millrace::kafka
