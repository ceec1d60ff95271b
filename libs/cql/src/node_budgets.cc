#include "node_budgets.h"

#include <algorithm>

namespace millrace::cql {
namespace {

// What a limit keeps after a node was overloaded, and never less than the smallest limit.
constexpr double shrink = 0.7;
constexpr double limit_least = 8.0;
// Successes of one whole limit raise it by this part of the largest.
constexpr double growth = 1.0 / 64.0;
constexpr double share_most = 0.75;

}  // namespace

node_budgets::effect node_budgets::effect_of(errc outcome) noexcept {
  const bool overload =
      outcome == errc::db_overloaded || outcome == errc::db_timeout || outcome == errc::db_client_timeout;
  return overload ? effect::overload : effect::neutral;
}

std::size_t node_budgets::add() {
  nodes_.emplace_back();
  ++members_;
  return nodes_.size() - 1;
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
  for (std::size_t k = 0; k < nodes_.size(); ++k) least = std::min(least, limit(k));
  return least;
}

std::size_t node_budgets::waiting() const noexcept {
  std::size_t all = 0;
  for (const node& each : nodes_) all += each.waiting.size();
  return all;
}

bool node_budgets::has_room(std::size_t node) const noexcept {
  const auto& at = nodes_[node];
  return at.waiting.empty() && at.in_flight < limit(node);
}

std::uint64_t node_budgets::take(std::size_t node) {
  ++nodes_[node].in_flight;
  return ++nodes_[node].begun;
}

void node_budgets::give_back(std::size_t node, std::uint64_t which, effect what) {
  auto& at = nodes_[node];
  switch (what) {
    case effect::overload:
      if (which > at.shrunk_at) {
        // What is not in flight cannot be what was too much.
        at.limit = std::max(std::min(limit(node), static_cast<double>(at.in_flight)) * shrink, limit_least);
        at.shrunk_at = at.begun;
        ++shrunk_;
      }
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
  if (static_cast<double>(at.in_flight + at.waiting.size()) >= share()) {
    ++refused_;
    return false;
  }
  at.waiting.push_back(place);
  return true;
}

void node_budgets::stop_waiting(std::size_t node, std::uint32_t place) {
  std::erase(nodes_[node].waiting, place);
}

std::optional<std::uint32_t> node_budgets::next_called(std::size_t node) {
  auto& at = nodes_[node];
  if (at.waiting.empty() || at.in_flight >= limit(node)) return std::nullopt;
  const std::uint32_t place = at.waiting.front();
  at.waiting.pop_front();
  return place;
}

}  // namespace millrace::cql
