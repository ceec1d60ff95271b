// Rows as processors see them, in memory of their own: copied out of a connection's buffer.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <millrace/base/bytes.h>
#include <millrace/statement/lookup.h>
#include <millrace/stream/store.h>

namespace millrace::cql {

using shared_columns = std::shared_ptr<const std::vector<statements::column>>;

// What an answer consists of. `account` (null: none) is charged for the rows as long as they are held.
struct answer_parts {
  bytes_view cells = {};
  std::uint32_t row_count = 0;
  std::uint32_t column_count = 0;
  bytes_view paging_state = {};  // empty: the last page
  shared_columns columns = {};   // of statements with IF
};

// errc::db_overloaded when the account has no room.
// One page, in one block.
[[nodiscard]] result<stream::rows_ref> copied_rows(const answer_parts& from,
                                                   statements::byte_account* account);
// The cells of several pages, whose last page is `last`; no paging state is kept.
[[nodiscard]] result<stream::rows_ref> joined_rows(byte_buffer cells, const answer_parts& last,
                                                   statements::byte_account* account);
[[nodiscard]] error no_memory(std::size_t bytes);

}  // namespace millrace::cql
