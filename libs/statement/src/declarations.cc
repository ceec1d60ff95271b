#include <cctype>

#include <millrace/base/assert.h>
#include <millrace/statement/declarations.h>

namespace millrace::statements {
namespace {

thread_local declarations* collector = nullptr;

declarations& active_collector() noexcept {
  invariant(collector != nullptr,
            "statements and outputs are members of a processor that the engine constructs");
  return *collector;
}

[[nodiscard]] std::string lower(std::string_view word) {
  std::string text(word);
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

[[nodiscard]] std::string_view next_word(std::string_view& rest) {
  constexpr std::string_view separators = " \t\r\n(";
  const auto begin = rest.find_first_not_of(separators);
  if (begin == std::string_view::npos) return rest = {};
  rest.remove_prefix(begin);
  const auto end = rest.find_first_of(separators);
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(word.size());
  return word;
}

// "INSERT INTO ks.visit (…" → "insert visit"; "SELECT a, b FROM t …" → "select t".
[[nodiscard]] std::string short_name(std::string_view cql) {
  std::string_view rest = cql;
  std::string verb = lower(next_word(rest));
  if (verb == "update") return verb + " " + std::string(next_word(rest));
  for (std::string_view word = next_word(rest); !word.empty(); word = next_word(rest)) {
    const std::string keyword = lower(word);
    if (keyword == "into" || keyword == "from") {
      std::string_view table = next_word(rest);
      if (const auto dot = table.find('.'); dot != std::string_view::npos) table.remove_prefix(dot + 1);
      return verb + " " + std::string(table);
    }
  }
  return verb;
}

}  // namespace

declaration_scope::declaration_scope(declarations& into) noexcept : previous_(collector) {
  collector = &into;
}
declaration_scope::~declaration_scope() { collector = previous_; }

statement_declaration::statement_declaration(std::string cql, statement_options options)
    : cql_(std::move(cql)),
      name_(short_name(cql_)),
      text_(statement_text::of(cql_)),
      options_(std::move(options)) {
  active_collector().statements.push_back(this);
}

lookup_declaration::lookup_declaration(std::string name) : name_(std::move(name)) {
  active_collector().lookups.push_back(this);
}

output_declaration::output_declaration(std::string name) : name_(std::move(name)), topic_(name_) {
  active_collector().outputs.push_back(this);
}

}  // namespace millrace::statements
