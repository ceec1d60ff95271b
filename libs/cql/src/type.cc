#include <algorithm>
#include <optional>
#include <utility>

#include <millrace/cql/type.h>

namespace millrace::cql {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

error malformed(std::string_view text) {
  return {errc::malformed, "'" + std::string(text) + "' is not a CQL type"};
}

// Where the first parameter of `list` ends: at a comma outside of angle brackets, or at its end.
std::size_t parameter_end(std::string_view list) {
  int depth = 0;
  for (std::size_t at = 0; at < list.size(); ++at) {
    if (list[at] == '<') ++depth;
    if (list[at] == '>') --depth;
    if (list[at] == ',' && depth == 0) return at;
  }
  return list.size();
}

// Takes the first parameter off the front of `list`; nothing is left when `list` becomes nullopt.
std::string_view take_parameter(std::optional<std::string_view>& list) {
  const std::size_t end = parameter_end(*list);
  const std::string_view first = trimmed(list->substr(0, end));
  if (end == list->size())
    list.reset();
  else
    list->remove_prefix(end + 1);
  return first;
}

// "street name text": the type is what follows the last space outside of angle brackets.
std::pair<std::string_view, std::string_view> name_and_type(std::string_view field) {
  const std::size_t open = std::min(field.find('<'), field.size());
  const std::size_t space = field.substr(0, open).find_last_of(' ');
  if (space == std::string_view::npos) return {{}, field};
  return {trimmed(field.substr(0, space)), field.substr(space + 1)};
}

result<type> parse_type(std::string_view text, std::size_t depth) {
  text = trimmed(text);
  const std::size_t open = text.find('<');
  type out{.name = std::string(trimmed(text.substr(0, open))), .parameters = {}};
  if (out.name.empty() || depth > type_depth_max) return malformed(text);
  if (out.name == "varchar") out.name = "text";
  if (open == std::string_view::npos) {
    if (out.name.find_first_of("<>,") != std::string::npos) return malformed(text);
    return out;
  }
  if (text.back() != '>') return malformed(text);
  std::optional<std::string_view> rest = text.substr(open + 1, text.size() - open - 2);
  const bool defined = out.name == "udt";
  if (defined) out.defined_as = std::string(take_parameter(rest));
  while (rest) {
    std::string_view each = take_parameter(rest);
    if (defined) {
      const auto [field, of] = name_and_type(each);
      if (field.empty()) return malformed(text);
      out.fields.emplace_back(field);
      each = of;
    }
    auto parameter = parse_type(each, depth + 1);
    if (!parameter) return parameter.error();
    out.parameters.push_back(std::move(*parameter));
  }
  if (out.name == "frozen") {
    if (out.parameters.size() != 1) return malformed(text);
    type inner = std::move(out.parameters.front());
    return inner;
  }
  return out;
}

}  // namespace

result<type> type::parse(std::string_view text) {
  auto parsed = parse_type(text, 0);
  if (!parsed) return malformed(text);
  return parsed;
}

std::string type::to_string() const {
  std::string text = name;
  if (!defined_as.empty()) text += "<" + defined_as + (parameters.empty() ? ">" : "");
  for (std::size_t k = 0; k < parameters.size(); ++k) {
    text += k == 0 && defined_as.empty() ? "<" : ", ";
    if (k < fields.size()) text += fields[k] + " ";
    text += parameters[k].to_string();
  }
  if (!parameters.empty()) text += ">";
  return text;
}

bool can_read(const type& expected, const type& actual) {
  const std::size_t count = expected.parameters.size();
  const bool defined = expected.is("udt");
  if (expected.name != actual.name || expected.defined_as != actual.defined_as) return false;
  if (defined ? actual.parameters.size() < count : actual.parameters.size() != count) return false;
  if (expected.fields.size() > actual.fields.size() ||
      !std::equal(expected.fields.begin(), expected.fields.end(), actual.fields.begin())) {
    return false;
  }
  return std::equal(expected.parameters.begin(), expected.parameters.end(), actual.parameters.begin(),
                    can_read);
}

}  // namespace millrace::cql
