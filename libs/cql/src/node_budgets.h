// How many requests of a worker may be in flight to each node.
//
// A node's limit shrinks when the node says that it is overloaded, or when requests to it time out, and grows
// with every success; it never shrinks because answers are slow, and it begins at its largest. Besides that
// no node may hold more than its share of the window, so that a slow one does not hold up requests to the
// others: all of it when it is alone, three quarters of two, twice the fair share of more.
//
// Timeouts count by their part of the answers: those of one huge partition say nothing of the node.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace millrace::cql {

class node_budgets {
 public:
  // overload: the node said so. late: no answer in time, by the server's clock or the client's.
  enum class effect : std::uint8_t { success, overload, late, neutral };

  // window: requests that may be in flight altogether.
  explicit node_budgets(std::size_t window) noexcept : window_(window) {}

  // The number of a new node. Numbers stay.
  [[nodiscard]] std::size_t add();
  // The number of a node that has left, and for which nothing is in flight, is that of another one now.
  void renew(std::size_t node);
  // One that has left the cluster no longer counts: the others' shares grow.
  void set_member(std::size_t node, bool is_member);

  [[nodiscard]] bool has_room(std::size_t node) const noexcept;
  // The number of this request among the node's, for give_back().
  [[nodiscard]] std::uint64_t take(std::size_t node);
  void give_back(std::size_t node, std::uint64_t which, effect what);

  // For a request all of whose nodes are full. False: refused, because the node has its whole share already.
  [[nodiscard]] bool wait(std::size_t node, std::uint32_t place);
  void stop_waiting(std::size_t node, std::uint32_t place);
  // The next one that may go now, and no longer waits.
  [[nodiscard]] std::optional<std::uint32_t> next_called(std::size_t node);
  // Back at the head, because it could not go after all.
  void call_again(std::size_t node, std::uint32_t place);
  // All that wait, which no longer do.
  [[nodiscard]] std::vector<std::uint32_t> take_waiting(std::size_t node);
  // How much the node has to do.
  [[nodiscard]] std::size_t load(std::size_t node) const noexcept {
    return nodes_[node].in_flight + nodes_[node].waiting.size();
  }
  [[nodiscard]] bool anyone_waits(std::size_t node) const noexcept { return !nodes_[node].waiting.empty(); }

  [[nodiscard]] double share() const noexcept;
  [[nodiscard]] double limit(std::size_t node) const noexcept;
  [[nodiscard]] double limit_min() const noexcept;
  [[nodiscard]] std::size_t in_flight(std::size_t node) const noexcept { return nodes_[node].in_flight; }
  [[nodiscard]] std::size_t waiting() const noexcept { return waiting_; }
  [[nodiscard]] std::uint64_t refused() const noexcept { return refused_; }
  [[nodiscard]] std::uint64_t shrunk() const noexcept { return shrunk_; }

 private:
  struct node {
    std::uint32_t in_flight = 0;
    std::optional<double> limit = {};  // none: its share
    // Requests begun so far, and how many of them before the last shrinking: those say nothing new.
    std::uint64_t begun = 0;
    std::uint64_t shrunk_at = 0;
    // Of about the last two hundred answers.
    std::uint32_t answers = 0;
    std::uint32_t late = 0;
    std::deque<std::uint32_t> waiting = {};
    bool member = true;
  };

  std::size_t window_;
  std::size_t members_ = 0;
  std::vector<node> nodes_;
  std::uint64_t refused_ = 0;
  std::uint64_t shrunk_ = 0;
  std::size_t waiting_ = 0;

  void shrink(std::size_t node, std::uint64_t which);
  [[nodiscard]] static bool is_late_often(node& at, bool late) noexcept;
};

}  // namespace millrace::cql
