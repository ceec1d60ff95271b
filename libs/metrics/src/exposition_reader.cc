#include <algorithm>
#include <cstdlib>
#include <limits>
#include <set>

#include <millrace/metrics/exposition_reader.h>

namespace millrace::metrics {
namespace {

// The value of a label in `a="b",c="d"`; label values of ours hold no quotes.
std::string_view label_value(std::string_view labels, std::string_view name) {
  const std::string wanted = std::string(name) + "=\"";
  const auto at = labels.find(wanted);
  if (at == std::string_view::npos) return {};
  labels.remove_prefix(at + wanted.size());
  return labels.substr(0, labels.find('"'));
}

}  // namespace

exposed_histogram exposed_histogram::since(const exposed_histogram& earlier) const {
  exposed_histogram difference = *this;
  for (auto& [bound, count] : difference.cumulative) {
    if (const auto before = earlier.cumulative.find(bound); before != earlier.cumulative.end())
      count -= before->second;
  }
  return difference;
}

double exposed_histogram::count() const { return cumulative.empty() ? 0 : cumulative.rbegin()->second; }

std::optional<double> exposed_histogram::quantile(double q) const {
  if (count() <= 0) return std::nullopt;
  const double rank = q * count();
  double lower = 0;
  double below = 0;
  for (const auto& [bound, upto] : cumulative) {
    if (upto >= rank) {
      if (bound == std::numeric_limits<double>::infinity()) return lower;
      return lower + (bound - lower) * (upto > below ? (rank - below) / (upto - below) : 1.0);
    }
    lower = bound;
    below = upto;
  }
  return lower;
}

exposition exposition::parse(std::string_view text) {
  exposition parsed;
  while (!text.empty()) {
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line.front() == '#') continue;
    const auto space = line.rfind(' ');
    if (space == std::string_view::npos) continue;
    const double value = std::strtod(std::string(line.substr(space + 1)).c_str(), nullptr);
    line = line.substr(0, space);
    const auto brace = line.find('{');
    std::string labels;
    if (brace != std::string_view::npos) {
      labels = line.substr(brace + 1, line.size() - brace - 2);
      line = line.substr(0, brace);
    }
    parsed.samples_[std::string(line)].push_back({std::move(labels), value});
  }
  return parsed;
}

double exposition::value(std::string_view name, std::string_view label) const {
  const auto found = samples_.find(name);
  double sum = 0;
  if (found == samples_.end()) return sum;
  for (const sample& s : found->second) {
    if (s.labels.find(label) != std::string::npos) sum += s.value;
  }
  return sum;
}

exposed_histogram exposition::histogram(std::string_view name, std::string_view label) const {
  exposed_histogram merged;
  const auto found = samples_.find(std::string(name) + "_bucket");
  if (found == samples_.end()) return merged;
  for (const sample& s : found->second) {
    if (s.labels.find(label) == std::string::npos) continue;
    const std::string bound(label_value(s.labels, "le"));
    merged.cumulative[bound == "+Inf" ? std::numeric_limits<double>::infinity()
                                      : std::strtod(bound.c_str(), nullptr)] += s.value;
  }
  return merged;
}

std::vector<std::string> exposition::label_values(std::string_view name, std::string_view label) const {
  std::set<std::string> values;
  if (const auto found = samples_.find(name); found != samples_.end()) {
    for (const sample& s : found->second) values.emplace(label_value(s.labels, label));
  }
  return {values.begin(), values.end()};
}

}  // namespace millrace::metrics
