// expect: a coroutine has a parameter of type const T& or T&&
#include "vocabulary.h"

#ifdef MISUSE
class lengths {
 public:
  task<int> of(const std::vector<int>& all) const { co_return static_cast<int>(all.size()) + base_; }

 private:
  int base_ = 0;
};
#else
class lengths {
 public:
  task<int> of(std::vector<int> all) const { co_return static_cast<int>(all.size()) + base_; }

 private:
  int base_ = 0;
};
#endif
