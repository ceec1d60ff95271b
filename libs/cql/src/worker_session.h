// A worker's session with the database: the port stream::store over the worker's own connections.
//
// A request goes through these states (flight_table.h):
//
//   submit() ──▶ queued ──▶ sent ──▶ answered
//                  │  ▲       │ ▲
//                  │  └───────┤ └──────────┐
//                  ▼   next   │            │
//               waiting ──────┘        preparing
//                 for the node's limit     the server has forgotten the statement, or doubts are
//                                          to be settled: it is described anew before it is executed
//
// Requests go out with one write per connection and turn, and their answers are taken with one read for many:
// nothing lies between a coroutine and its socket. Why: docs/decisions/0008.
//
// Nothing is retried but what was certainly not executed, or may be executed twice, and then once, on another
// replica and within the statement's deadline. Every request is answered once.
//
// Threads: the worker's loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <millrace/cql/session.h>
#include <millrace/runtime/loop.h>
#include <millrace/stream/store.h>

#include "answer_rows.h"
#include "cql_metrics.h"
#include "flight_table.h"
#include "frames.h"
#include "node_budgets.h"
#include "prepared.h"
#include "router.h"
#include "worker_counters.h"
#include "worker_statements.h"

namespace millrace::cql {

// What the session and its workers share.
class control_plane : public connection_settings {
 public:
  // Any thread.
  [[nodiscard]] virtual std::uint64_t topology_version() const noexcept = 0;
  virtual void topology(millrace_cql_topology& into) const = 0;
  [[nodiscard]] virtual prepared_cache& statements() = 0;
  [[nodiscard]] virtual const session_options& options() const noexcept = 0;
  [[nodiscard]] virtual const routing_preferences& preferences() const noexcept = 0;
};

// Strictly increasing times: two writes of one worker never have the same timestamp, and the later one has the
// larger.
class write_clock {
 public:
  [[nodiscard]] std::int64_t next_us() noexcept;

 private:
  std::int64_t last_us_ = 0;
};

inline constexpr nanoseconds deadline_step = milliseconds(10);

class worker_session final : public stream::store, private runtime::step, private node::user {
 public:
  // Loop, plane and cells (null: none) must outlive it.
  worker_session(runtime::loop& worker, control_plane& plane, store_options options,
                 std::shared_ptr<worker_counters> counts, metrics::shard* cells);
  ~worker_session() override;

  result<void> prepare(statements::statement_declaration& declaration) override;
  void submit(stream::store_request& request) override;
  [[nodiscard]] std::size_t in_flight() const noexcept override { return in_flight_; }

 private:
  class tick final : public runtime::timer {
   public:
    tick(worker_session& of, void (worker_session::*what)()) noexcept : of_(of), what_(what) {}

   private:
    void on_timer() override { (of_.*what_)(); }
    worker_session& of_;
    void (worker_session::*what_)();
  };
  struct verdict {
    past_place of;
    error why;
  };
  struct due_speculation {
    past_place of;
    instant at;
  };

  bool on_turn() override;
  void answered(link& over, std::uint32_t place, const frames::header& of, bytes_view body) override;
  void schema_changed(const frames::schema_event& what) override;
  void listening_changed(int by) override;
  void connections_changed(int by) override;
  void lost(link& over, const std::vector<std::uint32_t>& places, const error& why) override;
  void reachable(const node& which, const error* why) override;

  // The way out (worker_session.cc).
  void follow_topology();
  void hand_over();
  void dispatch(std::uint32_t place);
  void route(std::uint32_t place);
  [[nodiscard]] router::query query_of(std::uint32_t place) const;
  void send(link& over, std::uint32_t place);
  void send_what_is_known(link& over, std::uint32_t place);
  void enter(link& over, flight& of);
  void call_waiting(std::uint32_t node_number);
  void redirect_waiting(std::uint32_t node_number);
  void flush();
  void speculate();
  void begin_speculation(std::uint32_t place);

  // The way back (worker_answers.cc).
  void take_result(link& over, std::uint32_t place, const frames::header& of, bytes_view body);
  void take_error(link& over, std::uint32_t place, const frames::failure& failed);
  void complete(std::uint32_t place, const frames::answer& with, instant now);
  [[nodiscard]] bool ask_for_next_page(std::uint32_t place, const frames::answer& last);
  void fail_elsewhere(std::uint32_t place, const frames::failure& failed, std::uint32_t node_number);
  [[nodiscard]] bool try_next(std::uint32_t place, std::uint32_t node_number);
  void drop_speculation(std::uint32_t place);
  void prepare_again(link& over, std::uint32_t place, std::uint32_t statement_number);
  void describe_anew(link& over, std::uint32_t place, std::uint32_t statement_number);
  void take_prepared(link& over, std::uint32_t place, const frames::header& of, bytes_view body);
  void go_on_after_preparation(std::uint32_t place, std::uint32_t node_number);

  // Ends.
  void release(std::uint32_t place, node_budgets::effect what);
  void abandon_speculation(flight& of);
  void drop(std::uint32_t place);
  void fail(std::uint32_t place, const error& why);
  void fail_soon(std::uint32_t place, error why);
  void finish(std::uint32_t place, result<stream::rows_ref> with, instant now);
  void on_deadlines();
  void expire(std::uint32_t place);
  void on_upkeep();

  runtime::loop& loop_;
  control_plane& plane_;
  store_options options_;
  std::shared_ptr<worker_counters> counts_;
  store_metrics metrics_;
  node_budgets budgets_;
  router router_;
  flight_table flights_;
  worker_statements statements_;
  write_clock clock_;

  std::uint64_t topology_version_ = 0;
  std::deque<past_place> queue_;
  std::vector<past_place> next_pages_;
  std::vector<verdict> verdicts_;  // to be reported in the next turn
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> preparations_;  // by node and statement
  std::deque<due_speculation> due_;
  std::vector<link*> unflushed_;
  std::size_t in_flight_ = 0;  // submitted and not answered
  std::size_t window_ = 0;     // of them, those that have left the queue
  int connections_ = 0;        // open
  int listening_ = 0;          // nodes that report changes of the schema
  std::uint64_t requests_ = 0;
  std::size_t held_bytes_ = 0;  // of options_.memory, for connections
  bool closed_ = false;
  tick deadline_tick_{*this, &worker_session::on_deadlines};
  tick upkeep_tick_{*this, &worker_session::on_upkeep};
  tick speculation_tick_{*this, &worker_session::speculate};
};

}  // namespace millrace::cql
