#include "codegen/names.h"

#include <algorithm>

namespace millrace::avro {
namespace {

constexpr std::size_t comment_columns = 100;

[[nodiscard]] bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

[[nodiscard]] bool is_taken(std::string_view name) {
  static const std::set<std::string_view> words = {
      // keywords and alternative tokens
      "alignas", "alignof", "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break", "case",
      "catch", "char", "char8_t", "char16_t", "char32_t", "class", "compl", "concept", "const", "consteval",
      "constexpr", "constinit", "const_cast", "continue", "co_await", "co_return", "co_yield", "decltype",
      "default", "delete", "do", "double", "dynamic_cast", "else", "enum", "explicit", "export", "extern",
      "false", "float", "for", "friend", "goto", "if", "inline", "int", "long", "mutable", "namespace", "new",
      "noexcept", "not", "not_eq", "nullptr", "operator", "or", "or_eq", "private", "protected", "public",
      "register", "reinterpret_cast", "requires", "return", "short", "signed", "sizeof", "static",
      "static_assert", "static_cast", "struct", "switch", "template", "this", "thread_local", "throw", "true",
      "try", "typedef", "typeid", "typename", "union", "unsigned", "using", "virtual", "void", "volatile",
      "wchar_t", "while", "xor", "xor_eq",
      // macros of the standard headers and the platform
      "NULL", "EOF", "NAN", "INFINITY", "HUGE_VAL", "DOMAIN", "SING", "OVERFLOW", "UNDERFLOW", "errno",
      "assert", "stdin", "stdout", "stderr", "linux", "unix", "major", "minor", "signbit", "isnan", "isinf",
      "offsetof",
      // what the generated code says
      "std", "millrace"};
  return words.contains(name);
}

// Unicode's bidirectional controls make source read other than it compiles (CVE-2021-42574).
[[nodiscard]] bool is_bidi_control(std::string_view text, std::size_t at) {
  if (text.substr(at, 2) == "\xE2\x80" && at + 2 < text.size()) {
    const auto third = static_cast<unsigned char>(text[at + 2]);
    return (third >= 0xAA && third <= 0xAE) || third == 0x8E || third == 0x8F || third == 0xA8 ||
           third == 0xA9;
  }
  if (text.substr(at, 2) == "\xE2\x81" && at + 2 < text.size()) {
    const auto third = static_cast<unsigned char>(text[at + 2]);
    return third >= 0xA6 && third <= 0xA9;
  }
  return false;
}

}  // namespace

std::string identifier(std::string_view name) {
  std::string made;
  for (const char c : name) made.push_back(is_word(c) ? c : '_');
  const bool digit_first = !made.empty() && made[0] >= '0' && made[0] <= '9';
  if (made.empty() || digit_first) made.insert(0, "_");
  // Names of the implementation: two underscores, or one and a capital.
  if (made.find("__") != std::string::npos ||
      (made.size() > 1 && made[0] == '_' && made[1] >= 'A' && made[1] <= 'Z')) {
    made.insert(0, "x");
    for (auto at = made.find("__"); at != std::string::npos; at = made.find("__")) made.replace(at, 2, "_u");
  }
  if (is_taken(made)) made.push_back('_');
  return made;
}

bool is_identifier(std::string_view name) { return !name.empty() && identifier(name) == name; }

std::string unique(std::string name, std::set<std::string>& taken) {
  // A second underscore in a row would be the implementation's.
  for (int n = 2; taken.contains(name); ++n) {
    if (n == 2 && name.back() != '_') {
      name.push_back('_');
    } else {
      name += std::to_string(n);
    }
  }
  taken.insert(name);
  return name;
}

std::string literal(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F && c != '"' && c != '\\' && c != '?') {
      quoted.push_back(c);
    } else {
      quoted.push_back('\\');
      for (const unsigned shift : {6U, 3U, 0U})
        quoted.push_back(static_cast<char>('0' + ((byte >> shift) & 7U)));
    }
  }
  return quoted + "\"";
}

std::string comment(std::string_view text, std::string_view indent) {
  std::string clean;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (is_bidi_control(text, i)) {
      i += 2;
      clean.push_back(' ');
    } else if (text[i] == '\n') {
      clean.push_back('\n');
    } else {
      // A backslash at the end of a line (or its trigraph) would pull the next line into the comment.
      clean.push_back(byte < 0x20 || byte == 0x7F ? ' ' : text[i] == '\\' ? '/' : text[i]);
    }
  }
  std::string out;
  std::size_t at = 0;
  while (at < clean.size()) {
    std::size_t end = clean.find('\n', at);
    if (end == std::string::npos) end = clean.size();
    const std::size_t room = comment_columns - std::min(indent.size(), comment_columns / 2);
    std::size_t next = end + 1;
    if (end - at > room) {
      const std::size_t space = clean.rfind(' ', at + room);
      if (space != std::string::npos && space > at) {
        end = space;
        next = space + 1;
      }
    }
    std::string line = clean.substr(at, end - at);
    while (!line.empty() && line.back() == ' ') line.pop_back();
    if (line.ends_with("\?\?/")) line += " .";
    out += indent;
    out += line.empty() ? "//" : "// " + line;
    out += "\n";
    at = next;
  }
  return out;
}

}  // namespace millrace::avro
