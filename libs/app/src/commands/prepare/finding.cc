#include "finding.h"

#include <algorithm>

#include <fmt/format.h>

namespace millrace::app::provisioning {

std::string_view to_string(need_state state) noexcept {
  switch (state) {
    case need_state::present:
      return "present";
    case need_state::missing:
      return "missing";
    case need_state::made:
      return "created";
    case need_state::differs:
      return "differs";
    case need_state::unknown:
      return "unknown";
  }
  return "";
}

std::string to_text(const std::vector<finding>& all) {
  std::size_t width = 0;
  for (const finding& each : all) width = std::max(width, each.name.size());
  std::string text;
  for (const finding& each : all) {
    text += fmt::format("{:<8}  {:<9}  {:<{}}", to_string(each.state), each.kind, each.name, width);
    if (!each.note.empty()) text += "  " + each.note;
    while (text.back() == ' ') text.pop_back();
    text += "\n";
    if (each.remedy.empty() || each.state == need_state::present || each.state == need_state::made) continue;
    std::size_t begin = 0;
    for (std::size_t end = 0; end != std::string::npos; begin = end + 1) {
      end = each.remedy.find('\n', begin);
      text += "    " + each.remedy.substr(begin, end == std::string::npos ? end : end - begin) + "\n";
    }
  }
  return text;
}

bool complete(const std::vector<finding>& all) noexcept {
  return std::all_of(all.begin(), all.end(), [](const finding& each) {
    return each.state == need_state::present || each.state == need_state::made;
  });
}

}  // namespace millrace::app::provisioning
