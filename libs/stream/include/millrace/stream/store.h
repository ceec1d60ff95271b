// The port to the database (SELECT, INSERT), implemented by libs/cql over the driver and by the simulation.
// One per worker, on its thread. Cells are in CQL wire form: int32 big-endian length (-1 null, -2 unset) and
// the bytes.
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

// Rows as they came from the server. Counted by intrusive reference: rows outlive the request, and may be
// shared.
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
  std::span<const statements::column>
      columns;  // only of statements with IF, whose answers vary: "[applied]" first

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

// One request. Lives in the awaiting coroutine's frame until completed; the store completes every submitted
// request exactly once, also at shutdown (errc::cancelled), so the frame is never destroyed before.
struct store_request {
  const statements::statement_declaration* statement = nullptr;
  bytes_view cells;                                // the bound values; valid until completion
  std::optional<std::int64_t> write_timestamp_us;  // USING TIMESTAMP of a write, set by the driver protocol
  // Pages are joined until there are so many rows; with 0 the answer is the page itself.
  std::uint32_t rows_max = 5'000;
  bytes_view paging_state;  // of the page before; valid until completion
  // An unlogged batch: its statements, all on one partition; valid until completion. `statement` is the
  // first's, `cells` is empty.
  struct part {
    const statements::statement_declaration* statement;
    bytes_view cells;
  };
  std::span<const part> batch;
  // Filled by the store, which then calls on_complete on the worker's loop:
  std::optional<result<rows_ref>> answer;
  void (*on_complete)(store_request&) = nullptr;
  std::coroutine_handle<> waiting;
};

class store {
 public:
  store() = default;
  store(const store&) = delete;
  store& operator=(const store&) = delete;
  virtual ~store() = default;

  // Start-up only; blocks up to the session's timeout. Prepares and runs declaration.check().
  [[nodiscard]] virtual result<void> prepare(statements::statement_declaration& declaration) = 0;
  // Never blocks: requests of a turn go out together at its end.
  virtual void submit(store_request& request) = 0;
  [[nodiscard]] virtual std::size_t in_flight() const noexcept = 0;
};

}  // namespace millrace::stream
