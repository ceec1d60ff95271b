// The requests of a worker that have no answer yet: one place for each, and their deadlines.
//
// A place holds a request from submit() to its answer. Requests that the worker makes by itself have places of
// their own: a statement that is prepared again, and a speculative execution, which names the place that it
// serves.
//
// Threads: the worker's loop.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <millrace/base/bytes.h>
#include <millrace/base/clock.h>
#include <millrace/base/errors.h>
#include <millrace/stream/store.h>

namespace millrace::cql {

class link;

// A place as it was: it may serve another request meanwhile.
struct past_place {
  std::uint32_t place;
  std::uint32_t generation;
};

struct flight {
  enum class state : std::uint8_t {
    free,
    queued,     // for a place among those in flight
    waiting,    // for its node's limit, or for room in a connection
    preparing,  // its statement is prepared again on its node
    sent,
    speculating,  // has failed, and its speculative execution may still succeed
  };
  enum class role : std::uint8_t { request, speculation, preparation };
  static constexpr std::size_t tries_max = 3;

  // What few requests have.
  struct extra {
    std::uint64_t changes = 0;        // of a preparation: of its statement, when it was sent
    byte_buffer pages;                // cells of the pages so far
    byte_buffer paging_state;         // of the page that is requested next
    std::uint32_t rows = 0;           // of the pages so far
    std::optional<error> verdict;     // of the record, if its statement proves to be valid
    std::vector<past_place> waiting;  // of a preparation: for it
  };

  stream::store_request* request = nullptr;  // null: not of role::request, or free
  std::unique_ptr<extra> more;
  link* over = nullptr;
  std::int64_t token = 0;
  std::int64_t timestamp_us = 0;
  instant started;  // submitted
  instant sent_at;
  instant deadline;
  std::uint64_t which = 0;  // of its node's requests
  std::uint32_t statement = 0;
  std::uint32_t node = 0;
  std::uint32_t twin = UINT32_MAX;  // of a speculation: the place it serves; of a request: its speculation
  std::uint32_t generation = 0;
  std::uint32_t before = 0;  // in the list of its deadline
  std::uint32_t after = 0;
  std::array<std::uint32_t, tries_max> tried{};
  std::uint16_t stream = 0;
  std::uint16_t deadline_list = 0;
  state is = state::free;
  role as = role::request;
  std::uint8_t tries = 0;         // of tried
  std::uint8_t speculations = 0;  // so far
  std::uint8_t prepared = 0;      // times that its statement was prepared for it
  bool has_token = false;
  bool has_timestamp = false;
  bool in_window = false;  // counts against the requests in flight

  [[nodiscard]] extra& rare() {
    if (!more) more = std::make_unique<extra>();
    return *more;
  }
  [[nodiscard]] std::span<const std::uint32_t> tried_nodes() const noexcept { return {tried.data(), tries}; }
  void remember_try(std::uint32_t node_number) noexcept {
    if (tries < tries_max) tried[tries++] = node_number;
  }
};

class flight_table {
 public:
  static constexpr std::uint32_t none = UINT32_MAX;

  // A free place, with its deadline `timeout_ms` after `started`.
  [[nodiscard]] std::uint32_t take(flight::role as, instant started, std::uint32_t timeout_ms);
  void give_back(std::uint32_t place);
  [[nodiscard]] flight& operator[](std::uint32_t place) noexcept { return flights_[place]; }
  [[nodiscard]] const flight& operator[](std::uint32_t place) const noexcept { return flights_[place]; }
  [[nodiscard]] std::size_t places() const noexcept { return flights_.size(); }
  [[nodiscard]] std::size_t used() const noexcept { return flights_.size() - free_.size(); }
  [[nodiscard]] std::uint32_t timeout_ms(const flight& of) const noexcept {
    return lists_[of.deadline_list].timeout_ms;
  }

  [[nodiscard]] past_place now_at(std::uint32_t place) const noexcept {
    return {place, flights_[place].generation};
  }
  [[nodiscard]] bool is_current(const past_place& of) const noexcept {
    const flight& now = flights_[of.place];
    return now.generation == of.generation && now.is != flight::state::free;
  }
  // The place of the request that this one serves: its own, but for a speculation.
  [[nodiscard]] std::uint32_t served_by(std::uint32_t place) const noexcept {
    const flight& of = flights_[place];
    return of.as == flight::role::speculation ? of.twin : place;
  }

  // A place whose deadline has passed at `now`; none when there is none.
  [[nodiscard]] std::uint32_t overdue(instant now) const noexcept;

 private:
  // Places of one timeout, whose deadlines pass in the order in which they began.
  struct deadline_list {
    std::uint32_t timeout_ms;
    std::uint32_t first;
    std::uint32_t last;
  };
  void begin_deadline(std::uint32_t place, std::uint32_t timeout_ms);
  void end_deadline(const flight& of);

  std::deque<flight> flights_;  // references stay valid while code that an answer resumes submits more
  std::vector<std::uint32_t> free_;
  std::vector<deadline_list> lists_;
};

}  // namespace millrace::cql
