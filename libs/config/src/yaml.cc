#include "yaml.h"

#include <algorithm>
#include <array>
#include <map>
#include <sstream>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <millrace/base/assert.h>
#include <millrace/base/secret.h>
#include <millrace/config/load.h>

namespace millrace::config {
namespace {

// Ends the parse from inside an event; never leaves parse_yaml().
struct stop_parsing {
  yaml_problem why;
};

position at(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {static_cast<std::size_t>(std::max(mark.line, 0)),
          static_cast<std::size_t>(std::max(mark.column, 0))};
}

std::size_t count_values(const raw_value& value) {
  std::size_t count = 1;
  for (const raw_value& item : value.items) count += count_values(item);
  for (const raw_entry& entry : value.entries) count += count_values(entry.value);
  return count;
}

std::size_t count_text(const raw_value& value) {
  std::size_t bytes = value.text.size();
  for (const raw_value& item : value.items) bytes += count_text(item);
  for (const raw_entry& entry : value.entries) bytes += entry.key.size() + count_text(entry.value);
  return bytes;
}

// Whether the quoted text that starts here ends: yaml-cpp 0.7 takes the end of the file for a closing quote.
bool is_closed(std::string_view quoted) {
  const char quote = quoted.empty() ? '\0' : quoted.front();
  if (quote != '"' && quote != '\'') return true;
  for (std::size_t i = 1; i < quoted.size(); ++i) {
    if (quoted[i] == '\\' && quote == '"') {
      ++i;
    } else if (quoted[i] == quote) {
      if (quote == '"' || quoted.substr(i + 1, 1) != "'") return true;
      ++i;  // '' is a quote inside the text
    }
  }
  return false;
}

class tree_builder final : public YAML::EventHandler {
 public:
  tree_builder(std::string_view text, yaml_document& into) : into_(into), lines_{text} {
    for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n', end + 1)) {
      lines_.push_back(text.substr(end + 1));
    }
  }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    begin(mark, anchor, raw_value::form::empty);
    end();
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    charge_text(mark, value.size());
    const position start = at(mark);
    if (start.line < lines_.size() && start.column < lines_[start.line].size() &&
        !is_closed(lines_[start.line].substr(start.column))) {
      throw stop_parsing{{problem::bad_syntax, "not valid YAML: a quoted text is not closed", "", start}};
    }
    if (expects_key()) {
      take_key(mark, value);
      return;
    }
    raw_value& scalar = begin(mark, anchor, raw_value::form::scalar);
    scalar.text = value;
    scalar.quoted = tag == "!";
    end();
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      throw stop_parsing{{problem::bad_syntax, "an alias refers to a value that contains it", "", at(mark)}};
    }
    charge_values(mark, count_values(found->second));
    charge_text(mark, count_text(found->second));
    if (open_.size() + depth_of(found->second) > nesting_max) too_deep(mark);
    raw_value& copy = begin(mark, 0, raw_value::form::empty);
    copy = found->second;
    copy.at = at(mark);
    end();
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    begin(mark, anchor, raw_value::form::list);
  }
  void OnSequenceEnd() override { end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    begin(mark, anchor, raw_value::form::map);
  }
  void OnMapEnd() override { end(); }

 private:
  struct open_value {
    raw_value value;
    YAML::anchor_t anchor = 0;
    std::optional<std::pair<std::string, position>> key;  // of a map: the key whose value comes next
  };

  [[nodiscard]] bool expects_key() const {
    return !open_.empty() && open_.back().value.is == raw_value::form::map && !open_.back().key;
  }

  void take_key(const YAML::Mark& mark, const std::string& key) {
    open_value& map = open_.back();
    if (const raw_entry* first = map.value.find(key)) {
      into_.problems.push_back(
          {problem::duplicate_key, "`" + key + "` is set twice in one section",
           "the first is in line " + std::to_string(first->at.line + 1) + "; keep one of them", at(mark),
           key.size()});
    }
    map.key.emplace(key, at(mark));
  }

  raw_value& begin(const YAML::Mark& mark, YAML::anchor_t anchor, raw_value::form form) {
    if (expects_key()) {
      throw stop_parsing{{problem::bad_syntax, "a key must be plain text", "", at(mark)}};
    }
    charge_values(mark, 1);
    if (open_.size() >= nesting_max) too_deep(mark);
    open_value& opened = open_.emplace_back();
    opened.anchor = anchor;
    opened.value.is = form;
    opened.value.at = at(mark);
    return opened.value;
  }

  void end() {
    open_value done = std::move(open_.back());
    open_.pop_back();
    if (done.anchor != 0) anchors_.insert_or_assign(done.anchor, done.value);
    if (open_.empty()) {
      into_.root = std::move(done.value);
    } else if (open_value& parent = open_.back(); parent.value.is == raw_value::form::list) {
      parent.value.items.push_back(std::move(done.value));
    } else {
      invariant(parent.key.has_value(), "a map's value follows its key");
      auto [key, key_at] = std::move(*parent.key);
      parent.key.reset();
      if (parent.value.find(key) == nullptr) {
        parent.value.entries.push_back({std::move(key), key_at, std::move(done.value)});
      }
    }
  }

  static std::size_t depth_of(const raw_value& value) {
    std::size_t deepest = 0;
    for (const raw_value& item : value.items) deepest = std::max(deepest, depth_of(item));
    for (const raw_entry& entry : value.entries) deepest = std::max(deepest, depth_of(entry.value));
    return deepest + 1;
  }

  void charge_values(const YAML::Mark& mark, std::size_t count) {
    values_ += count;
    if (values_ <= values_max) return;
    throw stop_parsing{{problem::too_large,
                        "more than " + std::to_string(values_max) + " values, counting what aliases repeat",
                        "", at(mark)}};
  }
  void charge_text(const YAML::Mark& mark, std::size_t bytes) {
    text_bytes_ += bytes;
    if (text_bytes_ <= text_bytes_max) return;
    throw stop_parsing{
        {problem::too_large,
         "more than " + std::to_string(text_bytes_max) + " bytes of text, counting what aliases repeat", "",
         at(mark)}};
  }
  [[noreturn]] static void too_deep(const YAML::Mark& mark) {
    throw stop_parsing{
        {problem::too_large, "nested deeper than " + std::to_string(nesting_max) + " levels", "", at(mark)}};
  }

  yaml_document& into_;
  std::vector<std::string_view> lines_;  // each from its start to the end of the file
  std::vector<open_value> open_;
  std::map<YAML::anchor_t, raw_value> anchors_;
  std::size_t values_ = 0;
  std::size_t text_bytes_ = 0;
};

// yaml-cpp's words, where a person could not know what they mean. Never its quotes of the file.
std::string explained(std::string_view message) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 7> words{{
      {"end of sequence flow not found", "a list that starts with `[` is not closed before this place"},
      {"end of map flow not found", "a section that starts with `{` is not closed before this place"},
      {"end of map not found", "the indentation of this line fits no section above it"},
      {"end of sequence not found", "the indentation of this line fits no list above it"},
      {"illegal map value",
       "a `:` where no key can be; indent with spaces, and quote a text that holds `: `"},
      {"unknown token", "a text that starts with this character needs quotes"},
      {"unknown escape character", "an unknown escape behind `\\`; write `\\\\`, or use single quotes"},
  }};
  for (const auto& [theirs, ours] : words) {
    if (message.starts_with(theirs)) return std::string(ours);
  }
  return std::string(message.substr(0, message.find(':')));
}

}  // namespace

raw_value::~raw_value() { wipe(text); }

raw_entry* raw_value::find(std::string_view key) {
  const auto found = std::ranges::find(entries, key, &raw_entry::key);
  return found == entries.end() ? nullptr : &*found;
}

yaml_document parse_yaml(const std::string& text) {
  yaml_document document;
  const auto unreadable = [&](yaml_problem why) {
    document.problems.push_back(std::move(why));
    document.readable = false;
  };
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    tree_builder builder(text, document);
    if (parser.HandleNextDocument(builder)) {
      yaml_document ignored;
      tree_builder second(text, ignored);
      if (parser.HandleNextDocument(second)) {
        unreadable({problem::bad_syntax, "a second YAML document starts here",
                    "a configuration is one section of settings", ignored.root.at});
      }
    }
  } catch (const stop_parsing& stopped) {
    unreadable(stopped.why);
  } catch (const YAML::Exception& failed) {
    unreadable({problem::bad_syntax, "not valid YAML: " + explained(failed.msg), "", at(failed.mark)});
  } catch (const std::exception&) {  // the parser's own assertions and allocations
    unreadable({problem::bad_syntax, "not valid YAML", "", {}});
  }
  return document;
}

}  // namespace millrace::config
