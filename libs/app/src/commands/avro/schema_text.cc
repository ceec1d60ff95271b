#include "schema_text.h"

#include <charconv>
#include <span>

#include <millrace/avro/byte_stream.h>

namespace millrace::app::avro_commands {
namespace {

// Steps over JSON text just far enough to find a place in it. Keeps no stack: skips by counting brackets.
class json_walk {
 public:
  explicit json_walk(std::string_view text) : text_(text) { skip_space(); }

  [[nodiscard]] std::size_t at() const { return at_; }

  // To the value of a key of the object at hand.
  [[nodiscard]] bool enter(std::string_view key) {
    if (!take('{')) return false;
    while (peek() == '"') {
      const std::size_t start = at_ + 1;
      if (!skip_string()) return false;
      const std::string_view name = text_.substr(start, at_ - start - 1);
      skip_space();
      if (!take(':')) return false;
      if (name == key) return true;
      if (!skip_value() || !take(',')) return false;
    }
    return false;
  }
  // To an item of the array at hand.
  [[nodiscard]] bool enter(std::size_t index) {
    if (!take('[')) return false;
    for (std::size_t i = 0; i < index; ++i) {
      if (!skip_value() || !take(',')) return false;
    }
    return peek() != ']' && at_ < text_.size();
  }

 private:
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || (text_[at_] >= '\t' && text_[at_] <= '\r'))) ++at_;
  }
  [[nodiscard]] bool take(char wanted) {
    if (peek() != wanted) return false;
    ++at_;
    skip_space();
    return true;
  }
  [[nodiscard]] bool skip_string() {
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\') {
        ++at_;
      } else if (text_[at_] == '"') {
        ++at_;
        return true;
      }
    }
    return false;
  }
  [[nodiscard]] bool skip_value() {
    std::size_t depth = 0;
    do {
      const char c = peek();
      if (c == '"') {
        if (!skip_string()) return false;
      } else if (c == '{' || c == '[') {
        ++depth;
        ++at_;
      } else if (c == '}' || c == ']') {
        if (depth == 0) return false;
        --depth;
        ++at_;
      } else if (c == '\0') {
        return false;
      } else if (c == ',' || c == ':') {
        if (depth == 0) return false;
        ++at_;
      } else {
        while (at_ < text_.size() &&
               std::string_view(" \t\r\n,:[]{}\"").find(text_[at_]) == std::string_view::npos)
          ++at_;
      }
      skip_space();
    } while (depth > 0);
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

[[nodiscard]] text_place place_of(std::string_view text, std::size_t offset) {
  text_place place{1, 1};
  for (const char c : text.substr(0, offset)) {
    if (c == '\n') {
      ++place.line;
      place.column = 1;
    } else if ((static_cast<unsigned char>(c) & 0xC0U) != 0x80) {
      ++place.column;  // characters, not bytes
    }
  }
  return place;
}

// The path in front of an error's message: "$.fields[0]: why".
[[nodiscard]] std::string_view path_of(std::string_view message) {
  if (!message.starts_with('$')) return {};
  return message.substr(0, message.find(": "));
}

// "visit.avsc:3:7: message".
[[nodiscard]] error located(const std::string& file, std::string_view text, const error& failure) {
  const auto place = find_place(text, path_of(failure.message()));
  return failure.in(place ? file + ":" + std::to_string(place->line) + ":" + std::to_string(place->column)
                          : file);
}

}  // namespace

std::optional<text_place> find_place(std::string_view json, std::string_view path) {
  if (!path.starts_with('$')) return std::nullopt;
  path.remove_prefix(1);
  json_walk walk(json);
  std::size_t reached = walk.at();
  if (reached >= json.size()) return std::nullopt;
  while (!path.empty()) {
    bool entered = false;
    if (path.starts_with('[')) {
      std::size_t index = 0;
      const auto [end, failed] = std::from_chars(path.data() + 1, path.data() + path.size(), index);
      if (failed != std::errc() || end == path.data() + path.size() || *end != ']') break;
      path.remove_prefix(static_cast<std::size_t>(end - path.data()) + 1);
      entered = walk.enter(index);
    } else {
      path.remove_prefix(1);
      const std::string_view key = path.substr(0, path.find_first_of(".["));
      path.remove_prefix(key.size());
      entered = walk.enter(key);
    }
    if (!entered) break;
    reached = walk.at();
  }
  return place_of(json, reached);
}

result<std::string> read_text(const std::string& file) {
  const auto unusable = [](const error& why) { return error(errc::config_invalid, why.message()); };
  auto input = avro::open_file(file);
  if (!input) return unusable(input.error());
  constexpr std::size_t step = std::size_t{64} << 10;
  std::string text;
  for (;;) {
    const std::size_t have = text.size();
    text.resize(have + step);
    auto got = (*input)->read(std::as_writable_bytes(std::span(text).subspan(have)));
    if (!got) return unusable(got.error());
    text.resize(have + *got);
    if (*got == 0) return text;
    if (text.size() > file_bytes_max) {
      return error(errc::config_invalid, file + ": larger than " + std::to_string(file_bytes_max) + " bytes");
    }
  }
}

result<avro::schema> load_schema(const std::string& file, const std::vector<std::string>& references) {
  std::vector<avro::schema> known;
  for (const std::string& reference : references) {
    auto text = read_text(reference);
    if (!text) return std::move(text).error();
    auto parsed = avro::schema::parse(*text, known);
    if (!parsed) return located(reference, *text, parsed.error());
    known.push_back(*std::move(parsed));
  }
  auto text = read_text(file);
  if (!text) return std::move(text).error();
  auto parsed = avro::schema::parse(*text, known);
  if (!parsed) return located(file, *text, parsed.error());
  return parsed;
}

}  // namespace millrace::app::avro_commands
