// The statements of one worker: requests are made from them, and errors are judged by their history.
//
// Threads: the worker's loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include <millrace/cql/session.h>

#include "described_statement.h"
#include "flight_table.h"
#include "frames.h"

namespace millrace::cql {

// Whether the request has got a part of its answer, or continues one.
[[nodiscard]] inline bool goes_on(const flight& of) {
  return !of.request->paging_state.empty() || (of.more != nullptr && !of.more->paging_state.empty());
}

class worker_statements {
 public:
  // The options must outlive it. `cells` may be null.
  worker_statements(const session_options& options, metrics::shard* cells) noexcept
      : options_(options), cells_(cells) {}

  // Adds a statement; its number is the declaration's id. errc::config_invalid for a consistency level that
  // does not exist.
  [[nodiscard]] result<void> add(statements::statement_declaration& declaration,
                                 std::shared_ptr<const prepared_statement> prepared, std::uint32_t table);
  [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }
  [[nodiscard]] described_statement& operator[](std::uint32_t number) noexcept { return all_[number]; }
  [[nodiscard]] described_statement& of(const flight& one) noexcept { return all_[one.statement]; }
  [[nodiscard]] const described_statement& of(const flight& one) const noexcept {
    return all_[one.statement];
  }

  // Requests. `node_number`: the node that gets it.
  [[nodiscard]] frames::execution execution_of(const flight& one, bytes_view id);
  [[nodiscard]] frames::batch batch_of(const flight& one, std::uint32_t node_number);
  [[nodiscard]] std::size_t frame_bytes(const flight& one);
  // Larger than servers accept.
  [[nodiscard]] bool is_too_large(const flight& one);
  // Why the parts of a batch do not belong together.
  [[nodiscard]] result<void> check_batch(const stream::store_request& request);
  [[nodiscard]] std::optional<std::int64_t> token_of_partition(const flight& one);
  [[nodiscard]] bool is_idempotent(const flight& one);

  // The statement of the request that the node calls by this id.
  [[nodiscard]] std::uint32_t called(const flight& one, std::uint32_t node_number, bytes_view id);
  // A statement of the request whose description is in doubt; none when there is none.
  [[nodiscard]] std::uint32_t in_doubt(const flight& one);
  void note(const frames::schema_event& what);
  void doubt_all();

  void succeed(const flight& one);
  // The error as the record sees it.
  [[nodiscard]] error explain(const flight& one, const frames::failure& failed, instant now);
  // The same, when the statement could not be described.
  [[nodiscard]] error explain_description(const flight& one, described_statement& what, const error& refused,
                                          instant now);

 private:
  [[nodiscard]] error until_it_lasts(std::optional<instant>& since, const frames::failure& failed,
                                     std::string_view counts_as, instant now) const;

  const session_options& options_;
  metrics::shard* cells_;
  std::deque<described_statement> all_;  // by number
  std::vector<frames::batch_part> parts_;
  byte_buffer key_;
};

}  // namespace millrace::cql
