#include "processors.h"

int main(int argc, char** argv) {
  return millrace::main(argc, argv,
                        {.name = "ratings",
                         .version = "1.0.0",
                         .settings = millrace::settings_of(
                             ratings::rating_spec(), [](const ratings::rating_settings& settings) {
                               return millrace::processor_set{millrace::make<ratings::ratings>(settings)};
                             })});
}
