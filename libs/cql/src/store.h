// A worker's store: over its direct plane, and one channel of the bridge for what that leaves to the driver.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <millrace/cql/session.h>
#include <millrace/metrics/registry.h>
#include <millrace/runtime/loop.h>
#include <millrace/stream/store.h>

#include "bridge.h"
#include "cql_metrics.h"
#include "direct_plane.h"
#include "prepared.h"

namespace millrace::cql {

class channel_store final : public stream::store, private runtime::step, private direct_plane::requester {
 public:
  // Of the session, for all its stores.
  struct session_settings {
    milliseconds request_timeout{0};
    std::uint16_t consistency = 0;
    bool speculative = false;
    std::shared_ptr<const direct_options> direct = {};  // null: everything goes by the driver
  };

  // The loop and the cache must outlive the store. errc::io_error when the loop cannot watch the channel.
  [[nodiscard]] static result<std::unique_ptr<stream::store>> open(
      runtime::loop& worker, channel_handle channel, store_options options, prepared_cache& statements,
      const session_settings& settings, std::shared_ptr<direct_counters> direct_counts,
      metrics::shard* counts);
  ~channel_store() override;

  result<void> prepare(statements::statement_declaration& declaration) override;
  void submit(stream::store_request& request) override;
  [[nodiscard]] std::size_t in_flight() const noexcept override { return in_flight_; }

 private:
  struct statement {
    std::string name;
    std::shared_ptr<const prepared_statement> prepared;
    std::uint32_t timeout_ms;
    std::uint16_t consistency;
    std::int32_t page_rows;
    bool direct;  // may be executed by the direct plane
    statement_metrics meters;
  };

  // A request that was given to the bridge. A completion names it by place and generation, so that one that
  // comes late or twice breaks an invariant instead of completing a stranger.
  struct slot {
    stream::store_request* request = nullptr;
    std::uint32_t generation = 0;
    std::uint32_t rows = 0;  // of the pages so far
    instant started;
    byte_buffer pages;  // their cells
    // Where the requested page begins, and what keeps it when it is not the request's.
    bytes_view paging_state;
    owner_handle before;
    byte_buffer paging_state_memory;
    std::vector<millrace_cql_batch_part> batch;  // what the request points to
  };

  channel_store(runtime::loop& worker, channel_handle channel, store_options options,
                prepared_cache& statements, const session_settings& settings,
                std::shared_ptr<direct_counters> direct_counts, metrics::shard* counts);

  bool on_turn() override;
  void hand_over();
  void dispatch(std::uint32_t place);
  void on_completions();
  // Returns how many completions there were.
  std::size_t take_completions();
  void complete(const millrace_cql_completion& completion, instant now);
  direct_plane::request direct_request(std::uint32_t place) override;
  void direct_answer(std::uint32_t place, const wire::answer& with, instant now) override;
  void direct_failure(std::uint32_t place, const error& why, instant now) override;
  void give_to_driver(std::uint32_t place) override;

  struct page {
    bytes_view cells;
    std::uint32_t row_count = 0;
    bytes_view paging_state;  // of the next one; empty: none
  };
  // Whether `last` has a successor, which has been requested; the caller must keep its paging state.
  [[nodiscard]] bool ask_for_next_page(std::uint32_t place, const page& last);
  // `first` makes the rows of an answer of one page.
  template <typename MakeFirst>
  [[nodiscard]] stream::rows_ref rows_of(slot& of, const page& last, MakeFirst first) const;
  void fail(std::uint32_t place, const error& why, instant now);
  void finish(std::uint32_t place, result<stream::rows_ref> with, instant now);
  void answer(stream::store_request& request, nanoseconds took, result<stream::rows_ref> with);
  [[nodiscard]] millrace_cql_request request_for(std::uint32_t place);
  // Why the parts of a batch do not belong together.
  [[nodiscard]] result<void> check_batch(const stream::store_request& request) const;
  void report_trace(const statements::statement_declaration& of, const std::uint8_t* trace_id) const;
  [[nodiscard]] std::uint32_t take_slot(stream::store_request& request, instant started);
  void cancel_everything();

  runtime::loop& loop_;
  channel_handle channel_;
  store_options options_;
  prepared_cache& cache_;
  session_settings settings_;
  std::shared_ptr<direct_counters> direct_counts_;
  metrics::shard* counts_;
  store_metrics metrics_;
  std::unique_ptr<direct_plane> plane_;  // null: none

  struct waiting_request {
    stream::store_request* request;
    instant since;
  };
  std::deque<statement> statements_;  // by statement_declaration::id()
  std::deque<waiting_request> waiting_;
  std::vector<std::uint32_t> next_pages_;
  std::vector<std::uint32_t> asking_;
  std::vector<slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::vector<millrace_cql_request> batch_;  // for the driver
  std::vector<millrace_cql_completion> completions_;
  std::size_t in_flight_ = 0;      // submitted to this store and not answered
  bool more_completions_ = false;  // may be waiting, and the channel is not armed
  bool closing_ = false;
};

}  // namespace millrace::cql
