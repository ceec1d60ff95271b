#include "tap.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include <nlohmann/json.hpp>

#include <millrace/avro/framing.h>
#include <millrace/avro/json.h>
#include <millrace/avro/schema.h>

#include "bound_values.h"

namespace millrace::app {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view prefix = "/tap";
constexpr milliseconds timeout_max{900};
constexpr std::array<std::string_view, 4> outcomes{"done", "skipped", "dead_lettered", "abandoned"};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

template <typename T>
bool read_number(std::string_view text, T& into) {
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), into);
  return failure == std::errc{} && end == text.data() + text.size();
}

bool set(tap_filter& filter, std::string_view name, std::string value) {
  if (name == "key") {
    filter.key = std::move(value);
    return true;
  }
  if (name == "error") {
    filter.error = std::move(value);
    return true;
  }
  if (name == "outcome") {
    const bool known = std::ranges::find(outcomes, value) != outcomes.end();
    filter.outcome = std::move(value);
    return known;
  }
  if (name == "partition") return read_number(value, filter.partition.emplace());
  return name == "limit" && read_number(value, filter.limit) && filter.limit >= 1 &&
         filter.limit <= tap::limit_max;
}

void redact(ordered_json& value, std::string_view path) {
  const std::size_t dot = path.find('.');
  const std::string name(path.substr(0, dot));
  if (value.is_array()) {
    for (ordered_json& item : value) redact(item, path);
    return;
  }
  if (!value.is_object()) return;
  for (auto& [key, inner] : value.items()) {
    if (key != name) {
      // A union's branch is an object of its own in Avro's JSON.
      if (inner.is_object() && value.size() == 1) redact(inner, path);
      continue;
    }
    if (dot == std::string_view::npos) {
      inner = redacted;
    } else {
      redact(inner, path.substr(dot + 1));
    }
  }
}

ordered_json decoded(bytes_view framed_value, const tap_settings& settings, const schema_source& schemas) {
  const auto framed = avro::split_frame(framed_value);
  if (!framed) return ordered_json{{"undecodable", framed.error().message()}};
  const std::string text = schemas(framed->schema_id);
  if (text.empty()) return ordered_json{{"undecodable", "the registry did not answer"}};
  const auto schema = avro::schema::parse(text);
  if (!schema) return ordered_json{{"undecodable", schema.error().message()}};
  const auto json = avro::decode_to_json(*schema, framed->datum);
  if (!json) return ordered_json{{"undecodable", json.error().message()}};
  ordered_json value = ordered_json::parse(json->text, nullptr, false);
  for (const std::string& path : settings.redact) redact(value, path);
  return value;
}

double milliseconds_of(nanoseconds time) { return static_cast<double>(time.count()) / 1e6; }

bool hides_key(const tap_settings& settings) {
  return std::ranges::find(settings.redact, "key") != settings.redact.end();
}

ordered_json key_of(const std::optional<byte_buffer>& key, const tap_settings& settings) {
  if (!key) return nullptr;
  return hides_key(settings) ? std::string(redacted) : shown(*key);
}

bool has_error(const engine::followed_record& record, const std::string& part) {
  const auto names = [&part](const std::string& text) { return text.find(part) != std::string::npos; };
  return names(record.reason) || std::ranges::any_of(record.stages, names, &engine::followed_stage::error) ||
         std::ranges::any_of(record.statements, names, &engine::followed_statement::error);
}

admin_page text(unsigned status, std::string_view sentence) {
  return {status, "text/plain; charset=utf-8", std::string(sentence) + "\n"};
}

void add_values(ordered_json& to, const engine::followed_statement& of,
                const std::vector<std::string>& redact) {
  if (of.bound.size() == 1) {
    to["values"] = bound_values(of.bound.front(), redact);
    return;
  }
  ordered_json& batch = to["batch"] = ordered_json::array();
  for (const engine::followed_binding& part : of.bound)
    batch.push_back({{"statement", part.statement}, {"values", bound_values(part, redact)}});
}

}  // namespace

std::optional<tap_filter> tap_filter::parse(std::string_view path) {
  if (!path.starts_with(prefix)) return std::nullopt;
  path.remove_prefix(prefix.size());
  tap_filter filter;
  while (!path.empty()) {
    if (path.front() != '/') return std::nullopt;
    path.remove_prefix(1);
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(part.size());
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos ||
        !set(filter, part.substr(0, equals), percent_decoded(part.substr(equals + 1))))
      return std::nullopt;
  }
  return filter;
}

bool tap_filter::may_want(std::optional<bytes_view> its_key, std::int32_t its_partition) const {
  if (partition && *partition != its_partition) return false;
  return !key || (its_key && as_text(*its_key) == *key);
}

bool tap_filter::wants(const engine::followed_record& record) const {
  const auto bytes = record.key ? std::optional<bytes_view>(*record.key) : std::nullopt;
  if (!may_want(bytes, record.partition)) return false;
  if (outcome && record.outcome != *outcome) return false;
  return !error || has_error(record, *error);
}

bool tap::wants(std::optional<bytes_view> key, std::int32_t partition) {
  const std::lock_guard lock(mutex_);
  if (!armed_ || !filter_.may_want(key, partition)) return false;
  const std::int64_t second = time_.now().ns / 1'000'000'000;
  if (second != second_) {
    second_ = second;
    followed_ = 0;
  }
  return ++followed_ <= followed_per_second_max;
}

void tap::offer(const engine::followed_record& record) {
  const std::lock_guard lock(mutex_);
  if (!armed_ || taken_.size() >= filter_.limit || !filter_.wants(record)) return;
  taken_.push_back(record);
  if (taken_.size() == filter_.limit) enough_.notify_one();
}

std::vector<engine::followed_record> tap::collect(const tap_filter& filter, nanoseconds timeout) {
  std::unique_lock lock(mutex_);
  filter_ = filter;
  taken_.clear();
  armed_ = true;
  enough_.wait_for(lock, timeout, [this] { return taken_.size() >= filter_.limit; });
  armed_ = false;
  return std::exchange(taken_, {});
}

std::string describe(const engine::followed_record& record, const tap_settings& settings,
                     const schema_source& schemas) {
  ordered_json out = {
      {"topic", record.topic},
      {"partition", record.partition},
      {"offset", record.offset},
      {"key", key_of(record.key, settings)},
      {"outcome", record.outcome},
      {"reason", record.reason.empty() ? ordered_json(nullptr) : ordered_json(record.reason)},
      {"created_us", record.created_us ? ordered_json(*record.created_us) : ordered_json(nullptr)},
      {"took_ms", milliseconds_of(record.ended_at - record.taken_at)}};
  if (!record.trace_id.empty()) out["trace_id"] = record.trace_id;
  ordered_json& stages = out["stages"] = ordered_json::array();
  if (record.created_us) {
    stages.push_back(
        {{"stage", "fetch_wait"}, {"ms", static_cast<double>(record.taken_us - *record.created_us) / 1e3}});
  }
  for (const engine::followed_stage& stage : record.stages) {
    ordered_json one = {{"stage", stage.name}, {"ms", milliseconds_of(stage.ended - stage.began)}};
    if (!stage.processor.empty()) one["processor"] = stage.processor;
    if (stage.attempt > 1) one["attempt"] = stage.attempt;
    if (!stage.error.empty()) one["error"] = stage.error;
    stages.push_back(std::move(one));
  }
  ordered_json& statements = out["statements"] = ordered_json::array();
  for (const engine::followed_statement& statement : record.statements) {
    ordered_json one = {{"statement", statement.name},
                        {"ms", milliseconds_of(statement.ended - statement.began)}};
    if (settings.statement_values) add_values(one, statement, settings.redact);
    if (!statement.error.empty()) one["error"] = statement.error;
    statements.push_back(std::move(one));
  }
  ordered_json& produced = out["produced"] = ordered_json::array();
  for (const engine::followed_emit& emit : record.emits) {
    produced.push_back(
        {{"topic", emit.topic},
         {"key", key_of(emit.key, settings)},
         {"value", emit.value ? decoded(*emit.value, settings, schemas) : ordered_json(nullptr)}});
  }
  out["value"] = record.value ? decoded(*record.value, settings, schemas) : ordered_json(nullptr);
  return out.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

admin_page tap_page(const admin_request& order, const app_config& settings, tap& from,
                    const schema_source& schemas) {
  if (!settings.tap.enabled || settings.admin.token.empty()) {
    return text(403, "the tap is disabled: the configuration needs `tap.enabled: true` and an `admin.token`");
  }
  constexpr std::string_view scheme = "Bearer ";
  if (!order.authorization.starts_with(scheme) ||
      !(secret(order.authorization.substr(scheme.size())) == settings.admin.token)) {
    admin_page refused = text(401, "the header `Authorization: Bearer TOKEN` is required");
    refused.asks_for_token = true;
    return refused;
  }
  std::optional<tap_filter> filter = tap_filter::parse(order.path);
  if (!filter) {
    return text(404,
                "expected POST /tap followed by any of /key=KEY /partition=N "
                "/outcome=done|skipped|dead_lettered|abandoned "
                "/error=TEXT /limit=N");
  }
  filter->limit = std::min<std::size_t>(filter->limit, settings.tap.records_per_second);
  // A schema that does not arrive is waited for once, not for every record.
  std::map<std::int32_t, std::string> known;
  const schema_source once = [&](std::int32_t id) {
    const auto [at, is_new] = known.try_emplace(id);
    if (is_new) at->second = schemas(id);
    return at->second;
  };
  admin_page page{200, "application/x-ndjson", {}};
  for (const engine::followed_record& record : from.collect(*filter, timeout_max)) {
    page.body += describe(record, settings.tap, once);
  }
  return page;
}

}  // namespace millrace::app
