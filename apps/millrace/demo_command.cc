#include "demo_command.h"

#include <memory>

#include <CLI/CLI.hpp>

#include "demo/demo.h"

namespace millrace {
namespace {

void declare_demo(CLI::App& self, int& code) {
  auto given = std::make_shared<demo::demo_arguments>();
  self.add_option("--duration", given->duration_seconds, "Duration in seconds")
      ->capture_default_str()
      ->check(CLI::Range(4, 86'400));
  self.add_option("--rate", given->rate, "Offered records per second")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  self.add_option("--slow-for", given->slow_seconds,
                  "Seconds with a slow database, in the middle; a quarter of the duration when absent")
      ->check(CLI::Range(1, 86'400));
  self.add_option("--seed", given->seed, "Seed of the generated records")->capture_default_str();
  self.add_option("--in-flight", given->in_flight_max, "Maximum number of records in flight")
      ->capture_default_str()
      ->check(CLI::Range(1, 100'000));
  self.add_option(
          "--port", given->port,
          "Port of the application's admin endpoint; 9464 when absent, or a free one when it is in use")
      ->check(CLI::Range(1, 65'535));
  self.add_option("--control-port", given->control_port,
                  "Port of the demo's controls; a free one when absent")
      ->check(CLI::Range(1, 65'535));
  self.add_option("--set", given->set,
                  "Override a setting of the application: section.key=value (repeatable)")
      ->allow_extra_args(false);
  self.add_option("--json", given->json_file, "Write the results to this file");
  self.add_flag("--verbose", given->verbose, "Keep the configuration and the log of the application");
  self.callback([given, &code] { code = demo::run_demo(*given); });
}

}  // namespace

app::command demo_command() {
  return {"demo", "Run the navigation example on an embedded environment and verify it while it runs",
          declare_demo};
}

}  // namespace millrace
