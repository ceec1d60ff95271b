#include "lag_command.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <millrace/app/exit_code.h>

#include "commands/dlq/topic_walk.h"

namespace millrace::app::observe {
namespace {

constexpr milliseconds timeout{20'000};

std::optional<double> behind_seconds(const kafka::partition_lag& p, timestamp now) {
  if (p.records == 0) return 0;
  if (!p.oldest) return std::nullopt;
  return std::max(0.0, std::chrono::duration<double>(now - *p.oldest).count());
}

std::string as_json(const std::vector<kafka::partition_lag>& all, timestamp now) {
  using nlohmann::json;
  json partitions = json::array();
  std::int64_t records = 0;
  double behind = 0;
  for (const kafka::partition_lag& p : all) {
    const auto age = behind_seconds(p, now);
    records += p.records;
    behind = std::max(behind, age.value_or(0));
    partitions.push_back({{"topic", p.topic},
                          {"partition", p.partition},
                          {"committed", p.committed ? json(*p.committed) : json(nullptr)},
                          {"low", p.low},
                          {"high", p.high},
                          {"records", p.records},
                          {"seconds", age ? json(*age) : json(nullptr)}});
  }
  return json{{"records", records}, {"seconds", behind}, {"partitions", partitions}}.dump(2) + "\n";
}

}  // namespace

std::string describe_lag(const std::vector<kafka::partition_lag>& all, timestamp now,
                         const lag_arguments& arguments) {
  if (arguments.json) return as_json(all, now);
  std::string text = fmt::format("{:<32} {:>14} {:>14} {:>12} {:>12}\n", "partition", "committed", "end",
                                 "records", "seconds");
  std::int64_t records = 0;
  double behind = 0;
  std::size_t lagging = 0;
  for (const kafka::partition_lag& p : all) {
    const auto age = behind_seconds(p, now);
    records += p.records;
    behind = std::max(behind, age.value_or(0));
    lagging += p.records > 0 ? 1 : 0;
    if (p.records == 0 && !arguments.all) continue;
    text += fmt::format("{:<32} {:>14} {:>14} {:>12} {:>12}\n", p.topic + "/" + std::to_string(p.partition),
                        p.committed ? std::to_string(*p.committed) : "-", p.high, p.records,
                        age ? fmt::format("{:.1f}", *age) : "-");
  }
  return text + fmt::format("{} records behind in {} of {} partitions, the oldest {:.1f} s old\n", records,
                            lagging, all.size(), behind);
}

int run_lag(const app::app_config& settings, const lag_arguments& arguments, std::ostream& out,
            std::ostream& err) {
  const auto all = kafka::read_group_lag(dlq_commands::client_of(settings), settings.kafka.group,
                                         topics_of(settings), timeout);
  if (!all) {
    err << "lag: " << all.error().to_string() << "\n";
    return all.error().code() == errc::config_invalid || all.error().code() == errc::topic_not_found
               ? exit_config
               : exit_failure;
  }
  const timestamp now = std::chrono::time_point_cast<milliseconds>(system_clock().wall());
  out << describe_lag(*all, now, arguments);
  return exit_ok;
}

}  // namespace millrace::app::observe
