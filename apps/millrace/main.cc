// The program `millrace`: the navigation example, the demo and tools.

#include <millrace/app/application.h>
#include <millrace/workload/navigation.h>

#include "check/check.h"
#include "codegen.h"
#include "demo_command.h"
#include "dev_command.h"
#include "new/new_app.h"

int main(int argc, char** argv) {
  using namespace millrace;
  const app::application& navigation = workload::navigation_application();
  return app::run_program(
      {"millrace",
       MILLRACE_VERSION,
       "Process Avro records from Kafka into ScyllaDB, Cassandra and Kafka, at least once",
       app::commands_of(navigation),
       {new_app::new_command(), codegen_command(), check::check_command(), demo_command(), dev_command()}},
      argc, argv);
}
