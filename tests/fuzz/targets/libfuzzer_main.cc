// One fuzzer: FUZZ_TARGET names its target.
#include <cstdint>

#include "targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace millrace;
  for (const avro::fuzz::target& one : avro::fuzz::targets) {
    if (one.name == FUZZ_TARGET) one.run({reinterpret_cast<const std::byte*>(data), size});
  }
  return 0;
}
