#include "processors.h"

int main(int argc, char** argv) {
  return millrace::main(
      argc, argv,
      {.name = "recorder", .version = "1.0.0", .processors = {millrace::make<recorder_test::recorder>()}});
}
