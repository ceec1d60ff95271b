#include "processors.h"

int main(int argc, char** argv) {
  return millrace::main(
      argc, argv, {.name = "relay", .version = "1.0.0", .processors = {millrace::make<relay_test::relay>()}});
}
