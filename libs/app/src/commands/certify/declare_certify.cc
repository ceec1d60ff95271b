#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>

#include "certify_command.h"
#include "commands/built_in.h"

namespace millrace::app {
namespace certify {
namespace {

void declare(CLI::App& command, int& code) {
  auto given = std::make_shared<arguments>();
  command.add_option("--cql", given->cql, "A node of the cluster, as host or host:port")->required();
  command.add_option("--user", given->user, "User name");
  command.add_option("--password-file", given->password_file, "File with the password");
  command.add_flag("--tls", given->tls, "Encrypt connections and verify the servers");
  command.add_option("--ca", given->ca_file,
                     "PEM file of the authorities to trust; the system's when absent");
  command.add_option("--cert", given->certificate_file, "PEM file of the client certificate");
  command.add_option("--key", given->key_file, "PEM file of the client certificate's key");
  command.add_option("--datacenter", given->datacenter,
                     "Datacenter to work in; required when the cluster has several");
  command.add_option("--rack", given->rack, "Preferred rack within the datacenter");
  command.add_option("--keyspace", given->keyspace, "Keyspace that is created, and dropped at the end")
      ->capture_default_str();
  command.add_option(
      "--replication", given->replication,
      "What CREATE KEYSPACE says after `replication =`; up to three copies in the datacenter when "
      "absent");
  command.add_flag("--use-existing", given->use_existing,
                   "Use the keyspace as it is: tables certify_* are created in it, and dropped at the end");
  command.add_flag("--keep", given->keep, "Drop nothing at the end");
  command.add_option("--seconds", given->seconds, "Longest time of each of the four groups of phases")
      ->capture_default_str()
      ->check(CLI::Range(1, 60));
  command.add_option("--output", given->output, "File of the report; standard output when absent");
  command.add_flag("--json", given->json, "Write the report as JSON, in place of Markdown");
  command.callback([given, &code] { code = run_certify(*given, terminal{std::cout, std::cerr}); });
}

}  // namespace
}  // namespace certify

command certify_command() {
  return {"certify", "Prove on a cluster of yours that the database client works with it", certify::declare};
}

}  // namespace millrace::app
