// Loads of typed statements, from the call in a coroutine to the decoded answer, and the server that they ask.
//
//   bench_cql serve                          an emulator with the tables and rows; see serve.h
//   bench_cql load ADDRESS KIND N M          N requests with M in flight; prints their CPU time as JSON
//   bench_cql steady ADDRESS --in-flight M   INSERTs until standard input ends; prints samples
//
// run.py starts each in a process of its own, so that the CPU time and the memory of the loads are theirs alone.

#include <cstdint>
#include <map>
#include <string>

#include <CLI/CLI.hpp>

#include "load.h"
#include "serve.h"
#include "steady.h"

namespace millrace::bench {
namespace {

const std::map<std::string, load_kind> kinds{{"insert", load_kind::insert},
                                             {"select", load_kind::select},
                                             {"conditional", load_kind::conditional},
                                             {"traced", load_kind::traced},
                                             {"batch", load_kind::batch}};

void add_serve(CLI::App& app, serve_options& into) {
  auto* command = app.add_subcommand("serve", "an emulator, until standard input ends");
  command->add_option("--nodes", into.nodes)->check(CLI::Range(1, 16));
  command->add_option("--shards", into.shards);
  command->add_option("--tokens", into.tokens_per_node);
  command->add_option("--replication", into.replication);
  command->add_option("--tls-certificate", into.tls_certificate);
  command->add_option("--tls-key", into.tls_key);
  command->add_option("--note", into.note);
  command->add_option_function<std::int64_t>(
      "--insert-latency-us", [&into](std::int64_t us) { into.insert_latency = microseconds(us); });
}

void add_connection(CLI::App& command, client_options& into) {
  command.add_option("address", into.address)->required();
  command.add_option("--keyspace", into.keyspace);
  command.add_option("--tls-ca", into.tls_ca);
  command.add_option_function<std::string>("--compression", [&into](const std::string&) { into.lz4 = true; })
      ->check(CLI::IsMember({"lz4"}));
  command.add_option_function<std::int64_t>("--timeout-ms",
                                            [&into](std::int64_t ms) { into.timeout = milliseconds(ms); });
}

void add_load(CLI::App& app, load_options& into) {
  auto* command = app.add_subcommand("load", "the CPU time of a request");
  add_connection(*command, into.connect);
  command->add_option("kind", into.kind)->required()->transform(CLI::CheckedTransformer(kinds));
  command->add_option("requests", into.requests)->required();
  command->add_option("in_flight", into.in_flight)->required();
  command->add_option("--rows", into.rows, "of a batch");
  command->add_option("--note", into.note);
}

void add_steady(CLI::App& app, steady_options& into) {
  auto* command = app.add_subcommand("steady", "INSERTs, until standard input ends");
  add_connection(*command, into.connect);
  command->add_option("--in-flight", into.in_flight)->required();
  command->add_option("--value-bytes", into.value_bytes);
  command->add_option_function<std::int64_t>(
      "--sample-ms", [&into](std::int64_t ms) { into.sample_every = milliseconds(ms); });
}

int run(int argc, char** argv) {
  CLI::App app{"Loads of typed statements."};
  app.require_subcommand(1);
  serve_options serving;
  load_options loading;
  steady_options running;
  add_serve(app, serving);
  add_load(app, loading);
  add_steady(app, running);
  CLI11_PARSE(app, argc, argv);
  if (app.got_subcommand("load")) return load(loading);
  if (app.got_subcommand("steady")) return steady(running);
  return serve(serving);
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) { return millrace::bench::run(argc, argv); }
