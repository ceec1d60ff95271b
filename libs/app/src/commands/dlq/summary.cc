#include "summary.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace millrace::app::dlq_commands {

void summary::add(const dead_letter_record& of) {
  ++dead_letters_;
  kind which{of.reason, of.processor, of.topic.empty() ? "" : of.topic + "/" + of.from_partition};
  if (kinds_.size() >= kinds_max && !kinds_.contains(which)) which = {"(others)", "", ""};
  tally& counted = kinds_[std::move(which)];
  if (counted.count++ == 0) counted.first = counted.last = of.written;
  counted.first = std::min(counted.first, of.written);
  counted.last = std::max(counted.last, of.written);
}

void summary::print(std::ostream& out) const {
  const auto shown = [](const std::string& text) { return text.empty() ? std::string("-") : text; };
  std::vector<std::pair<kind, tally>> sorted(kinds_.begin(), kinds_.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second.count > b.second.count; });
  std::size_t reason_width = 6;
  std::size_t processor_width = 9;
  std::size_t from_width = 4;
  for (const auto& [which, counted] : sorted) {
    reason_width = std::max(reason_width, std::get<0>(which).size());
    processor_width = std::max(processor_width, std::get<1>(which).size());
    from_width = std::max(from_width, std::get<2>(which).size());
  }
  out << fmt::format("{:>8}  {:<{}}  {:<{}}  {:<{}}  {:<24}  {}\n", "dead letters", "reason", reason_width,
                     "processor", processor_width, "from", from_width, "first", "last");
  for (const auto& [which, counted] : sorted) {
    out << fmt::format("{:>8}  {:<{}}  {:<{}}  {:<{}}  {:<24}  {}\n", counted.count,
                       shown(std::get<0>(which)), reason_width, shown(std::get<1>(which)), processor_width,
                       shown(std::get<2>(which)), from_width, to_text(counted.first), to_text(counted.last));
  }
}

}  // namespace millrace::app::dlq_commands
