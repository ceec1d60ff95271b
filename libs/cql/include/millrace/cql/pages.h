// A wide answer as a stream of pages, with one page in memory at a time.
//
//   statement<pages<visit>(std::string_view visitor)> select_visits_{"SELECT ... WHERE visitor_id = ?"};
//
//   pages<visit> all = select_visits_(ctx, nav->visitor_id);     // asks for nothing yet
//   while (true) {
//     auto page = co_await all.next();                           // result<rows<visit>>
//     if (!page) co_return page.error();
//     if (page->empty()) break;                                  // the end, and only the end
//     for (const visit& each : *page) ...
//   }
//
// A page has up to statement_options::page_rows rows. A page that is kept keeps its memory. After an error,
// next() asks for the same page again. Rows that are written meanwhile may or may not be seen, as always with
// paging.
//
// Lifetime: valid as long as its statement and the context. Not to be moved or destroyed while next() is
// awaited.
#pragma once

#include <cstdint>
#include <utility>

#include <millrace/base/bytes.h>
#include <millrace/cql/statement_base.h>
#include <millrace/runtime/task.h>
#include <millrace/stream/context.h>

namespace millrace::cql {

// Pages without rows (deleted ones take their room) that are skipped in a row before that is an error.
inline constexpr int empty_pages_max = 10'000;

template <row_type R>
class pages {
 public:
  pages(const internal::statement_base& of, stream::context ctx, cell_buffer cells)
      : of_(&of), ctx_(ctx), cells_(std::move(cells)) {}

  // No rows: there are no more. errc::limit_exceeded after empty_pages_max pages without a row.
  [[nodiscard]] runtime::task<result<rows<R>>> next() { return next_of(this); }
  [[nodiscard]] bool finished() const noexcept { return finished_; }

 private:
  static runtime::task<result<rows<R>>> next_of(pages* self) {
    for (int skipped = 0; !self->finished_ && skipped < empty_pages_max; ++skipped) {
      stream::store_request request;
      request.statement = self->of_;
      request.cells = self->cells_.view();
      request.rows_max = 0;
      request.paging_state = self->state_;
      internal::submitted wait(self->ctx_.database(), request);
      co_await wait;
      self->ctx_.resumed();
      invariant(request.answer.has_value(), "a store completes a request with its answer");
      if (!*request.answer) co_return request.answer->error();
      const stream::rows_ref page = **request.answer;
      result<rows<R>> read = internal::decoded_rows<R>(*self->of_, page);
      if (!read) co_return read;
      self->finished_ = !page || !page->has_more_pages;
      if (page) self->state_.assign(page->paging_state.begin(), page->paging_state.end());
      if (!read->empty()) co_return read;
    }
    if (!self->finished_) co_return self->of_->too_many_rows();
    co_return rows<R>({}, {});
  }

  const internal::statement_base* of_;
  stream::context ctx_;
  cell_buffer cells_;
  byte_buffer state_;
  bool finished_ = false;
};

}  // namespace millrace::cql
