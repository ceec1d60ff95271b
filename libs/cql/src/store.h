// A worker's store over one channel of the bridge.
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
#include "meters.h"
#include "prepared.h"

namespace millrace::cql {

class channel_store final : public stream::store, private runtime::step {
 public:
  // The loop and the cache must outlive the store. errc::io_error when the loop cannot watch the channel.
  [[nodiscard]] static result<std::unique_ptr<stream::store>> open(
      runtime::loop& worker, channel_handle channel, store_options options, prepared_cache& statements,
      milliseconds request_timeout, metrics::shard* counts);
  ~channel_store() override;

  result<void> prepare(stream::statement_declaration& declaration) override;
  void submit(stream::store_request& request) override;
  [[nodiscard]] std::size_t in_flight() const noexcept override { return in_flight_; }

 private:
  struct statement {
    std::string name;
    std::shared_ptr<const prepared_statement> prepared;
    std::uint32_t timeout_ms;
    statement_meters meters;
  };

  // A request that was given to the bridge. A completion names it by place and generation, so that one that
  // comes late or twice breaks an invariant instead of completing a stranger.
  struct slot {
    stream::store_request* request = nullptr;
    std::uint32_t generation = 0;
    std::uint32_t rows = 0;  // of the pages so far
    instant started;
    byte_buffer pages;    // their cells
    owner_handle before;  // holds the paging state that the next page's request points to
    std::vector<millrace_cql_batch_part> batch;  // what the request points to
  };

  channel_store(runtime::loop& worker, channel_handle channel, store_options options,
                prepared_cache& statements, milliseconds request_timeout, metrics::shard* counts);

  bool on_turn() override;
  void hand_over();
  void on_completions();
  // Returns how many completions there were.
  std::size_t take_completions();
  void complete(const millrace_cql_completion& completion, instant now);
  // Whether `completion` was a page with more to come, which has been asked for.
  [[nodiscard]] bool ask_for_next_page(std::uint32_t place, const millrace_cql_completion& completion,
                                       owner_handle& memory);
  [[nodiscard]] stream::rows_ref rows_of(slot& of, const millrace_cql_completion& completion,
                                         owner_handle memory) const;
  void answer(stream::store_request& request, nanoseconds took, result<stream::rows_ref> with);
  [[nodiscard]] millrace_cql_request request_for(std::uint32_t place);
  // Why the parts of a batch do not belong together.
  [[nodiscard]] result<void> check_batch(const stream::store_request& request) const;
  void report_trace(const stream::statement_declaration& of, const std::uint8_t* trace_id) const;
  [[nodiscard]] std::uint32_t take_slot(stream::store_request& request, instant started);
  void cancel_everything();

  runtime::loop& loop_;
  channel_handle channel_;
  store_options options_;
  prepared_cache& cache_;
  milliseconds request_timeout_;
  metrics::shard* counts_;
  store_meters meters_;

  struct waiting_request {
    stream::store_request* request;
    instant since;
  };
  std::deque<statement> statements_;  // by statement_declaration::id()
  std::deque<waiting_request> waiting_;
  std::vector<millrace_cql_request> next_pages_;
  std::vector<slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::vector<millrace_cql_request> batch_;
  std::vector<millrace_cql_completion> completions_;
  std::size_t in_flight_ = 0;      // submitted to this store and not answered
  bool more_completions_ = false;  // may be waiting, and the channel is not armed
  bool closing_ = false;
};

}  // namespace millrace::cql
