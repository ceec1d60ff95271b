// expect: statement<R(Args...)>: the type of an argument has no CQL mapping
// names: price
#include "vocabulary.h"

#ifdef MISUSE
struct price {
  int euros;
  int cents;
};
using insert = statement<void(std::string_view, price)>;
const insert insert_price{"INSERT INTO price (id, amount) VALUES (?, ?)"};
#else
using insert = statement<void(std::string_view, std::int64_t)>;
const insert insert_price{"INSERT INTO price (id, amount) VALUES (?, ?)"};
#endif
