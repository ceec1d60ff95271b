// Several writes in one request.
//
// * unlogged, the default: writes of one partition of one table. The server applies all of them or none, because
//   they are one mutation, for a tenth of the cost of as many requests.
// * logged: writes of any partitions and tables. The server writes the batch to its batch log first, and applies all
//   of it eventually; it costs several times as much as the single writes. Readers may see a part of it meanwhile.
//
// Example prelude:
//
//   #include <millrace/stream/must.h>
//
//   const cql::statement<void(std::string_view visitor, timestamp at)>* insert_visit = nullptr;
//
// Example, in a coroutine:
//
//   cql::batch visits(ctx);
//   for (const timestamp at : {timestamp(milliseconds(1)), timestamp(milliseconds(2))}) {
//     if (!visits.add(*insert_visit, "v1", at)) co_return error(errc::limit_exceeded, "the batch is full");
//   }
//   co_await stream::must(visits.run());  // run() awaits to answer<void>
//
// A batch holds void statements without IF. Unless it is logged, all have the same table and the same partition key,
// whose parts are all bound by parameters: an unlogged batch of two tables would be two mutations, of which a failure
// could leave one. Consistency, timeout and statistics are those of the first statement. Where a table has tablets
// their places are learnt from single statements: ScyllaDB reports none with the answer to a batch.
//
// Errors: errc::db_invalid from run() when the batch breaks these rules, and nothing is sent; otherwise those
// of a statement.
// Threads: the worker's thread.
// Lifetime: a batch ends before its statements and context. It must not be moved or destroyed while run() is
// awaited.
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
#include <millrace/stream/answer.h>
#include <millrace/stream/context.h>

namespace millrace::cql {

// Limit of statements.
inline constexpr std::size_t batch_statements_max = 256;
// Limit of bytes. Cassandra refuses 50 KiB and logs a warning at 5 KiB.
inline constexpr std::size_t batch_bytes_max = 48U << 10U;

// The kind of a batch: one partition of one table, or any writes through the server's batch log.
enum class batch_kind : std::uint8_t { unlogged, logged };

// The batch.
class batch {
 public:
  explicit batch(stream::context ctx, batch_kind kind = batch_kind::unlogged) : ctx_(ctx), kind_(kind) {}

  // Adds a statement, whose arguments are encoded before this returns. Returns false, and adds nothing, when
  // the batch is full (batch_statements_max, batch_bytes_max) or holds another write time
  // (statement_options::written; deletions precede other writes by a microsecond): run this batch and begin
  // another.
  template <typename... Args>
  bool add(const statement<void(Args...)>& what, const std::remove_cvref_t<Args>&... args) {
    cell_buffer cells;
    (codec<std::remove_cvref_t<Args>>::encode(cells, args), ...);
    return add_encoded(what, what.write_time_of(ctx_), cells.view());
  }
  // Sets the timestamp of all writes, whatever the statements say.
  void written_at(timestamp_micros time) { written_at_us_ = time.time_since_epoch().count(); }

  // The number of statements, and of bytes.
  [[nodiscard]] std::size_t size() const noexcept { return parts_.size(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return cells_.size(); }

  // Sends the batch. An empty batch is done at once. After success the batch is empty; after an error it is
  // unchanged.
  [[nodiscard]] runtime::task<stream::answer<void>> run();

 private:
  struct part {
    const statements::statement_declaration* statement;
    std::size_t begin;
    std::size_t size;
  };

  bool add_encoded(const statements::statement_declaration& what, std::optional<std::int64_t> write_time,
                   bytes_view cells);
  static runtime::task<stream::answer<void>> run_of(batch* self);

  stream::context ctx_;
  batch_kind kind_;
  std::vector<part> parts_;
  byte_buffer cells_;
  std::optional<std::int64_t> write_time_us_;  // of the statements
  std::optional<std::int64_t> written_at_us_;
};

}  // namespace millrace::cql
