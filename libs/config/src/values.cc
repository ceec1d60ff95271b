#include "values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include <millrace/base/suggest.h>
#include <millrace/base/text.h>
#include <millrace/config/load.h>
#include <millrace/config/units.h>

namespace millrace::config {
namespace {

constexpr std::int64_t no_min = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t no_max = std::numeric_limits<std::int64_t>::max();

std::string amount(const type_info& type, std::int64_t value) {
  if (type.kind == kind::duration) return to_text(nanoseconds(value));
  if (type.kind == kind::size) return to_text(byte_size{static_cast<std::uint64_t>(value)});
  return std::to_string(value);
}

std::string limits_text(bool has_min, bool has_max, const std::string& min, const std::string& max) {
  if (has_min && has_max) return " from " + min + " to " + max;
  if (has_min) return " of at least " + min;
  if (has_max) return " of at most " + max;
  return "";
}

std::string limits_of(const type_info& type) {
  // A duration or a size is never negative: 0 as the least needs no mention.
  const std::int64_t silent_min = type.kind == kind::integer ? no_min : 0;
  return limits_text(type.min > silent_min, type.max < no_max, amount(type, type.min),
                     amount(type, type.max));
}

std::variant<scalar, refusal> within_limits(const type_info& type, std::int64_t value) {
  if (value < type.min || value > type.max) return refusal{problem::out_of_range, expectation(type), ""};
  if (value % type.step != 0) {
    return refusal{problem::bad_value, expectation(type),
                   "it is counted in whole units of " + to_text(nanoseconds(type.step))};
  }
  return scalar(value);
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

std::variant<scalar, refusal> parse_integer(const type_info& type, std::string_view text) {
  std::int64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool digits = all_digits(text.starts_with('-') ? text.substr(1) : text);
  if (digits && failed == std::errc::result_out_of_range)
    return refusal{problem::out_of_range, expectation(type), ""};
  if (failed != std::errc() || end != text.data() + text.size()) {
    return refusal{problem::bad_value, expectation(type), ""};
  }
  return within_limits(type, value);
}

std::variant<scalar, refusal> parse_number(const type_info& type, std::string_view text) {
  double value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    return refusal{problem::bad_value, expectation(type), ""};
  }
  if (value < type.number_min || value > type.number_max) {
    return refusal{problem::out_of_range, expectation(type), ""};
  }
  return scalar(value);
}

std::variant<scalar, refusal> parse_boolean(const type_info& type, std::string_view text) {
  for (const std::string_view yes : {"true", "True", "TRUE"}) {
    if (text == yes) return scalar(true);
  }
  for (const std::string_view no : {"false", "False", "FALSE"}) {
    if (text == no) return scalar(false);
  }
  std::string help;
  for (const std::string_view yes : {"yes", "on", "y", "1"}) {
    if (edit_distance(text, yes) == 0) help = "write true";
  }
  for (const std::string_view no : {"no", "off", "n", "0"}) {
    if (edit_distance(text, no) == 0) help = "write false";
  }
  return refusal{problem::bad_value, expectation(type), help};
}

std::variant<scalar, refusal> parse_choice(const type_info& type, std::string_view text) {
  std::vector<std::string> names;
  names.reserve(type.choices.size());
  for (const choice& one : type.choices) {
    if (one.name == text) return scalar(one.value);
    names.push_back(one.name);
  }
  const auto meant = nearest(text, names);
  return refusal{problem::bad_value, expectation(type), meant ? "did you mean `" + *meant + "`?" : ""};
}

std::variant<scalar, refusal> parse_duration_of(const type_info& type, std::string_view text) {
  const auto parsed = parse_duration(text);
  if (parsed) return within_limits(type, parsed->count());
  return refusal{
      problem::bad_value, expectation(type),
      all_digits(text) ? "add a unit: " + std::string(text) + "ms or " + std::string(text) + "s" : ""};
}

std::variant<scalar, refusal> parse_size_of(const type_info& type, std::string_view text) {
  const auto parsed = parse_byte_size(text);
  if (parsed) return within_limits(type, static_cast<std::int64_t>(parsed->bytes));
  return refusal{problem::bad_value, expectation(type), ""};
}

}  // namespace

std::string number_text(double value) {
  std::array<char, 32> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  return {digits.data(), end.ptr};
}

std::string without_credentials(std::string text) {
  const std::size_t scheme = text.find("://");
  const std::size_t at = text.rfind('@');
  if (scheme == std::string::npos || at == std::string::npos || at < scheme) return text;
  return text.replace(scheme + 3, at - scheme - 3, "***");
}

std::string type_name(const type_info& type) {
  switch (type.kind) {
    case kind::text:
      return "text";
    case kind::secret:
      return "secret";
    case kind::integer:
      return "integer";
    case kind::number:
      return "number";
    case kind::boolean:
      return "boolean";
    case kind::duration:
      return "duration";
    case kind::size:
      return "size";
    case kind::choice:
      return "choice";
    case kind::list:
      return "list of " + type_name(*type.item) + "s";
    case kind::map:
      return "map";
    case kind::section:
      return "section";
  }
  return "";
}

std::string range_text(const type_info& type) {
  if (type.item) return range_text(*type.item);
  std::string names;
  for (const choice& one : type.choices) names += (names.empty() ? "`" : ", `") + one.name + "`";
  if (!names.empty()) return names;
  const bool is_number = type.kind == kind::number;
  const bool has_max = is_number ? std::isfinite(type.number_max) : type.max < no_max;
  const bool counts_from_0 = !has_max && (type.kind == kind::duration || type.kind == kind::size);
  const bool has_min = is_number ? std::isfinite(type.number_min) : type.min > (counts_from_0 ? 0 : no_min);
  const std::string min = is_number ? number_text(type.number_min) : amount(type, type.min);
  const std::string max = is_number ? number_text(type.number_max) : amount(type, type.max);
  if (has_min && has_max) return min + " to " + max;
  if (has_max) return "at most " + max;
  return has_min ? "at least " + min : "";
}

std::string expectation(const type_info& type) {
  switch (type.kind) {
    case kind::text:
    case kind::secret:
      return "text";
    case kind::integer:
      return "an integer" + limits_of(type);
    case kind::number:
      return "a number" + limits_text(std::isfinite(type.number_min), std::isfinite(type.number_max),
                                      number_text(type.number_min), number_text(type.number_max));
    case kind::boolean:
      return "true or false";
    case kind::duration:
      return "a duration" + limits_of(type) + ", such as 250ms, 15s or 5m";
    case kind::size:
      return "a size" + limits_of(type) + ", such as 64MiB, 512KiB or 4096";
    case kind::choice: {
      std::string names = "one of ";
      for (std::size_t i = 0; i < type.choices.size(); ++i)
        names += (i == 0 ? "" : ", ") + type.choices[i].name;
      return names;
    }
    case kind::list:
      return "a list";
    case kind::map:
      return "a section of key: value entries";
    case kind::section:
      return "a section";
  }
  return "";
}

std::variant<scalar, refusal> parse_scalar(const type_info& type, std::string_view text) {
  switch (type.kind) {
    case kind::text:
    case kind::secret:
      return scalar(std::string(text));
    case kind::integer:
      return parse_integer(type, text);
    case kind::number:
      return parse_number(type, text);
    case kind::boolean:
      return parse_boolean(type, text);
    case kind::duration:
      return parse_duration_of(type, text);
    case kind::size:
      return parse_size_of(type, text);
    case kind::choice:
      return parse_choice(type, text);
    case kind::list:
    case kind::map:
    case kind::section:
      break;
  }
  return refusal{problem::wrong_type, expectation(type), ""};
}

std::string scalar_text(const type_info& type, const void* member) {
  const scalar value = type.read(member);
  switch (type.kind) {
    case kind::integer:
    case kind::duration:
    case kind::size:
      return amount(type, std::get<std::int64_t>(value));
    case kind::number:
      return number_text(std::get<double>(value));
    case kind::boolean:
      return std::get<bool>(value) ? "true" : "false";
    case kind::choice: {
      const auto found = std::ranges::find(type.choices, std::get<std::int64_t>(value), &choice::value);
      return found == type.choices.end() ? std::to_string(std::get<std::int64_t>(value)) : found->name;
    }
    case kind::text:
      return without_credentials(std::get<std::string>(value));
    case kind::secret:
      return std::get<std::string>(value);
    case kind::list:
    case kind::map:
    case kind::section:
      break;
  }
  return "";
}

std::string yaml_quoted(std::string_view text) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == '/' || c == ':' || c == '+' || c == '@';
  };
  const bool words = !text.empty() && std::ranges::all_of(text, plain) && text.back() != ':' &&
                     text.front() != '-' && text.front() != '@' && text.front() != ':' &&
                     edit_distance(text, "null") != 0;
  if (words) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      quoted += "\\x";
      append_hex(quoted, byte);
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

std::string inline_text(const type_info& type, const void* member) {
  if (type.present != nullptr) {
    member = type.present(member);
    if (member == nullptr) return "";
  }
  if (type.kind != kind::list) return yaml_quoted(scalar_text(type, member));
  std::string text = "[";
  for (std::size_t i = 0; i < type.size(member); ++i) {
    text += (i == 0 ? "" : ", ") + inline_text(*type.item, type.element(member, i));
  }
  return text + "]";
}

}  // namespace millrace::config
