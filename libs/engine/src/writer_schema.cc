#include "writer_schema.h"

#include <string_view>
#include <utility>
#include <vector>

namespace millrace::engine {

result<avro::schema> parse_writer(const stream::schema_document& from, bool check_defaults) {
  const avro::parse_options options{.limits = {}, .check_defaults = check_defaults};
  if (from.references.empty()) return avro::schema::parse(from.text, options);
  std::vector<std::string_view> texts(from.references.begin(), from.references.end());
  texts.emplace_back(from.text);
  auto parsed = avro::schema::parse_set(texts, options);
  if (!parsed) return parsed.error();
  return std::move(parsed->back());
}

}  // namespace millrace::engine
