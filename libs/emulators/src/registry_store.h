// The registry's content and its REST semantics, without HTTP. Not thread-safe: its owner locks.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "millrace/emulators/registry_double.h"

namespace millrace::emulators::registry {

struct rest_request {
  std::string method;
  std::string path;  // as sent, without the query
  std::string query;
  std::string body;
};
struct rest_answer {
  int status = 200;
  nlohmann::ordered_json body;
};

[[nodiscard]] rest_answer rest_error(int status, int code, std::string message);

// The schemas of all contexts: /contexts/NAME/... and subjects of the form ":NAME:subject" lead into one.
class store;
class contexts {
 public:
  contexts();
  ~contexts();
  rest_answer answer(const rest_request& to);
  [[nodiscard]] store& at(const std::string& context);
  // nullptr when there is none.
  [[nodiscard]] store* known(const std::string& context);

 private:
  std::map<std::string, store, std::less<>> stores_;
};

// One context.
class store {
 public:
  explicit store(contexts& all) : all_(all) {}

  rest_answer answer(const rest_request& to, std::vector<std::string> path);
  // Nothing when the text is not JSON although its type says so.
  std::optional<registered_schema> add(const std::string& subject, const nlohmann::ordered_json& schema);
  void put(std::int32_t id, nlohmann::ordered_json schema);
  // Refuses what comes next for this subject as incompatible; "": no longer.
  void set_incompatible(const std::string& subject, std::string why);
  rest_answer remove_subject(const std::string& subject, bool permanent);
  [[nodiscard]] std::string guid(std::int32_t id) const;
  [[nodiscard]] bool has(const std::string& subject, std::int32_t version, bool deleted_too) const;

 private:
  using schema = nlohmann::ordered_json;  // {"schema": text, "schemaType": …, "references": …, "ruleSet": …}

  struct entry {
    std::int32_t id = 0;
    std::string identity;
    bool deleted = false;
  };
  using versions = std::vector<entry>;

  rest_answer on_schemas(const rest_request& to, const std::vector<std::string>& path);
  rest_answer by_guid(const std::string& guid) const;
  rest_answer on_subjects(const rest_request& to, const std::vector<std::string>& path);
  rest_answer on_compatibility(const rest_request& to, const std::vector<std::string>& path);
  rest_answer register_schema(const rest_request& to, const std::string& subject);
  rest_answer look_up(const rest_request& to, const std::string& subject);
  rest_answer version(const std::string& subject, const std::string& which, bool deleted_too) const;
  rest_answer remove_version(const std::string& subject, const std::string& which);
  // nullptr when no version of it is left to see.
  [[nodiscard]] const versions* seen(const std::string& subject, bool deleted_too) const;
  [[nodiscard]] bool references_exist(const schema& of) const;
  [[nodiscard]] nlohmann::ordered_json uses_of(std::int32_t id) const;
  // What two equal schemas share; nothing when the text is invalid.
  [[nodiscard]] static std::optional<std::string> identity_of(const schema& of);

  contexts& all_;
  std::map<std::int32_t, schema> by_id_;
  std::map<std::string, std::int32_t, std::less<>> ids_;  // by identity
  std::map<std::string, versions, std::less<>> subjects_;
  std::map<std::string, std::string, std::less<>> incompatible_;  // why, by subject
  std::int32_t last_id_ = 0;
};

// A schema's GUID: of its identity, so that it is the same in every context.
[[nodiscard]] std::string guid_of(std::string_view identity);

}  // namespace millrace::emulators::registry
