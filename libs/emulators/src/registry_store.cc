#include "registry_store.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include <millrace/base/fnv1a.h>
#include <millrace/base/text.h>

namespace millrace::emulators::registry {
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

bool says(std::string_view query, std::string_view parameter) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    if (query.substr(0, end) == parameter) return true;
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return false;
}

// ":.staging:subject" into its parts; nothing when the subject names no context.
std::optional<std::pair<std::string, std::string>> qualified(const std::string& subject) {
  if (!subject.starts_with(":.")) return std::nullopt;
  const std::size_t end = subject.find(':', 1);
  if (end == std::string::npos) return std::nullopt;
  return std::pair(subject.substr(1, end - 1), subject.substr(end + 1));
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
  for (const char* kept : {"metadata", "ruleSet"}) {
    if (body.contains(kept) && body[kept].is_object()) out[kept] = body[kept];
  }
  return out;
}

// Attributes in one order: what a registry calls normalised, as far as this one goes.
void normalize(json& what) {
  const nlohmann::json sorted =
      nlohmann::json::parse(what["schema"].get_ref<const std::string&>(), nullptr, false);
  if (!sorted.is_discarded()) what["schema"] = sorted.dump();
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
  std::string rest;
  for (const char* member : {"references", "metadata", "ruleSet"}) {
    if (of.contains(member)) rest += of[member].dump();
  }
  return fmt::format("{}\n{}\n{}", kind, normal, rest);
}

std::string guid_of(std::string_view identity) {
  std::string hex;
  for (const std::uint64_t seed : {0xcbf29ce484222325ULL, 0x84222325cbf29ce4ULL}) {
    fnv1a hash(seed);
    hash.add(identity);
    hex += hex_number(hash.value());
  }
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                     hex.substr(16, 4), hex.substr(20));
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
  versions& all = subjects_[subject];
  const auto found = std::find_if(all.begin(), all.end(), [id](const entry& each) { return each.id == id; });
  const auto version = static_cast<std::int32_t>(found - all.begin()) + 1;
  if (found == all.end()) {
    all.push_back({id, *identity});
  } else {
    found->deleted = false;
  }
  return registered_schema{id, version};
}

void store::put(std::int32_t id, schema what) {
  if (const std::optional<std::string> identity = identity_of(what)) ids_.emplace(*identity, id);
  by_id_.insert_or_assign(id, std::move(what));
}

void store::set_incompatible(const std::string& subject, std::string why) {
  incompatible_.erase(subject);
  if (!why.empty()) incompatible_.emplace(subject, std::move(why));
}

contexts::contexts() = default;
contexts::~contexts() = default;

store& contexts::at(const std::string& context) { return stores_.try_emplace(context, *this).first->second; }
store* contexts::known(const std::string& context) {
  const auto found = stores_.find(context);
  return found == stores_.end() ? nullptr : &found->second;
}

rest_answer contexts::answer(const rest_request& to) {
  std::vector<std::string> path = split(to.path);
  std::string context;
  if (path.size() >= 2 && path[0] == "contexts") {
    context = path[1] == "." ? "" : path[1];
    path.erase(path.begin(), path.begin() + 2);
  } else if (path.size() == 1 && path[0] == "contexts") {
    json names = json::array({"."});
    for (const auto& [name, content] : stores_) {
      if (!name.empty()) names.push_back(name);
    }
    return {200, std::move(names)};
  }
  for (std::string& segment : path) {
    auto parts = qualified(segment);
    if (!parts) continue;
    context = parts->first;
    segment = std::move(parts->second);
  }
  return at(context).answer(to, std::move(path));
}

rest_answer store::answer(const rest_request& to, std::vector<std::string> path) {
  if (path.empty()) return to.method == "GET" ? rest_answer{200, json::object()} : not_allowed();
  if (path[0] == "schemas") return on_schemas(to, path);
  if (path[0] == "subjects") return on_subjects(to, path);
  if (path[0] == "compatibility") return on_compatibility(to, path);
  if (path[0] == "config") return {200, json{{"compatibilityLevel", "NONE"}}};
  if (path[0] == "mode") return {200, json{{"mode", "READWRITE"}}};
  return not_found();
}

json store::uses_of(std::int32_t id) const {
  json out = json::array();
  for (const auto& [subject, versions] : subjects_) {
    for (std::size_t i = 0; i < versions.size(); ++i) {
      if (versions[i].id == id && !versions[i].deleted)
        out.push_back({{"subject", subject}, {"version", i + 1}});
    }
  }
  return out;
}

rest_answer store::on_schemas(const rest_request& to, const std::vector<std::string>& path) {
  if (path.size() == 2 && path[1] == "types") return {200, json::array({"JSON", "PROTOBUF", "AVRO"})};
  if (to.method != "GET") return not_allowed();
  if (path.size() == 3 && path[1] == "guids") return by_guid(path[2]);
  if (path.size() < 3 || path.size() > 4 || path[1] != "ids") return not_found();
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

std::string store::guid(std::int32_t id) const {
  const auto found = by_id_.find(id);
  const auto identity = found == by_id_.end() ? std::nullopt : identity_of(found->second);
  return identity ? guid_of(*identity) : std::string();
}

rest_answer store::by_guid(const std::string& guid) const {
  for (const auto& [identity, id] : ids_) {
    if (guid_of(identity) == guid) return {200, by_id_.at(id)};
  }
  return rest_error(404, 40403, fmt::format("Schema {} not found", guid));
}

rest_answer store::on_subjects(const rest_request& to, const std::vector<std::string>& path) {
  const bool deleted_too = says(to.query, "deleted=true") || says(to.query, "deleted=True");
  if (path.size() == 1) {
    if (to.method != "GET") return not_allowed();
    json names = json::array();
    for (const auto& [subject, versions] : subjects_) {
      if (seen(subject, deleted_too) != nullptr) names.push_back(subject);
    }
    return {200, std::move(names)};
  }
  if (path.size() == 2) {
    if (to.method == "POST") return look_up(to, path[1]);
    return to.method == "DELETE" ? remove_subject(path[1], says(to.query, "permanent=true")) : not_allowed();
  }
  if (path[2] != "versions" || path.size() > 4) return not_found();
  if (path.size() == 3 && to.method == "POST") return register_schema(to, path[1]);
  if (path.size() == 4 && to.method == "DELETE") return remove_version(path[1], path[3]);
  if (to.method != "GET") return not_allowed();
  if (path.size() == 4) return version(path[1], path[3], deleted_too);
  const versions* const found = seen(path[1], deleted_too);
  if (found == nullptr) return no_subject(path[1]);
  json numbers = json::array();
  for (std::size_t i = 0; i < found->size(); ++i) {
    if (deleted_too || !(*found)[i].deleted) numbers.push_back(i + 1);
  }
  return {200, std::move(numbers)};
}

const store::versions* store::seen(const std::string& subject, bool deleted_too) const {
  const auto found = subjects_.find(subject);
  if (found == subjects_.end()) return nullptr;
  const bool any = std::any_of(found->second.begin(), found->second.end(),
                               [&](const entry& each) { return deleted_too || !each.deleted; });
  return any ? &found->second : nullptr;
}

bool store::has(const std::string& subject, std::int32_t version, bool deleted_too) const {
  const versions* const found = seen(subject, deleted_too);
  return found != nullptr && version >= 1 && static_cast<std::size_t>(version) <= found->size() &&
         (deleted_too || !(*found)[static_cast<std::size_t>(version) - 1].deleted);
}

bool store::references_exist(const schema& of) const {
  if (!of.contains("references")) return true;
  for (const json& each : of["references"]) {
    if (!each.is_object() || !each.contains("subject") || !each.contains("version")) return false;
    const auto subject = each["subject"].get<std::string>();
    const auto version = each["version"].get<std::int32_t>();
    const auto elsewhere = qualified(subject);
    const store* const where = elsewhere ? all_.known(elsewhere->first) : this;
    if (where == nullptr || !where->has(elsewhere ? elsewhere->second : subject, version, false))
      return false;
  }
  return true;
}

rest_answer store::on_compatibility(const rest_request& to, const std::vector<std::string>& path) {
  if (path.size() < 4 || path[1] != "subjects" || path[3] != "versions") return not_found();
  if (to.method != "POST") return not_allowed();
  if (seen(path[2], false) == nullptr) return no_subject(path[2]);
  const auto refused = incompatible_.find(path[2]);
  json out{{"is_compatible", refused == incompatible_.end()}};
  if (says(to.query, "verbose=true")) {
    out["messages"] = refused == incompatible_.end() ? json::array() : json::array({refused->second});
  }
  return {200, std::move(out)};
}

rest_answer store::remove_subject(const std::string& subject, bool permanent) {
  const auto found = subjects_.find(subject);
  if (found == subjects_.end()) return no_subject(subject);
  json numbers = json::array();
  for (std::size_t i = 0; i < found->second.size(); ++i) {
    found->second[i].deleted = true;
    numbers.push_back(i + 1);
  }
  if (permanent) subjects_.erase(found);
  return {200, std::move(numbers)};
}

rest_answer store::remove_version(const std::string& subject, const std::string& which) {
  const std::optional<std::int32_t> wanted = number(which);
  if (!wanted || !has(subject, *wanted, false))
    return rest_error(404, 40402, fmt::format("Version {} not found.", which));
  subjects_[subject][static_cast<std::size_t>(*wanted) - 1].deleted = true;
  return {200, *wanted};
}

rest_answer store::register_schema(const rest_request& to, const std::string& subject) {
  const json body = json::parse(to.body, nullptr, false);
  if (body.is_discarded()) return rest_error(400, 400, "Unrecognized token: the request body is not JSON");
  std::optional<schema> what = schema_of(body);
  if (!what) return invalid_schema("Empty schema");
  if (!references_exist(*what)) return invalid_schema("a reference does not exist");
  if (says(to.query, "normalize=true") || says(to.query, "normalize=True")) normalize(*what);
  if (const auto refused = incompatible_.find(subject); refused != incompatible_.end()) {
    return rest_error(409, 409,
                      "Schema being registered is incompatible with an earlier schema for subject \"" +
                          subject + "\", details: [" + refused->second + "]");
  }
  const std::optional<registered_schema> added = add(subject, *what);
  if (!added) return invalid_schema((*what)["schema"].get_ref<const std::string&>().substr(0, 200));
  return {200, json{{"id", added->id}}};
}

rest_answer store::look_up(const rest_request& to, const std::string& subject) {
  const json body = json::parse(to.body, nullptr, false);
  if (body.is_discarded()) return rest_error(400, 400, "Unrecognized token: the request body is not JSON");
  const versions* const found = seen(subject, false);
  if (found == nullptr) return no_subject(subject);
  std::optional<schema> what = schema_of(body);
  if (what && (says(to.query, "normalize=true") || says(to.query, "normalize=True"))) normalize(*what);
  const std::optional<std::string> identity = what ? identity_of(*what) : std::nullopt;
  if (!identity) return invalid_schema("cannot be parsed");
  for (std::size_t i = 0; i < found->size(); ++i) {
    if ((*found)[i].identity == *identity && !(*found)[i].deleted)
      return version(subject, std::to_string(i + 1), false);
  }
  return rest_error(404, 40403, "Schema not found");
}

rest_answer store::version(const std::string& subject, const std::string& which, bool deleted_too) const {
  const versions* const found = seen(subject, deleted_too);
  if (found == nullptr) return no_subject(subject);
  std::optional<std::int32_t> wanted = number(which);
  if (which == "latest" || wanted == -1) {
    wanted = static_cast<std::int32_t>(found->size());
    while (*wanted > 1 && !has(subject, *wanted, deleted_too)) --*wanted;
  }
  if (!wanted || *wanted < 1) {
    return rest_error(
        422, 42202,
        fmt::format("The specified version '{}' is not a valid version id. Allowed values are between "
                    "[1, 2^31-1] and the string \"latest\"",
                    which));
  }
  if (!has(subject, *wanted, deleted_too))
    return rest_error(404, 40402, fmt::format("Version {} not found.", *wanted));
  const entry& at = (*found)[static_cast<std::size_t>(*wanted) - 1];
  json out{{"subject", subject}, {"version", *wanted}, {"id", at.id}};
  out.update(by_id_.at(at.id));
  out["guid"] = guid_of(at.identity);
  return {200, std::move(out)};
}

}  // namespace millrace::emulators::registry
