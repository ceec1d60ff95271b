// Several writes of one partition in one request: the server applies all of them or none (an unlogged batch
// of one partition is one mutation), for a tenth of the cost of as many requests.
//
//   batch visits(ctx);
//   for (const visit& each : all) visits.add(insert_visit_, each.visitor, each.time);
//   auto written = co_await visits.run();                        // result<void>
//
// Only void statements without IF, all with the same partition key and all parts of it bound by parameters:
// anything else is errc::db_invalid from run(), and nothing is sent. A batch of several partitions would cost
// the coordinator more than it saves; send those one by one. Consistency, timeout and statistics are those of
// the first statement. On a ScyllaDB table with tablets the driver learns where a tablet is from single
// statements only.
//
// Lifetime: like the statements and the context. Not to be moved or destroyed while run() is awaited.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <millrace/base/result.h>
#include <millrace/base/values.h>
#include <millrace/cql/statement.h>
#include <millrace/runtime/task.h>
#include <millrace/stream/context.h>

namespace millrace::cql {

inline constexpr std::size_t batch_statements_max = 256;
// Cassandra refuses 50 KiB, and warns at 5.
inline constexpr std::size_t batch_bytes_max = 48U << 10U;

class batch {
 public:
  explicit batch(stream::context ctx) : ctx_(ctx) {}

  // False when the batch is full (batch_statements_max, batch_bytes_max), or what it holds has another write
  // time (statement_options::written; deletions are a moment before other writes): nothing was added, run
  // this one and begin another. The arguments are encoded before this returns.
  template <typename... Args>
  bool add(const statement<void(Args...)>& what, const std::remove_cvref_t<Args>&... args) {
    cell_buffer cells;
    (codec<std::remove_cvref_t<Args>>::encode(cells, args), ...);
    return add_encoded(what, what.write_time_of(ctx_), cells.view());
  }
  // All of it is written with this timestamp, whatever the statements say.
  void written_at(timestamp_micros time) { written_at_us_ = time.time_since_epoch().count(); }

  [[nodiscard]] std::size_t size() const noexcept { return parts_.size(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return cells_.size(); }

  // An empty batch is done at once. The batch is empty afterwards when it was written, and as it was
  // otherwise.
  [[nodiscard]] runtime::task<result<void>> run();

 private:
  struct part {
    const statements::statement_declaration* statement;
    std::size_t begin;
    std::size_t size;
  };

  bool add_encoded(const statements::statement_declaration& what, std::optional<std::int64_t> write_time,
                   bytes_view cells);
  static runtime::task<result<void>> run_of(batch* self);

  stream::context ctx_;
  std::vector<part> parts_;
  byte_buffer cells_;
  std::optional<std::int64_t> write_time_us_;  // of the statements
  std::optional<std::int64_t> written_at_us_;
};

}  // namespace millrace::cql
