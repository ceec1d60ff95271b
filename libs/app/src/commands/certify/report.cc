#include "report.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace millrace::app::certify {
namespace {

// A cell of a table: no line breaks, and no bar that would end it.
std::string cell(const std::string& text) {
  std::string out;
  for (const char each : text) {
    if (each == '|') out += '\\';
    out += each == '\n' || each == '\r' ? ' ' : each;
  }
  return out;
}

}  // namespace

std::string_view to_string(verdict of) noexcept {
  switch (of) {
    case verdict::pass:
      return "PASS";
    case verdict::fail:
      return "FAIL";
    case verdict::note:
      return "NOTE";
  }
  return "NOTE";
}

void report::add(verdict is, std::string what, std::string text, numbers values) {
  all_.push_back({is, section_, std::move(what), std::move(text), std::move(values)});
}

std::size_t report::count(verdict is) const noexcept {
  return static_cast<std::size_t>(
      std::count_if(all_.begin(), all_.end(), [is](const finding& each) { return each.is == is; }));
}

const finding* report::find(std::string_view what) const noexcept {
  const auto found =
      std::find_if(all_.begin(), all_.end(), [what](const finding& each) { return each.what == what; });
  return found == all_.end() ? nullptr : &*found;
}

std::string report::to_markdown(const std::string& about) const {
  const std::size_t failures = count(verdict::fail);
  std::string out = fmt::format("# millrace certify: {}\n\n{}\n\n{} passed, {} failed, {} notes.\n",
                                failures == 0 ? "PASS" : "FAIL", about, count(verdict::pass), failures,
                                count(verdict::note));
  if (failures > 0) out += "\nFailed:\n\n";
  for (const finding& each : all_) {
    if (each.is == verdict::fail)
      out += fmt::format("* {}: {}: {}\n", each.section, each.what, cell(each.text));
  }
  const std::string* section = nullptr;
  for (const finding& each : all_) {
    if (section == nullptr || *section != each.section) {
      out += fmt::format("\n## {}\n\n| | what | found |\n| --- | --- | --- |\n", each.section);
    }
    section = &each.section;
    out += fmt::format("| {} | {} | {} |\n", to_string(each.is), cell(each.what), cell(each.text));
  }
  return out;
}

std::string report::to_json(const std::string& about) const {
  using nlohmann::ordered_json;
  ordered_json lines = ordered_json::array();
  ordered_json failed = ordered_json::array();
  for (const finding& each : all_) {
    ordered_json values = ordered_json::object();
    for (const auto& [name, value] : each.numbers) values[name] = value;
    lines.push_back({{"verdict", std::string(to_string(each.is))},
                     {"section", each.section},
                     {"what", each.what},
                     {"text", each.text},
                     {"numbers", values}});
    if (each.is == verdict::fail) failed.push_back(each.section + ": " + each.what);
  }
  const ordered_json out = {{"verdict", count(verdict::fail) == 0 ? "PASS" : "FAIL"},
                            {"about", about},
                            {"failed", failed},
                            {"lines", lines}};
  return out.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace millrace::app::certify
