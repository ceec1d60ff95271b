#include <millrace/base/assert.h>
#include <millrace/cql/batch.h>

namespace millrace::cql {
namespace {

// What a statement of a batch costs besides its cells: kind, id, count.
constexpr std::size_t statement_overhead_bytes = 24;

}  // namespace

bool batch::add_encoded(const statements::statement_declaration& what, std::optional<std::int64_t> write_time,
                        bytes_view cells) {
  if (!parts_.empty() && write_time != write_time_us_) return false;
  const std::size_t bytes = cells_.size() + cells.size() + (parts_.size() + 1) * statement_overhead_bytes;
  // A statement too large for a batch goes alone, so that the server can say what it thinks of it.
  if (!parts_.empty() && (parts_.size() == batch_statements_max || bytes > batch_bytes_max)) return false;
  write_time_us_ = write_time;
  parts_.push_back({&what, cells_.size(), cells.size()});
  cells_.insert(cells_.end(), cells.begin(), cells.end());
  return true;
}

runtime::task<stream::answer<void>> batch::run() { return run_of(this); }

runtime::task<stream::answer<void>> batch::run_of(batch* self) {
  if (self->parts_.empty()) co_return result<void>();
  std::vector<stream::store_request::part> parts;
  parts.reserve(self->parts_.size());
  for (const part& each : self->parts_) {
    parts.push_back({each.statement, bytes_view(self->cells_).subspan(each.begin, each.size)});
  }
  stream::store_request request;
  request.statement = parts.front().statement;
  request.batch = parts;
  request.logged = self->kind_ == batch_kind::logged;
  request.write_timestamp_us = self->written_at_us_ ? self->written_at_us_ : self->write_time_us_;
  internal::submitted wait(self->ctx_.database(), request);
  co_await wait;
  for (const stream::store_request::part& each : parts) each.statement->written(each.cells);
  self->ctx_.answered(request);
  invariant(request.answer.has_value(), "a store completes a request with its answer");
  result<void> written;
  if (*request.answer) {
    self->parts_.clear();
    self->cells_.clear();
  } else {
    written = request.answer->error();
  }
  co_return stream::answer<void>(std::move(written), self->ctx_.duty_for(*request.statement));
}

}  // namespace millrace::cql
