// A large answer as a sequence of pages, with one page in memory at a time.
//
// Example prelude:
//
//   #include <millrace/cql/statement.h>
//   #include <millrace/stream/must.h>
//
//   struct visit {
//     timestamp at;
//     std::string_view url;
//   };
//
//   const cql::statement<cql::pages<visit>(std::string_view visitor)>* select_visits = nullptr;
//
// Example, in a coroutine:
//
//   cql::pages<visit> all = (*select_visits)(ctx, "v1");  // sends nothing yet
//   std::size_t visits = 0;
//   while (true) {
//     const auto page = co_await stream::must(all.next());  // rows<visit>; next() awaits to an answer
//     if (page.empty()) break;                              // the end
//     visits += page.size();
//   }
//   if (visits == 0) co_return error(errc::rejected, "no visits");
//
// A page has up to statement_options::page_rows rows. A page that is kept keeps its memory. Rows that are
// written meanwhile may or may not be seen, as always with paging.
//
// Errors: those of a statement, and errc::limit_exceeded. After an error, next() requests the same page
// again.
// Threads: the worker's thread.
// Lifetime: valid as long as its statement and the context. It must not be moved or destroyed while next() is
// awaited.
#pragma once

#include <cstdint>
#include <utility>

#include <millrace/base/bytes.h>
#include <millrace/cql/statement_base.h>
#include <millrace/runtime/task.h>
#include <millrace/stream/answer.h>
#include <millrace/stream/context.h>

namespace millrace::cql {

// Limit of successive pages without rows, which deleted rows cause.
inline constexpr int empty_pages_max = 10'000;

// The pages of one answer.
template <row_type R>
class pages {
 public:
  pages(const internal::statement_base& of, stream::context ctx, cell_buffer cells)
      : of_(&of), ctx_(ctx), cells_(std::move(cells)) {}

  // Requests the next page. An empty page is the end. Returns errc::limit_exceeded after empty_pages_max
  // pages without a row.
  [[nodiscard]] runtime::task<stream::answer<rows<R>>> next() { return next_of(this); }
  [[nodiscard]] bool finished() const noexcept { return finished_; }

 private:
  static runtime::task<stream::answer<rows<R>>> next_of(pages* self) {
    result<rows<R>> read = rows<R>({}, {});
    for (int skipped = 0; !self->finished_ && read->empty(); ++skipped) {
      if (skipped == empty_pages_max) {
        read = self->of_->too_many_rows();
        break;
      }
      stream::store_request request;
      request.statement = self->of_;
      request.cells = self->cells_.view();
      request.rows_max = 0;
      request.paging_state = self->state_;
      internal::submitted wait(self->ctx_.database(), request);
      co_await wait;
      self->ctx_.answered(request);
      read = self->page_of(request);
      if (!read) break;
    }
    co_return stream::answer<rows<R>>(std::move(read), self->ctx_.duty_for(*self->of_));
  }
  [[nodiscard]] result<rows<R>> page_of(const stream::store_request& request) {
    invariant(request.answer.has_value(), "a store completes a request with its answer");
    if (!*request.answer) return request.answer->error();
    const stream::rows_ref page = **request.answer;
    result<rows<R>> read = internal::decoded_rows<R>(*of_, page);
    if (!read) return read;
    finished_ = !page || !page->has_more_pages;
    if (page) state_.assign(page->paging_state.begin(), page->paging_state.end());
    return read;
  }

  const internal::statement_base* of_;
  stream::context ctx_;
  cell_buffer cells_;
  byte_buffer state_;
  bool finished_ = false;
};

}  // namespace millrace::cql
