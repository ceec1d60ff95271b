// expect: lookup<R(key...)>: a lookup has a key
#include "vocabulary.h"

#ifdef MISUSE
const lookup<profile()> profiles{"profiles", "SELECT segment, score FROM profile"};
#else
const lookup<profile(std::string_view)> profiles{"profiles",
                                                 "SELECT segment, score FROM profile WHERE id = ?"};
#endif
