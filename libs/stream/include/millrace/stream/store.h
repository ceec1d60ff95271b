// The port to the database (SELECT, INSERT), implemented by libs/cql and by the simulation. Cells are in CQL
// wire form: an int32 big-endian length (-1 null, -2 unset) and the bytes.
//
// Example, at namespace scope:
//
//   // `request` and `answered` stay alive until the answer arrives.
//   void submit(stream::store& database, stream::store_request& request) {
//     request.on_complete = [](stream::store_request& done) {
//       invariant(done.answer.has_value(), "a store completes a request with its answer");
//     };
//     database.submit(request);
//   }
//
// Threads: one object per worker, on its thread.
#pragma once

#include <coroutine>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <millrace/base/bytes.h>
#include <millrace/base/clock.h>
#include <millrace/base/result.h>
#include <millrace/statement/declaration.h>

namespace millrace::stream {

// Rows in the server's form, counted by intrusive reference. Rows outlive the request and may be shared.
class rows_owner {
 public:
  rows_owner() = default;
  rows_owner(const rows_owner&) = delete;
  rows_owner& operator=(const rows_owner&) = delete;

  bytes_view cells;  // row after row, cell after cell, each with its int32 length
  std::uint32_t row_count = 0;
  std::uint32_t column_count = 0;
  bool has_more_pages = false;
  bytes_view paging_state;  // with has_more_pages: where the next page begins
  // Only of statements with IF, whose answers vary: "[applied]" first.
  std::span<const statements::column> columns;

  void retain() noexcept { ++references_; }
  void release() noexcept {
    if (--references_ == 0) destroy();
  }

 protected:
  ~rows_owner() = default;
  virtual void destroy() noexcept = 0;

 private:
  std::uint32_t references_ = 0;
};

// A counted reference to rows; empty for a statement without rows.
class rows_ref {
 public:
  rows_ref() = default;
  explicit rows_ref(rows_owner* owner) noexcept : owner_(owner) {
    if (owner_ != nullptr) owner_->retain();
  }
  rows_ref(const rows_ref& other) noexcept : rows_ref(other.owner_) {}
  rows_ref(rows_ref&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
  rows_ref& operator=(rows_ref other) noexcept {
    std::swap(owner_, other.owner_);
    return *this;
  }
  ~rows_ref() {
    if (owner_ != nullptr) owner_->release();
  }
  [[nodiscard]] explicit operator bool() const noexcept { return owner_ != nullptr; }
  [[nodiscard]] const rows_owner* operator->() const noexcept { return owner_; }

 private:
  rows_owner* owner_ = nullptr;
};

// One request. It lives in the frame of the awaiting coroutine until completed. The store completes every
// submitted request exactly once, also at shutdown (errc::cancelled), so the frame is never destroyed before.
struct store_request {
  const statements::statement_declaration* statement = nullptr;
  bytes_view cells;                                // the bound values; valid until completion
  std::optional<std::int64_t> write_timestamp_us;  // USING TIMESTAMP of a write, set by the driver protocol
  // Pages are joined until they hold this many rows. With 0 the answer is one page.
  std::uint32_t rows_max = 5'000;
  bytes_view paging_state;  // of the page before; valid until completion
  // A batch: its statements; valid until completion. `statement` is the first one's and `cells` is empty. All are of
  // one partition of one table, unless the batch is logged.
  struct part {
    const statements::statement_declaration* statement;
    bytes_view cells;
  };
  std::span<const part> batch;
  bool logged = false;
  // Filled in by the store, which then calls on_complete on the worker's loop.
  std::optional<result<rows_ref>> answer;
  void (*on_complete)(store_request&) = nullptr;
  // Of a store that passes requests on to another: it sets on_complete to its own while it does, and restores both.
  void* relay = nullptr;
  std::coroutine_handle<> waiting;
};

// The port.
class store {
 public:
  store() = default;
  store(const store&) = delete;
  store& operator=(const store&) = delete;
  virtual ~store() = default;

  // Prepares a statement and runs declaration.check(). Start-up only; blocks up to the session's timeout.
  // Errors: errc::db_type_mismatch from check(), errc::db_invalid when the server refuses the statement, and
  // the errors of a request.
  [[nodiscard]] virtual result<void> prepare(statements::statement_declaration& declaration) = 0;
  // Sends a request; `request` stays valid until its completion. Never blocks: the requests of a turn are
  // sent together at its end.
  virtual void submit(store_request& request) = 0;
  // Returns the number of requests that are not completed.
  [[nodiscard]] virtual std::size_t in_flight() const noexcept = 0;
};

}  // namespace millrace::stream
