#include "processors.h"

int main(int argc, char** argv) {
  return millrace::main(
      argc, argv,
      {.name = "orders", .version = ORDERS_VERSION, .processors = {millrace::make<orders::event_writer>()}});
}
