#include "registry_store.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

namespace millrace::testkit::registry {
namespace {

using json = nlohmann::ordered_json;

std::string url_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned char byte = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16).ptr == text.data() + i + 3) {
      out.push_back(static_cast<char>(byte));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> out;
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::size_t end = std::min(path.find('/'), path.size());
    if (end != 0) out.push_back(url_decoded(path.substr(0, end)));
    path.remove_prefix(end);
  }
  return out;
}

std::optional<std::int32_t> number(std::string_view text) {
  std::int32_t out = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), out);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return out;
}

rest_answer not_allowed() { return rest_error(405, 405, "HTTP 405 Method Not Allowed"); }
rest_answer not_found() { return rest_error(404, 404, "HTTP 404 Not Found"); }
rest_answer no_subject(std::string_view subject) {
  return rest_error(404, 40401, fmt::format("Subject '{}' not found.", subject));
}
rest_answer invalid_schema(std::string_view why) {
  return rest_error(422, 42201, fmt::format("Invalid schema: {}", why));
}

// The schema part of a request body: only the members a registry keeps.
std::optional<json> schema_of(const json& body) {
  if (!body.is_object() || !body.contains("schema") || !body["schema"].is_string()) return std::nullopt;
  json out{{"schema", body["schema"]}};
  if (body.contains("schemaType") && body["schemaType"].is_string() && body["schemaType"] != "AVRO") {
    out["schemaType"] = body["schemaType"];
  }
  if (body.contains("references") && body["references"].is_array() && !body["references"].empty()) {
    out["references"] = body["references"];
  }
  return out;
}

}  // namespace

rest_answer rest_error(int status, int code, std::string message) {
  return {status, json{{"error_code", code}, {"message", std::move(message)}}};
}

std::optional<std::string> store::identity_of(const schema& of) {
  const auto& text = of["schema"].get_ref<const std::string&>();
  const std::string kind = of.value("schemaType", "AVRO");
  std::string normal = text;
  if (kind != "PROTOBUF") {
    const json parsed = json::parse(text, nullptr, false);
    if (parsed.is_discarded()) return std::nullopt;
    normal = parsed.dump();
  }
  return fmt::format("{}\n{}\n{}", kind, normal, of.contains("references") ? of["references"].dump() : "");
}

std::optional<registered_schema> store::add(const std::string& subject, const schema& what) {
  const std::optional<std::string> identity = identity_of(what);
  if (!identity) return std::nullopt;
  const auto known = ids_.find(*identity);
  std::int32_t id = known != ids_.end() ? known->second : 0;
  if (id == 0) {
    do ++last_id_;
    while (by_id_.contains(last_id_));
    id = last_id_;
    by_id_.emplace(id, what);
    ids_.emplace(*identity, id);
  }
  std::vector<entry>& versions = subjects_[subject];
  const auto found =
      std::find_if(versions.begin(), versions.end(), [id](const entry& each) { return each.id == id; });
  const auto version = static_cast<std::int32_t>(found - versions.begin()) + 1;
  if (found == versions.end()) versions.push_back({id, *identity});
  return registered_schema{id, version};
}

void store::put(std::int32_t id, schema what) {
  if (const std::optional<std::string> identity = identity_of(what)) ids_.emplace(*identity, id);
  by_id_.insert_or_assign(id, std::move(what));
}

rest_answer store::answer(const rest_request& to) {
  const std::vector<std::string> path = split(to.path);
  if (path.empty()) return to.method == "GET" ? rest_answer{200, json::object()} : not_allowed();
  if (path[0] == "schemas") return on_schemas(to, path);
  if (path[0] == "subjects") return on_subjects(to, path);
  if (path.size() == 1 && path[0] == "config") return {200, json{{"compatibilityLevel", "NONE"}}};
  if (path.size() == 1 && path[0] == "mode") return {200, json{{"mode", "READWRITE"}}};
  return not_found();
}

json store::uses_of(std::int32_t id) const {
  json out = json::array();
  for (const auto& [subject, versions] : subjects_) {
    for (std::size_t i = 0; i < versions.size(); ++i) {
      if (versions[i].id == id) out.push_back({{"subject", subject}, {"version", i + 1}});
    }
  }
  return out;
}

rest_answer store::on_schemas(const rest_request& to, const std::vector<std::string>& path) {
  if (path.size() == 2 && path[1] == "types") return {200, json::array({"JSON", "PROTOBUF", "AVRO"})};
  if (path.size() < 3 || path.size() > 4 || path[1] != "ids") return not_found();
  if (to.method != "GET") return not_allowed();
  const std::optional<std::int32_t> id = number(path[2]);
  if (!id) return not_found();
  const auto found = by_id_.find(*id);
  if (found == by_id_.end()) return rest_error(404, 40403, fmt::format("Schema {} not found", *id));
  if (path.size() == 3) return {200, found->second};
  if (path[3] == "schema") {
    json parsed = json::parse(found->second["schema"].get_ref<const std::string&>(), nullptr, false);
    return {200, parsed.is_discarded() ? found->second["schema"] : parsed};
  }
  json uses = uses_of(*id);
  if (path[3] == "versions") return {200, std::move(uses)};
  if (path[3] != "subjects") return not_found();
  json names = json::array();
  for (const json& each : uses) names.push_back(each["subject"]);
  return {200, std::move(names)};
}

rest_answer store::on_subjects(const rest_request& to, const std::vector<std::string>& path) {
  if (path.size() == 1) {
    if (to.method != "GET") return not_allowed();
    json names = json::array();
    for (const auto& [subject, versions] : subjects_) names.push_back(subject);
    return {200, std::move(names)};
  }
  if (path.size() == 2) return to.method == "POST" ? look_up(to, path[1]) : not_allowed();
  if (path[2] != "versions" || path.size() > 4) return not_found();
  if (path.size() == 3 && to.method == "POST") return register_schema(to, path[1]);
  if (to.method != "GET") return not_allowed();
  if (path.size() == 4) return version(path[1], path[3]);
  const auto found = subjects_.find(path[1]);
  if (found == subjects_.end()) return no_subject(path[1]);
  json versions = json::array();
  for (std::size_t i = 0; i < found->second.size(); ++i) versions.push_back(i + 1);
  return {200, std::move(versions)};
}

rest_answer store::register_schema(const rest_request& to, const std::string& subject) {
  const json body = json::parse(to.body, nullptr, false);
  if (body.is_discarded()) return rest_error(400, 400, "Unrecognized token: the request body is not JSON");
  const std::optional<schema> what = schema_of(body);
  if (!what) return invalid_schema("Empty schema");
  const std::optional<registered_schema> added = add(subject, *what);
  if (!added) return invalid_schema((*what)["schema"].get_ref<const std::string&>().substr(0, 200));
  return {200, json{{"id", added->id}}};
}

rest_answer store::look_up(const rest_request& to, const std::string& subject) {
  const json body = json::parse(to.body, nullptr, false);
  if (body.is_discarded()) return rest_error(400, 400, "Unrecognized token: the request body is not JSON");
  const auto found = subjects_.find(subject);
  if (found == subjects_.end()) return no_subject(subject);
  const std::optional<schema> what = schema_of(body);
  const std::optional<std::string> identity = what ? identity_of(*what) : std::nullopt;
  if (!identity) return invalid_schema("cannot be parsed");
  for (std::size_t i = 0; i < found->second.size(); ++i) {
    if (found->second[i].identity == *identity) return version(subject, std::to_string(i + 1));
  }
  return rest_error(404, 40403, "Schema not found");
}

rest_answer store::version(const std::string& subject, const std::string& which) const {
  const auto found = subjects_.find(subject);
  if (found == subjects_.end()) return no_subject(subject);
  std::optional<std::int32_t> wanted = number(which);
  if (which == "latest" || wanted == -1) wanted = static_cast<std::int32_t>(found->second.size());
  if (!wanted || *wanted < 1) {
    return rest_error(
        422, 42202,
        fmt::format("The specified version '{}' is not a valid version id. Allowed values are between "
                    "[1, 2^31-1] and the string \"latest\"",
                    which));
  }
  if (static_cast<std::size_t>(*wanted) > found->second.size()) {
    return rest_error(404, 40402, fmt::format("Version {} not found.", *wanted));
  }
  const entry& at = found->second[static_cast<std::size_t>(*wanted) - 1];
  json out{{"subject", subject}, {"version", *wanted}, {"id", at.id}};
  out.update(by_id_.at(at.id));
  return {200, std::move(out)};
}

}  // namespace millrace::testkit::registry
