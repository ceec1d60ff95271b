// The registry's content and its REST semantics, without HTTP. Not thread-safe: its owner locks.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "millrace/testkit/registry_double.h"

namespace millrace::testkit::registry {

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

class store {
 public:
  rest_answer answer(const rest_request& to);
  // Nothing when the text is not JSON although its type says so.
  std::optional<registered_schema> add(const std::string& subject, const nlohmann::ordered_json& schema);
  void put(std::int32_t id, nlohmann::ordered_json schema);

 private:
  using schema = nlohmann::ordered_json;  // {"schema": text, "schemaType": …, "references": …}

  struct entry {
    std::int32_t id = 0;
    std::string identity;
  };

  rest_answer on_schemas(const rest_request& to, const std::vector<std::string>& path);
  rest_answer on_subjects(const rest_request& to, const std::vector<std::string>& path);
  rest_answer register_schema(const rest_request& to, const std::string& subject);
  rest_answer look_up(const rest_request& to, const std::string& subject);
  rest_answer version(const std::string& subject, const std::string& which) const;
  [[nodiscard]] nlohmann::ordered_json uses_of(std::int32_t id) const;
  // What two equal schemas share; nothing when the text is invalid.
  [[nodiscard]] static std::optional<std::string> identity_of(const schema& of);

  std::map<std::int32_t, schema> by_id_;
  std::map<std::string, std::int32_t, std::less<>> ids_;  // by identity
  std::map<std::string, std::vector<entry>, std::less<>> subjects_;
  std::int32_t last_id_ = 0;
};

}  // namespace millrace::testkit::registry
