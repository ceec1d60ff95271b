// expect: a parameter of a statement, or a field of its row, has a type without CQL mapping
// names: when
#include "vocabulary.h"

#ifdef MISUSE
struct when {
  virtual ~when() = default;
};
struct visit_row {
  std::string_view url;
  when at;
};
const statement<visit_row(std::string_view)> select_visit{"SELECT url, at FROM visit WHERE id = ?"};
#else
struct visit_row {
  std::string_view url;
  timestamp at;
};
const statement<visit_row(std::string_view)> select_visit{"SELECT url, at FROM visit WHERE id = ?"};
#endif
