#include "node_budgets.h"

#include <algorithm>

namespace millrace::cql {
namespace {

// What a limit keeps after a node was overloaded, and never less than the smallest limit.
constexpr double shrink_to = 0.7;
constexpr double limit_least = 8.0;
// Successes of one whole limit raise it by this part of the largest.
constexpr double growth = 1.0 / 64.0;
constexpr double share_most = 0.75;
// A limit shrinks when so many of the last answers were late, and at least as many as this.
constexpr double late_part = 0.05;
constexpr std::uint32_t late_least = 3;
constexpr std::uint32_t answers_kept = 200;

}  // namespace

std::size_t node_budgets::add() {
  nodes_.emplace_back();
  ++members_;
  return nodes_.size() - 1;
}

void node_budgets::renew(std::size_t node) {
  set_member(node, true);
  nodes_[node] = {};
}

void node_budgets::set_member(std::size_t node, bool is_member) {
  if (nodes_[node].member == is_member) return;
  nodes_[node].member = is_member;
  members_ += is_member ? 1U : static_cast<std::size_t>(-1);
}

double node_budgets::share() const noexcept {
  const auto window = static_cast<double>(std::max<std::size_t>(window_, 1));
  if (members_ <= 1) return window;
  return std::max(window * std::min(2.0 / static_cast<double>(members_), share_most), limit_least);
}

double node_budgets::limit(std::size_t node) const noexcept {
  const double most = share();
  return std::min(nodes_[node].limit.value_or(most), most);
}

double node_budgets::limit_min() const noexcept {
  double least = static_cast<double>(window_);
  for (std::size_t k = 0; k < nodes_.size(); ++k) {
    if (nodes_[k].member) least = std::min(least, limit(k));
  }
  return least;
}

bool node_budgets::has_room(std::size_t node) const noexcept {
  const auto& at = nodes_[node];
  return at.waiting.empty() && at.in_flight < limit(node);
}

std::uint64_t node_budgets::take(std::size_t node) {
  ++nodes_[node].in_flight;
  return ++nodes_[node].begun;
}

void node_budgets::shrink(std::size_t node, std::uint64_t which) {
  auto& at = nodes_[node];
  if (which <= at.shrunk_at) return;
  // What is not in flight cannot be what was too much.
  at.limit = std::max(std::min(limit(node), static_cast<double>(at.in_flight)) * shrink_to, limit_least);
  at.shrunk_at = at.begun;
  ++shrunk_;
}

bool node_budgets::is_late_often(node& at, bool late) noexcept {
  if (at.answers >= answers_kept) {
    at.answers /= 2;
    at.late /= 2;
  }
  ++at.answers;
  if (late) ++at.late;
  return late && at.late >= late_least && at.late >= late_part * at.answers;
}

void node_budgets::give_back(std::size_t node, std::uint64_t which, effect what) {
  auto& at = nodes_[node];
  const bool late_often = is_late_often(at, what == effect::late);
  switch (what) {
    case effect::overload:
      shrink(node, which);
      break;
    case effect::late:
      if (late_often) shrink(node, which);
      break;
    case effect::success:
      if (at.limit) {
        const double most = share();
        const double grown = limit(node) + std::max(most * growth, 1.0) / limit(node);
        at.limit = grown < most ? std::optional(grown) : std::nullopt;
      }
      break;
    case effect::neutral:
      break;
  }
  --at.in_flight;
}

bool node_budgets::wait(std::size_t node, std::uint32_t place) {
  auto& at = nodes_[node];
  if (static_cast<double>(load(node)) >= share()) {
    ++refused_;
    return false;
  }
  at.waiting.push_back(place);
  ++waiting_;
  return true;
}

void node_budgets::stop_waiting(std::size_t node, std::uint32_t place) {
  waiting_ -= std::erase(nodes_[node].waiting, place);
}

std::optional<std::uint32_t> node_budgets::next_called(std::size_t node) {
  auto& at = nodes_[node];
  if (at.waiting.empty() || at.in_flight >= limit(node)) return std::nullopt;
  const std::uint32_t place = at.waiting.front();
  at.waiting.pop_front();
  --waiting_;
  return place;
}

void node_budgets::call_again(std::size_t node, std::uint32_t place) {
  nodes_[node].waiting.push_front(place);
  ++waiting_;
}

std::vector<std::uint32_t> node_budgets::take_waiting(std::size_t node) {
  auto& queue = nodes_[node].waiting;
  std::vector<std::uint32_t> all(queue.begin(), queue.end());
  waiting_ -= queue.size();
  queue.clear();
  return all;
}

}  // namespace millrace::cql
