#include "servers.h"

#include <algorithm>

#include <fmt/format.h>

#include <millrace/kafka/connectivity.h>
#include <millrace/registry/client.h>

#include "shared_secrets.h"

namespace millrace::app::provisioning {
namespace {

constexpr milliseconds kafka_timeout{10'000};

kafka::client_config client_of(const app_config& settings, const shared_secrets& secrets) {
  kafka::client_config client = settings.kafka.client;
  client.client_id = "millrace-prepare";
  client.credentials = secrets.of_consumers();
  client.on_log = {};
  return client;
}

std::string creating(const std::string& topic, const app_config& settings, const wanted& how) {
  std::string command = "kafka-topics.sh --bootstrap-server " + settings.kafka.client.bootstrap_servers +
                        " --create --topic " + topic;
  if (how.partitions > 0) command += " --partitions " + std::to_string(how.partitions);
  if (how.replication > 0) command += " --replication-factor " + std::to_string(how.replication);
  return command;
}

}  // namespace

void check_topics(const application_needs& needs, const app_config& settings, const wanted& how,
                  std::vector<finding>& into) {
  const shared_secrets secrets(settings);
  const kafka::client_config client = client_of(settings, secrets);
  std::vector<std::string> names;
  for (const topic_need& each : needs.topics) names.push_back(each.name);
  const auto found = kafka::find_topics(client, names, kafka_timeout);
  for (std::size_t i = 0; i < needs.topics.size(); ++i) {
    finding& one = into.emplace_back();
    one.kind = "topic";
    one.name = names[i];
    one.note = needs.topics[i].use;
    if (!found) {
      one.state = need_state::unknown;
      if (i == 0) one.remedy = found.error().message();
      continue;
    }
    if (const auto& partitions = (*found)[i].partitions) {
      one.note += fmt::format(", {} partition{}", *partitions, *partitions == 1 ? "" : "s");
      continue;
    }
    one.state = need_state::missing;
    one.remedy = creating(names[i], settings, how);
    if (!how.create) continue;
    const auto made = kafka::create_topic(client, {names[i], how.partitions, how.replication}, kafka_timeout);
    if (made) {
      one.state = need_state::made;
    } else {
      one.remedy = made.error().message() + "\n" + one.remedy;
    }
  }
}

void check_subjects(const application_needs& needs, const app_config& settings, const wanted& how,
                    std::vector<finding>& into) {
  if (!settings.registry || needs.subjects.empty()) return;
  auto client = registry::client::create(static_cast<const registry::client_options&>(*settings.registry));
  for (const subject_need& each : needs.subjects) {
    finding& one = into.emplace_back();
    one.kind = "subject";
    one.name = each.subject;
    one.note = each.use;
    if (!client) {
      one.state = need_state::unknown;
      one.remedy = client.error().message();
      continue;
    }
    const auto newest = (*client)->find(each.subject, registry::client::latest);
    if (newest) continue;
    if (newest.error().code() != errc::schema_not_found) {
      one.state = need_state::unknown;
      one.remedy = newest.error().message();
      continue;
    }
    if (settings.registry->registers && !how.create) {
      one.note += ", registered by the start of the application";
      continue;
    }
    one.state = need_state::missing;
    one.remedy = "set `registry.register` for one start, or register the schema under this subject";
    if (!how.create) continue;
    registry::client_options registering = static_cast<const registry::client_options&>(*settings.registry);
    registering.registers = true;
    auto writer = registry::client::create(std::move(registering));
    const auto id =
        writer ? (*writer)->register_schema(each.subject, each.schema) : result<std::int32_t>(writer.error());
    if (id) {
      one.state = need_state::made;
      one.note += ", schema id " + std::to_string(*id);
    } else {
      one.remedy = id.error().message();
    }
  }
}

}  // namespace millrace::app::provisioning
