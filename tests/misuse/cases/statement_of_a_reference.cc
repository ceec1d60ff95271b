// expect: statement<R(Args...)>: R is a row by value
#include "vocabulary.h"

#ifdef MISUSE
const statement<const profile&(std::string_view)> select_profile{
    "SELECT segment, score FROM profile WHERE id = ?"};
#else
const statement<profile(std::string_view)> select_profile{"SELECT segment, score FROM profile WHERE id = ?"};
#endif
