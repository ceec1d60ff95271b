// YAML to a tree of our own: positions kept, duplicate keys found, size bounded. Types are none of its
// business: every scalar is text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/config/diagnostic.h>

namespace millrace::config {

// Counted from 0, in bytes of the line.
struct position {
  std::size_t line = 0;
  std::size_t column = 0;
};

enum class source : std::uint8_t { file, environment, flag };

struct raw_entry;

// A value as it was written. Its text is wiped when it goes away: it may be a secret.
struct raw_value {
  enum class form : std::uint8_t { empty, scalar, list, map };

  raw_value() = default;
  raw_value(const raw_value&) = default;
  raw_value(raw_value&&) noexcept = default;
  raw_value& operator=(const raw_value&) = default;
  raw_value& operator=(raw_value&&) noexcept = default;
  ~raw_value();

  [[nodiscard]] raw_entry* find(std::string_view key);

  form is = form::empty;
  bool quoted = false;
  std::string text;
  std::vector<raw_value> items;
  std::vector<raw_entry> entries;
  position at;
  source from = source::file;
  std::string name;  // of the variable or flag it came from
};

struct raw_entry {
  std::string key;
  position at;
  raw_value value;
};

struct yaml_problem {
  problem code;
  std::string message;
  std::string help;
  position at;
  std::size_t width = 1;
};

struct yaml_document {
  raw_value root;
  std::vector<yaml_problem> problems;
  bool readable = true;  // false: the root is not to be used
};

// Never throws. Bounds as in load.h.
[[nodiscard]] yaml_document parse_yaml(const std::string& text);

}  // namespace millrace::config
