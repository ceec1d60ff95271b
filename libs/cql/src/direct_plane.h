// The second data plane: a worker's own connections to the nodes, for what makes up nearly all requests,
// which is executions of prepared statements. The driver keeps the rest: it finds the nodes, prepares, and
// executes what this plane leaves to it (conditions, batches, traces, tablets, other datacentres, forgotten
// statements, and everything while there is no connection).
//
// Requests go out with one write per connection and turn, and their answers are taken with one read for many:
// no ring, no task and no wake-up lies between a coroutine and its socket. Why: docs/decisions/0008.
//
// On the worker's thread only. Retries nothing; every request that it took is answered once.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <millrace/base/bytes.h>
#include <millrace/base/clock.h>
#include <millrace/base/result.h>
#include <millrace/runtime/loop.h>

#include "bridge.h"
#include "connection.h"
#include "cql_metrics.h"
#include "node_budgets.h"
#include "wire.h"

namespace millrace::cql {

// Read by any thread.
struct direct_counters {
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::uint64_t> client_timeouts{0};
  std::atomic<std::uint64_t> in_flight{0};
  std::atomic<std::uint64_t> connections{0};
  std::atomic<std::uint64_t> refused{0};
  std::atomic<std::uint64_t> shrunk{0};
  std::atomic<std::uint64_t> waiting{0};
  std::atomic<std::uint64_t> limit_min{UINT64_MAX};
};

// What the planes of all workers have in common.
struct direct_options {
  introduction as;
  std::string datacenter;
  std::string rack;
  milliseconds keepalive{5'000};
};

class direct_plane {
 public:
  struct request {
    std::uint32_t statement = 0;                                // the bridge's number
    const std::vector<std::uint16_t>* partition_key = nullptr;  // indexes into the values
    wire::execution what;                                       // but for the id
    std::uint32_t timeout_ms = 0;
  };

  // The worker's store. Sends nothing from within these calls, and is not called from send().
  class requester {
   public:
    // The request of a place, as long as it is not answered.
    virtual request direct_request(std::uint32_t place) = 0;
    // The answer's views are valid during the call.
    virtual void direct_answer(std::uint32_t place, const wire::answer& with, instant now) = 0;
    virtual void direct_failure(std::uint32_t place, const error& why, instant now) = 0;
    // Not answered, and not this plane's any more: the server has forgotten its statement, or its nodes are
    // gone.
    virtual void give_to_driver(std::uint32_t place) = 0;

   protected:
    ~requester() = default;
  };

  // Loop, channel, options and cells (null: none) must outlive the plane.
  direct_plane(runtime::loop& worker, requester& by, millrace_cql_channel* channel,
               const direct_options& options, std::size_t in_flight_max, direct_counters& counts,
               metrics::shard* cells);
  direct_plane(const direct_plane&) = delete;
  direct_plane& operator=(const direct_plane&) = delete;
  ~direct_plane();

  // At start-up: blocks (a second at most) until the nodes known so far are connected, so that the first
  // requests go the same way as all others.
  void wait_for_connections();
  // Once per turn, before send(): learns of changes of the cluster.
  void begin_turn();
  // Whether another turn has to follow at once.
  [[nodiscard]] bool has_more() const noexcept { return !refused_.empty(); }
  // False: nothing was done, the driver has to send it.
  [[nodiscard]] bool send(std::uint32_t place);
  // At the end of the turn.
  void flush();
  // Answers everything that is in flight as cancelled; takes nothing from now on.
  void close();

 private:
  class link;
  struct node {
    std::uint8_t host_id[16]{};
    std::string address;
    std::uint16_t port = 0;
    std::uint32_t rank = 0;  // 0: preferred
    bool member = true;
    std::uint32_t shards = 1;
    std::uint32_t ignored_msb = 0;
    std::vector<std::unique_ptr<link>> links;  // by shard
    node_metrics meters{nullptr, {}};
    bool shown = false;  // by its gauges
    [[nodiscard]] std::string name() const { return address + ":" + std::to_string(port); }
  };
  enum class where : std::uint8_t { nowhere, waiting, sent };
  struct flight {
    where state = where::nowhere;
    std::uint16_t stream = 0;
    std::uint16_t deadline_list = 0;
    std::uint32_t node = 0;
    std::uint32_t before = 0;  // in its list
    std::uint32_t after = 0;
    link* over = nullptr;
    std::uint64_t which = 0;  // of the node's requests
    instant deadline;
  };
  // Requests of one timeout, which end in the order in which they began.
  struct deadline_list {
    std::uint32_t timeout_ms;
    std::uint32_t first;
    std::uint32_t last;
  };
  class tick final : public runtime::timer {
   public:
    explicit tick(direct_plane& of, void (direct_plane::*what)()) noexcept : of_(of), what_(what) {}

   private:
    void on_timer() override { (of_.*what_)(); }
    direct_plane& of_;
    void (direct_plane::*what_)();
  };

  void take_routes();
  void take_node(const millrace_cql_node& from);
  [[nodiscard]] std::optional<std::uint32_t> rank_of(const millrace_cql_node& of) const;
  void connect(link& which);
  void connect_shards(std::size_t node_number, const connection& first);

  // Where the server takes connections for a shard; 0: nowhere.
  [[nodiscard]] std::uint16_t shard_port_of(const wire::supported& server) const noexcept;
  // The nodes that may execute it, as numbers of nodes_, into candidates_.
  void find_candidates(const request& what, std::optional<std::int64_t>& token);
  void add_candidate(std::uint32_t route);
  [[nodiscard]] link* open_link(std::size_t node_number, std::optional<std::int64_t> token) const;
  void send_over(link& over, std::uint32_t place, request& what);
  [[nodiscard]] const millrace_cql_executable* executable(std::uint32_t statement) const noexcept {
    return statement < executables_.size() ? executables_[statement] : nullptr;
  }
  void tell_refused();
  void call_waiting(std::size_t node_number);
  void redirect_waiting(std::size_t node_number);

  void opened(link& which);
  void answered(link& which, std::uint32_t place, const wire::header& of, bytes_view body);
  void broken(link& which, const error& why);
  // A request comes to this plane, and leaves it.
  flight& enter(std::uint32_t place, std::uint32_t timeout_ms);
  void forget(flight& of);
  // Removes the request from every table, and notifies its node of the result.
  void leave(std::uint32_t place, node_budgets::effect what);
  void fail(std::uint32_t place, node_budgets::effect what, const error& why, instant now);

  void begin_deadline(std::uint32_t place, std::uint32_t timeout_ms);
  void end_deadline(const flight& of);
  [[nodiscard]] nanoseconds age_of(const flight& of, instant now) const noexcept;
  void on_deadlines();
  void on_upkeep();
  void show(std::size_t node_number);

  runtime::loop& loop_;
  requester& requester_;
  millrace_cql_channel* channel_;
  const direct_options& options_;
  direct_counters& counts_;
  metrics::shard* cells_;
  node_budgets budgets_;
  bool closed_ = false;

  std::uint64_t version_ = 0;
  millrace_cql_routes routes_{};
  owner_handle routes_memory_;
  std::vector<const millrace_cql_executable*> executables_;  // by statement; null: the driver's
  std::vector<std::uint32_t> node_of_route_;                 // by node of the routes; UINT32_MAX: not ours

  std::vector<node> nodes_;
  std::vector<flight> flights_;  // by place
  std::vector<deadline_list> deadlines_;
  std::vector<std::uint32_t> candidates_;
  std::vector<link*> unflushed_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> refused_;  // place and node, to be reported
  std::vector<std::unique_ptr<connection>> retired_;              // broken, until no caller is inside
  byte_buffer key_;
  byte_buffer receiving_;  // of all connections
  std::size_t turn_ = 0;
  std::size_t in_flight_ = 0;
  std::uint64_t requests_ = 0;
  std::size_t connections_ = 0;  // open
  tick deadline_tick_{*this, &direct_plane::on_deadlines};
  tick upkeep_tick_{*this, &direct_plane::on_upkeep};
};

}  // namespace millrace::cql
