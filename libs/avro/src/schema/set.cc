// Texts that use each other's types: each is parsed once all that it uses are.
#include <optional>

#include <millrace/avro/schema.h>

namespace millrace::avro {
namespace {

[[nodiscard]] result<void> check_size(std::span<const std::string_view> texts, const limits& limit) {
  std::size_t bytes = 0;
  for (const std::string_view text : texts) bytes += text.size();
  if (bytes > limit.schema_text_bytes_max) {
    return error(errc::limit_exceeded, "schema texts of " + std::to_string(bytes) + " bytes, limit " +
                                           std::to_string(limit.schema_text_bytes_max));
  }
  if (texts.size() > schema_set_texts_max) {
    return error(errc::limit_exceeded, std::to_string(texts.size()) + " schema texts, limit " +
                                           std::to_string(schema_set_texts_max));
  }
  return {};
}

}  // namespace

result<std::vector<schema>> schema::parse_set(std::span<const std::string_view> texts,
                                              const parse_options& options) {
  if (auto checked = check_size(texts, options.limits); !checked) return checked.error();
  std::vector<std::optional<schema>> parsed(texts.size());
  std::vector<schema> known;
  // A round parses what it can; every round but the last parses one at least.
  for (std::size_t before = SIZE_MAX; known.size() < texts.size() && before != known.size();) {
    before = known.size();
    std::optional<error> first;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (parsed[i]) continue;
      auto made = parse(texts[i], known, options);
      if (made) {
        known.push_back(*made);
        parsed[i] = *std::move(made);
      } else if (!first) {
        first = made.error().in("text " + std::to_string(i));
      }
    }
    if (before == known.size() && first) return *std::move(first);
  }
  std::vector<schema> all;
  for (std::optional<schema>& one : parsed) {
    if (one) all.push_back(*std::move(one));
  }
  return all;
}

}  // namespace millrace::avro
