#include <algorithm>
#include <array>

#include <millrace/statement/statement_text.h>
#include <millrace/statement/tokens.h>

namespace millrace::statements {
namespace {

constexpr std::array<std::string_view, 10> volatile_functions{
    "now",          "uuid",         "currenttimestamp",  "currentdate",     "currenttime", "currenttimeuuid",
    "current_date", "current_time", "current_timestamp", "current_timeuuid"};

class reading {
 public:
  explicit reading(std::vector<token> tokens) : tokens_(std::move(tokens)) {}

  statement_text run() {
    if (tokens_.empty()) return {};
    find_command();
    find_table();
    find_name();
    find_wildcard();
    find_clauses();
    if (text_.does == statement_text::verb::insert) {
      name_inserted();
    } else {
      name_compared();
      find_changes_in_place();
    }
    return std::move(text_);
  }

 private:
  using verb = statement_text::verb;

  [[nodiscard]] const token& at(std::size_t index) const noexcept {
    static const token none{};
    return index < tokens_.size() ? tokens_[index] : none;
  }
  [[nodiscard]] std::size_t find_word(std::string_view keyword, std::size_t from = 0) const noexcept {
    while (from < tokens_.size() && !tokens_[from].word(keyword)) ++from;
    return from;
  }

  void find_command() {
    const token& first = tokens_.front();
    if (first.word("select")) text_.does = verb::select;
    if (first.word("insert")) text_.does = verb::insert;
    if (first.word("update")) text_.does = verb::update;
    if (first.word("delete")) text_.does = verb::remove;
  }

  void find_table() {
    if (text_.does == verb::other) return;
    std::size_t place = 0;
    if (text_.does == verb::insert) place = find_word("into");
    if (text_.does == verb::select || text_.does == verb::remove) place = find_word("from");
    if (!at(place + 1).name()) return;
    text_.table = at(place + 1).text;
    if (at(place + 2).symbol('.')) text_.table += "." + at(place + 3).text;
  }

  void find_name() {
    if (!tokens_.front().name()) return;
    text_.name = tokens_.front().text;
    std::size_t place =
        tokens_.front().word("update") ? 1 : std::min(find_word("into"), find_word("from")) + 1;
    if (at(place + 1).symbol('.')) place += 2;
    if (at(place).name()) text_.name += " " + at(place).text;
  }

  // SELECT *, but not count(*).
  void find_wildcard() {
    if (text_.does != verb::select) return;
    int depth = 0;
    for (std::size_t i = 1; i < find_word("from"); ++i) {
      depth += (tokens_[i].symbol('(') ? 1 : 0) - (tokens_[i].symbol(')') ? 1 : 0);
      if (tokens_[i].symbol('*') && depth == 0) text_.selects_all_columns = true;
    }
  }

  void find_clauses() {
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (tokens_[i].is == token::sort::marker) text_.parameters.emplace_back();
      if (tokens_[i].word("if") && text_.writes()) text_.conditional = true;
      if (at(i + 1).symbol('(') && tokens_[i].is == token::sort::word &&
          std::find(volatile_functions.begin(), volatile_functions.end(), tokens_[i].text) !=
              volatile_functions.end()) {
        text_.volatile_function = tokens_[i].text;
      }
    }
    // USING ttl ? AND timestamp ?: ends with SET, WHERE, IF or the statement.
    for (std::size_t i = find_word("using") + 1; i < tokens_.size(); ++i) {
      if (tokens_[i].word("set") || tokens_[i].word("where") || tokens_[i].word("if")) break;
      if (tokens_[i].word("timestamp")) text_.sets_timestamp = true;
      if (tokens_[i].word("ttl")) text_.sets_ttl = true;
    }
  }

  // INSERT INTO t (a, b) VALUES (?, f(?)): the n-th value is the n-th column's when it is a '?' alone.
  void name_inserted() {
    std::vector<std::string> columns;
    std::size_t i = find_word("into");
    while (i < tokens_.size() && !tokens_[i].symbol('(')) ++i;
    for (++i; i < tokens_.size() && !tokens_[i].symbol(')'); ++i) {
      if (tokens_[i].name()) columns.push_back(tokens_[i].text);
    }
    i = find_word("values", i);
    std::size_t column = 0;
    std::size_t parameter = 0;
    int depth = 0;
    for (++i; i < tokens_.size(); ++i) {
      const token& here = tokens_[i];
      if (here.symbol('(') || here.symbol('[') || here.symbol('{')) ++depth;
      if (here.symbol(')') || here.symbol(']') || here.symbol('}')) --depth;
      if (here.symbol(',') && depth == 1) ++column;
      if (here.is != token::sort::marker) continue;
      const bool alone = depth == 1 && (at(i - 1).symbol('(') || at(i - 1).symbol(','));
      if (alone && column < columns.size()) text_.parameters[parameter] = columns[column];
      ++parameter;
    }
  }

  // WHERE a = ?, SET b = ?, also b = b + ? and b = ? + b.
  void name_compared() {
    std::size_t parameter = 0;
    std::string left;
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (tokens_[i].symbol('=')) {
        left = at(i - 1).name() ? at(i - 1).text : std::string();
      } else if (tokens_[i].symbol(',') || tokens_[i].word("and") || tokens_[i].word("where")) {
        left.clear();
      } else if (tokens_[i].is == token::sort::marker) {
        text_.parameters[parameter++] = left;
      }
    }
  }

  [[nodiscard]] std::size_t parameters_before(std::size_t place) const {
    return static_cast<std::size_t>(
        std::count_if(tokens_.begin(), tokens_.begin() + static_cast<std::ptrdiff_t>(place),
                      [](const token& t) { return t.is == token::sort::marker; }));
  }

  void add_change(const std::string& column, std::size_t operand, bool element) {
    statement_text::in_place change;
    change.column = column;
    change.element = element;
    if (at(operand).is == token::sort::marker) {
      change.by = statement_text::in_place::operand::parameter;
      change.parameter = parameters_before(operand);
    } else if (at(operand).symbol('{') ||
               (element && (at(operand).is == token::sort::text || at(operand).is == token::sort::uuid ||
                            at(operand).is == token::sort::blob))) {
      change.by = statement_text::in_place::operand::set_or_map;
    }
    text_.changes_in_place.push_back(change);
  }

  void find_changes_in_place() {
    const bool removes = text_.does == verb::remove;
    if (!removes && text_.does != verb::update) return;
    const std::size_t begin = removes ? 1 : find_word("set") + 1;
    const std::size_t end = find_word(removes ? "from" : "where");
    for (std::size_t i = begin; i < std::min(end, tokens_.size()); ++i) {
      if (!tokens_[i].name()) continue;
      if (at(i + 1).symbol('[')) {
        add_change(tokens_[i].text, i + 2, true);
        while (i < end && i < tokens_.size() && !tokens_[i].symbol(',')) ++i;
        continue;
      }
      const bool assigned = at(i + 1).symbol('=');
      const bool shortened = (at(i + 1).symbol('+') || at(i + 1).symbol('-')) && at(i + 2).symbol('=');
      if (shortened) add_change(tokens_[i].text, i + 3, false);
      if (!assigned) continue;
      // Its own name within its assignment.
      for (std::size_t k = i + 2; k < end && k < tokens_.size() && !at(k).symbol(','); ++k) {
        if (!at(k).name() || at(k).text != tokens_[i].text) continue;
        add_change(tokens_[i].text, k == i + 2 ? k + 2 : i + 2, false);
        break;
      }
    }
  }

  std::vector<token> tokens_;
  statement_text text_;
};

}  // namespace

statement_text statement_text::of(std::string_view cql) { return reading(tokens_of(cql)).run(); }

bool same_table(std::string_view a, std::string_view b) noexcept {
  if (a.empty() || b.empty()) return false;
  const bool both = (a.find('.') == std::string_view::npos) == (b.find('.') == std::string_view::npos);
  if (both) return a == b;
  const auto bare = [](std::string_view name) { return name.substr(name.find('.') + 1); };
  return bare(a) == bare(b);
}

}  // namespace millrace::statements
