#include "schema/json.h"

#include <algorithm>

namespace millrace::avro {
namespace {

// The parser below keeps its own stack, but values are walked recursively later.
[[nodiscard]] bool nested_deeper(std::string_view text, std::size_t depth_max) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > depth_max) return true;
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return false;
}

}  // namespace

result<json> parse_json(std::string_view text, std::size_t bytes_max, std::size_t depth_max) {
  if (text.size() > bytes_max) {
    return error(errc::limit_exceeded, "schema text of " + std::to_string(text.size()) + " bytes, limit " +
                                           std::to_string(bytes_max));
  }
  if (nested_deeper(text, depth_max)) {
    return error(errc::limit_exceeded, "schema JSON nests deeper than " + std::to_string(depth_max));
  }
  try {
    return json::parse(text);
  } catch (const json::exception& failure) {
    std::string why = failure.what();
    if (const auto at = why.find("] "); at != std::string::npos) why.erase(0, at + 2);
    if (why.size() > 160) why.resize(160);
    return error(errc::schema_invalid, "$: not JSON: " + in_quotes(why));
  }
}

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

std::string in_quotes(std::string_view name) {
  std::string text = "'";
  for (const char c : name.substr(0, 160)) text.push_back(static_cast<unsigned char>(c) < 0x20 ? '?' : c);
  if (name.size() > 160) text += "...";
  return text + "'";
}

}  // namespace millrace::avro
