#include <unistd.h>

#include <millrace/base/file_descriptor.h>

namespace millrace {

bool file_descriptor::close() noexcept {
  const int number = release();
  return number < 0 || ::close(number) == 0;
}

}  // namespace millrace
