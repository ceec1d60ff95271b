// An application: a name and its processors. The library adds configuration, workers, admin endpoint, signals
// and exit codes.
//
// Example, at namespace scope:
//
//   #include <millrace/simulation/parcel.h>
//
//   class count final : public engine::processor<engine::parcel> {
//     runtime::task<stream::outcome> process(engine::record<engine::parcel>, stream::context) override {
//       co_return stream::outcome::done();
//     }
//   };
//
//   int run_counter() {
//     return app::run({.name = "counter", .processors = {engine::make<count>()}}, {.config_file = "config.yaml", .set = {}});
//   }
//
// Exit codes:
//
//   exit code  meaning
//   0          stopped on request; everything in flight was finished and committed
//   1          stopped by a failure, or records will be processed again: abandoned at the drain deadline, or
//              finished and not committed
//   78         the configuration cannot be used (EX_CONFIG of sysexits.h)
//
// Threads: the main thread, which must be the only one when run() is called.
// Errors: messages go to standard error; the exit code is the result.
#pragma once

#include <string>
#include <vector>

#include <millrace/app/application_settings.h>
#include <millrace/app/command.h>
#include <millrace/base/result.h>
#include <millrace/engine/processor.h>

namespace millrace::app {

// The application.
struct application {
  std::string name;
  std::string version = "0.0.0";
  engine::processor_set processors = {};
  std::vector<command> commands = {};  // of its own, beside commands_of
  // Of its own, in the section `app` of the configuration, and the processors that need them.
  application_settings settings = {};
};

struct app_config;

// Returns the processors of an application: those that need no settings, and those that are made from the
// settings in `from`. errc::config_invalid when making them throws.
[[nodiscard]] result<engine::processor_set> processors_of(const application& app, const app_config& from);

// Arguments of a run.
struct run_arguments {
  std::string config_file;
  std::vector<std::string> set;  // "section.key=value", over the file and the environment
};

// Runs until SIGTERM or SIGINT (drain; a second signal aborts) or a failure, and returns the exit code.
// Blocks these signals in the calling thread.
[[nodiscard]] int run(const application& app, const run_arguments& arguments);

// Reads and checks the configuration as run() does before it reaches a server, prints the errors, and returns the
// exit code.
[[nodiscard]] int validate(const application& app, const run_arguments& arguments);

// The command line of an application: commands_of, the commands of its own, `help` and `version`. Returns the
// exit code.
int main(int argc, char** argv, const application& app);

}  // namespace millrace::app
