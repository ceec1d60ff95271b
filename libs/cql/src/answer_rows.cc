#include "answer_rows.h"

#include <cstring>
#include <utility>

#include <millrace/runtime/frame_pool.h>

namespace millrace::cql {
namespace {

void fill_in(stream::rows_owner& rows, const answer_parts& from) {
  rows.row_count = from.row_count;
  rows.column_count = from.column_count;
  rows.has_more_pages = !from.paging_state.empty();
}

// One block, the bytes behind the object.
class copied_page final : public stream::rows_owner {
 public:
  [[nodiscard]] static copied_page* make(const answer_parts& from, statements::byte_account* account) {
    const std::size_t bytes = sizeof(copied_page) + from.cells.size() + from.paging_state.size();
    return new (runtime::allocate_frame(bytes)) copied_page(bytes, from, account);
  }

 private:
  copied_page(std::size_t bytes, const answer_parts& from, statements::byte_account* account)
      : bytes_(bytes), account_(account), columns_(from.columns) {
    auto* behind = reinterpret_cast<std::byte*>(this + 1);
    if (!from.cells.empty()) std::memcpy(behind, from.cells.data(), from.cells.size());
    cells = {behind, from.cells.size()};
    behind += from.cells.size();
    if (!from.paging_state.empty()) {
      std::memcpy(behind, from.paging_state.data(), from.paging_state.size());
    }
    paging_state = {behind, from.paging_state.size()};
    fill_in(*this, from);
    if (columns_) columns = *columns_;
  }
  ~copied_page() {
    if (account_ != nullptr) account_->let_go(bytes_);
  }
  void destroy() noexcept override {
    const std::size_t bytes = bytes_;
    this->~copied_page();
    runtime::free_frame(this, bytes);
  }

  std::size_t bytes_;
  statements::byte_account* account_;
  shared_columns columns_;
};

class joined_pages final : public stream::rows_owner {
 public:
  joined_pages(byte_buffer bytes, const answer_parts& last, statements::byte_account* account)
      : bytes_(std::move(bytes)), account_(account) {
    cells = bytes_;
    fill_in(*this, last);
  }

 private:
  ~joined_pages() {
    if (account_ != nullptr) account_->let_go(bytes_.size());
  }
  void destroy() noexcept override { delete this; }

  byte_buffer bytes_;
  statements::byte_account* account_;
};

// Smaller answers are not worth the shared counter.
constexpr std::size_t accounted_bytes_min = 64U << 10U;

// False: the budget is used up.
bool hold(std::size_t bytes, statements::byte_account*& account) {
  if (account == nullptr || bytes < accounted_bytes_min) {
    account = nullptr;
    return true;
  }
  return account->try_hold(bytes);
}

}  // namespace

result<stream::rows_ref> copied_rows(const answer_parts& from, statements::byte_account* account) {
  const std::size_t bytes = sizeof(copied_page) + from.cells.size() + from.paging_state.size();
  if (!hold(bytes, account)) return no_memory(bytes);
  return stream::rows_ref(copied_page::make(from, account));
}

result<stream::rows_ref> joined_rows(byte_buffer cells, const answer_parts& last,
                                     statements::byte_account* account) {
  const std::size_t bytes = cells.size();
  if (!hold(bytes, account)) return no_memory(bytes);
  return stream::rows_ref(new joined_pages(std::move(cells), last, account));
}

error no_memory(std::size_t bytes) {
  return {errc::db_overloaded,
          "an answer of " + std::to_string(bytes) +
              " bytes does not fit what is left of `engine.memory_max`; read it by pages "
              "(pages<R>, page_rows), or raise the limit"};
}

}  // namespace millrace::cql
