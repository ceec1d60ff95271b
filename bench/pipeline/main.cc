// The parts of `./dev bench pipeline` that are C++: the servers, Millrace as it is measured, and the limits.
// run.py starts each as a process of its own.
#include <cstdio>
#include <string>

#include <CLI/CLI.hpp>

#include "contestants.h"
#include "environment.h"
#include "limits.h"

int main(int argc, char** argv) {
  using namespace millrace;
  CLI::App cli("The C++ parts of ./dev bench pipeline", "bench_pipeline");
  cli.require_subcommand(1);
  CLI::App* servers =
      cli.add_subcommand("environment", "A schema registry and a CQL server, told by lines what to do");

  app::run_arguments run;
  const auto application = [&](const char* name, const char* what) {
    CLI::App* command = cli.add_subcommand(name, what);
    command->add_option("config", run.config_file)->required();
    command->add_option("--set", run.set);
    return command;
  };
  CLI::App* visit = application("visit", "SELECT and INSERT");
  CLI::App* cached = application("cached", "A lookup and INSERT");
  CLI::App* memory = application("memory", "Lookups in memory");
  CLI::App* idle = application("idle", "A processor that does nothing");

  std::string brokers, topic, group;
  std::uint64_t records = 0;
  const auto limit = [&](const char* name, const char* what) {
    CLI::App* command = cli.add_subcommand(name, what);
    command->add_option("brokers", brokers)->required();
    command->add_option("topic", topic)->required();
    command->add_option("group", group)->required();
    command->add_option("records", records)->required();
    return command;
  };
  CLI::App* consume = limit("consume", "librdkafka only");
  CLI::App* decode = limit("decode", "librdkafka and the decoder");
  CLI11_PARSE(cli, argc, argv);

  if (visit->parsed()) return app::run(bench::visit_application(), run);
  if (cached->parsed()) return app::run(bench::cached_application(), run);
  if (memory->parsed()) return app::run(bench::memory_application(), run);
  if (idle->parsed()) return app::run(bench::idle_application(), run);
  if (consume->parsed()) return bench::consume_only(brokers, topic, group, records, false);
  if (decode->parsed()) return bench::consume_only(brokers, topic, group, records, true);
  if (!servers->parsed()) return 2;
  bench::environment here;
  if (auto started = here.start(); !started) {
    std::fprintf(stderr, "bench_pipeline: %s\n", started.error().to_string().c_str());
    return 1;
  }
  return here.serve();
}
