#include <algorithm>
#include <numeric>

#include <millrace/base/suggest.h>

namespace millrace {
namespace {

// Longer names are not compared: the table is quadratic.
constexpr std::size_t compared_bytes_max = 1'024;
constexpr std::size_t name_bytes_max = 64;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  if (a.size() > compared_bytes_max || b.size() > compared_bytes_max) return std::max(a.size(), b.size());
  // Rows i-2, i-1 and i of the table of optimal string alignment.
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0U : 1U)});
      const bool swapped =
          i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]);
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::optional<std::string> closest(std::string_view wanted, const std::vector<std::string>& candidates) {
  std::optional<std::string> best;
  std::size_t best_distance = 0;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(wanted, candidate);
    if (best && distance >= best_distance) continue;
    best = candidate;
    best_distance = distance;
  }
  return best;
}

std::optional<std::string> nearest(std::string_view wanted, const std::vector<std::string>& candidates) {
  std::optional<std::string> best;
  std::size_t best_distance = 4;
  if (wanted.size() > name_bytes_max) return best;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > name_bytes_max) continue;
    const std::size_t distance = edit_distance(wanted, candidate);
    const std::size_t near_enough = std::max<std::size_t>(1, candidate.size() / 3);
    if (distance <= near_enough && distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view wanted, const std::vector<std::string>& candidates) {
  const auto meant = nearest(wanted, candidates);
  return meant ? "; did you mean '" + *meant + "'?" : std::string();
}

}  // namespace millrace
