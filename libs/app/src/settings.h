// The specs of the sections of the configuration, one source file per library that uses them.
#pragma once

#include <string>
#include <string_view>

#include <millrace/app/app_config.h>

namespace millrace::app {

[[nodiscard]] const config::spec<kafka_settings>& kafka_spec();
[[nodiscard]] const config::spec<producer_settings>& producer_spec();
// The properties of librdkafka, offline.
void check_kafka_clients(const kafka_settings& value, config::findings& found);
[[nodiscard]] const config::spec<input_settings>& input_spec();
// Topics are named.
void check_topics(const app_config& value, config::findings& found);
[[nodiscard]] const config::spec<registry_settings>& registry_spec();
[[nodiscard]] const config::spec<cql_settings>& cql_spec();
[[nodiscard]] const config::spec<lookup_settings>& lookup_spec();
[[nodiscard]] const config::spec<http_settings>& http_spec();
[[nodiscard]] const config::spec<blocking_settings>& blocking_spec();
[[nodiscard]] const config::spec<engine_settings>& engine_spec();
[[nodiscard]] const config::spec<engine::processor_policy>& processor_policy_spec();
[[nodiscard]] const config::spec<engine::dependency_policy>& dependency_policy_spec();
// The policies and filters of the section `engine`, and their rules.
void add_policies(config::spec<engine_settings>& to);
void check_policies(const engine_settings& value, config::findings& found);
[[nodiscard]] const config::spec<admin_settings>& admin_spec();
[[nodiscard]] const config::spec<log_settings>& log_spec();
[[nodiscard]] const config::spec<metrics_settings>& metrics_spec();
[[nodiscard]] const config::spec<tap_settings>& tap_spec();
[[nodiscard]] const config::spec<tracing_settings>& tracing_spec();

}  // namespace millrace::app
