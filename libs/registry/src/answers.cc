#include "answers.h"

#include <charconv>
#include <ctime>

namespace millrace::registry {
namespace {

using nlohmann::json;

constexpr std::size_t references_of_one_max = 999;

// The registry's own number of an error: 40403. 0 when the answer is not in its words.
int error_code(const json& body) {
  const auto code = body.is_object() ? body.find("error_code") : body.end();
  if (!body.is_object() || code == body.end() || !code->is_number_integer()) return 0;
  return code->get<int>();
}

std::string described(const http::response& response, const json& body) {
  std::string text = "HTTP " + std::to_string(response.status);
  if (const int code = error_code(body); code != 0) text += " (" + std::to_string(code) + ")";
  const auto message = body.is_object() ? body.find("message") : body.end();
  if (body.is_object() && message != body.end() && message->is_string()) {
    text += ": " + http::printable(message->get_ref<const std::string&>());
  }
  return text;
}

bool is_text(const json& object, const char* member) {
  const auto found = object.find(member);
  return found != object.end() && found->is_string();
}

// Rules that change the bytes: without them a value cannot be read.
std::optional<std::string> encrypting_rule(const json& body) {
  const auto rules = body.find("ruleSet");
  if (rules == body.end() || !rules->is_object()) return std::nullopt;
  for (const char* kind : {"encodingRules", "domainRules"}) {
    const auto list = rules->find(kind);
    if (list == rules->end() || !list->is_array()) continue;
    for (const json& rule : *list) {
      if (!rule.is_object()) continue;
      const auto disabled = rule.find("disabled");
      if (disabled != rule.end() && disabled->is_boolean() && disabled->get<bool>()) continue;
      const std::string type = is_text(rule, "type") ? rule["type"].get<std::string>() : "";
      if (std::string_view(kind) == "encodingRules" || type.starts_with("ENCRYPT")) {
        return is_text(rule, "name") ? rule["name"].get<std::string>() : type;
      }
    }
  }
  return std::nullopt;
}

result<std::vector<schema_reference>> references_of(const json& body) {
  std::vector<schema_reference> all;
  const auto list = body.find("references");
  if (list == body.end() || list->is_null()) return all;
  if (!list->is_array()) return error(errc::registry_unavailable, "the references are not a list");
  if (list->size() > references_of_one_max)
    return error(errc::limit_exceeded, "the schema has " + std::to_string(list->size()) + " references");
  for (const json& each : *list) {
    const auto version = each.is_object() ? each.find("version") : each.end();
    if (!each.is_object() || !is_text(each, "subject") || version == each.end() ||
        !version->is_number_integer()) {
      return error(errc::registry_unavailable, "a reference has no subject and version");
    }
    all.push_back({is_text(each, "name") ? each["name"].get<std::string>() : "",
                   each["subject"].get<std::string>(), version->get<std::int32_t>()});
  }
  return all;
}

}  // namespace

judged judge(const std::string& place, const http::response& response) {
  judged seen;
  seen.body = json::parse(response.body, nullptr, false);
  const bool spoken = error_code(seen.body) != 0;
  const auto failing = [&](asked outcome, errc code, std::string_view hint = "") {
    seen.outcome = outcome;
    seen.failure = error(code, place + " answered " + described(response, seen.body) + std::string(hint));
    return std::move(seen);
  };
  constexpr std::string_view not_a_registry =
      "; this is not a schema registry's answer: check the path of the URL";
  const unsigned status = response.status;
  if (status == 200 || status == 201) {
    if (!seen.body.is_discarded()) return seen;
    return failing(asked::unusable, errc::registry_unavailable, " with a body that is not JSON");
  }
  if (status == 401 || status == 403) return failing(asked::unauthorized, errc::registry_unauthorized);
  if (status == 429) return failing(asked::limited, errc::registry_unavailable);
  if (status == 408 || status >= 500) return failing(asked::server_error, errc::registry_unavailable);
  // A proxy's or a load balancer's 404 must not look like an id that does not exist.
  if (!spoken || status < 400) return failing(asked::unusable, errc::registry_unavailable, not_a_registry);
  if (status == 404) {
    const int code = error_code(seen.body);
    if (code >= 40401 && code <= 40499) return failing(asked::not_found, errc::schema_not_found);
    return failing(asked::unusable, errc::registry_unavailable, not_a_registry);
  }
  if (status == 409) return failing(asked::refused, errc::schema_incompatible);
  return failing(asked::refused, errc::schema_invalid);
}

result<described_schema> schema_of(const json& body) {
  if (!body.is_object() || !is_text(body, "schema"))
    return error(errc::registry_unavailable, "the answer holds no schema");
  if (is_text(body, "schemaType") && body["schemaType"] != "AVRO") {
    return error(errc::unsupported, "the schema is of type " +
                                        http::printable(body["schemaType"].get_ref<const std::string&>()) +
                                        "; only AVRO is supported");
  }
  if (const auto rule = encrypting_rule(body)) {
    return error(errc::unsupported, "the schema's rule '" + http::printable(*rule) +
                                        "' encrypts fields, which is not supported");
  }
  auto references = references_of(body);
  if (!references) return references.error();
  return described_schema{body["schema"].get<std::string>(), std::move(*references)};
}

result<std::int32_t> number_of(const json& body, const char* member) {
  const auto found = body.is_object() ? body.find(member) : body.end();
  if (!body.is_object() || found == body.end() || !found->is_number_integer())
    return error(errc::registry_unavailable, "the answer holds no " + std::string(member));
  return found->get<std::int32_t>();
}

std::string sent(std::string_view text, const std::vector<schema_reference>& references) {
  json body{{"schema", text}};
  for (const schema_reference& each : references) {
    body["references"].push_back({{"name", each.name}, {"subject", each.subject}, {"version", each.version}});
  }
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::optional<seconds> retry_after(std::string_view header, timestamp_micros now) {
  std::int64_t count = 0;
  const auto [end, failed] = std::from_chars(header.data(), header.data() + header.size(), count);
  if (failed == std::errc{} && end == header.data() + header.size()) {
    return count < 0 ? std::nullopt : std::optional(seconds(std::min<std::int64_t>(count, 86'400)));
  }
  std::tm date{};
  const std::string text(header);
  const char* const read = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
  if (read == nullptr || *read != '\0') return std::nullopt;
  const std::int64_t left = ::timegm(&date) - now.time_since_epoch().count() / 1'000'000;
  return seconds(std::clamp<std::int64_t>(left, 0, 86'400));
}

}  // namespace millrace::registry
