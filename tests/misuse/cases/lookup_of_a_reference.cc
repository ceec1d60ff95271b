// expect: lookup<R(key...)>: R is a row by value
#include "vocabulary.h"

#ifdef MISUSE
const lookup<const profile&(std::string_view)> profiles{"profiles",
                                                        "SELECT segment, score FROM profile WHERE id = ?"};
#else
const lookup<profile(std::string_view)> profiles{"profiles",
                                                 "SELECT segment, score FROM profile WHERE id = ?"};
#endif
