// What the text of a statement tells without a server.
#pragma once

#include <string_view>

namespace millrace::cql {

// INSERT, UPDATE or DELETE with an IF clause (a lightweight transaction). Quoted texts and names do not
// count.
[[nodiscard]] bool is_conditional(std::string_view cql);
// SELECT of all columns; count(*) does not count.
[[nodiscard]] bool selects_everything(std::string_view cql);

}  // namespace millrace::cql
