#include <fstream>
#include <iterator>

#include <fmt/format.h>

#include <millrace/base/text.h>
#include <millrace/cql/session.h>
#include <millrace/cql/statement.h>

#include "certify_command.h"
#include "cluster.h"
#include "keyspace.h"
#include "phases.h"
#include "report.h"
#include "worker.h"

namespace millrace::app::certify {
namespace {

constexpr std::uint16_t default_port = 9042;
constexpr std::size_t warnings_shown = 10;

// The port of host:port, of [address]:port, and of a host without one.
result<std::uint16_t> port_of(const std::string& point) {
  const std::size_t colon = point.rfind(':');
  const bool plain_v6 = point.find(':') != colon && point.front() != '[';
  if (colon == std::string::npos || plain_v6 || point.back() == ']') return default_port;
  unsigned port = 0;
  for (const char each : point.substr(colon + 1)) {
    if (each < '0' || each > '9')
      return error(errc::config_invalid, "'" + point + "' has no number as its port");
    port = port * 10 + static_cast<unsigned>(each - '0');
    if (port > UINT16_MAX) break;
  }
  if (port == 0 || port > UINT16_MAX) return error(errc::config_invalid, "'" + point + "' has no valid port");
  return static_cast<std::uint16_t>(port);
}

result<secret> password_of(const std::string& file) {
  if (file.empty()) return secret();
  std::ifstream in(file);
  if (!in) return error(errc::config_invalid, "the password file " + file + " cannot be read");
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  secret out(text);
  wipe(text);
  return out;
}

// Names go into statements as they are.
result<void> check_keyspace_name(const std::string& name) {
  constexpr std::size_t length_max = 48;
  const bool plain = name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
  if (name.empty() || name.size() > length_max || !plain || name.front() < 'a') {
    return error(errc::config_invalid,
                 "the keyspace '" + name +
                     "' must be up to 48 small letters, digits and '_', beginning with one of a to z");
  }
  return {};
}

result<cql::session_options> options_of(const arguments& given) {
  if (given.cql.empty()) return error(errc::config_invalid, "--cql names no host");
  if (auto named = check_keyspace_name(given.keyspace); !named) return named.error();
  auto password = password_of(given.password_file);
  if (!password) return password.error();
  if (given.user.empty() != given.password_file.empty()) {
    return error(errc::config_invalid, "--user and --password-file belong together");
  }
  const bool files = !given.ca_file.empty() || !given.certificate_file.empty() || !given.key_file.empty();
  if (files && !given.tls) return error(errc::config_invalid, "TLS files are named without --tls");
  if (!given.rack.empty() && given.datacenter.empty()) {
    return error(errc::config_invalid, "--rack needs --datacenter");
  }
  cql::session_options out;
  out.contact_points = {given.cql};
  out.user = given.user;
  out.password = std::move(*password);
  out.tls = given.tls;
  out.ca_file = given.ca_file;
  out.certificate_file = given.certificate_file;
  out.key_file = given.key_file;
  out.datacenter = given.datacenter;
  out.rack = given.rack;
  out.client_timestamps = true;
  out.unauthorized_after = milliseconds(0);  // a missing permission is to be named at once
  out.application_name = "millrace certify";
  return out;
}

void report_access(const arguments& given, report& to) {
  to.add(given.tls ? verdict::pass : verdict::note, "TLS",
         given.tls ? "every connection is encrypted, and the servers are verified" : "not used");
  to.add(given.user.empty() ? verdict::note : verdict::pass, "credentials",
         given.user.empty() ? "none given" : "the servers accepted them");
}

void report_failures(const tallies& counts, const cql::session& of, report& to) {
  to.begin("Failures and warnings");
  const auto failures = counts.failures();
  std::vector<std::string> texts;
  texts.reserve(failures.size());
  for (const auto& [code, each] : failures) {
    texts.push_back(fmt::format("{}: {} (first: {})", to_string(code), each.count, each.first));
  }
  to.check(failures.empty(), "failures by code", texts.empty() ? "none" : joined(texts, "; "));
  const auto warnings = counts.warnings();
  texts.clear();
  for (const auto& [text, count] : warnings) {
    if (texts.size() < warnings_shown) texts.push_back(fmt::format("{} times: {}", count, text));
  }
  to.add(verdict::note, "warnings of the servers", texts.empty() ? "none" : joined(texts, "; "));
  const cql::session::statistics all = of.stats();
  to.check(all.panics == 0, "defects contained", fmt::format("{}", all.panics));
  to.add(verdict::note, "requests",
         fmt::format(
             "{} sent; {} deadlines passed, {} sent to a second node, {} prepared again, {} refused for a "
             "node's limit",
             all.requests, all.client_timeouts, all.next_node, all.prepared_again, all.refused));
}

struct condition_statement {
  explicit condition_statement(const run& in)
      : claim(in.text("UPDATE {}.certify_claim SET holder = ? WHERE id = ? IF EXISTS")) {}
  cql::statement<cql::applied<>(std::string_view, std::string_view)> claim;
};

// Versions of ScyllaDB have no conditions where there are tablets.
std::optional<error> refusal_of_conditions(const run& in) {
  const auto with = in.main.declare<condition_statement>(in);
  if (!with) return with.error();
  const auto done = in.main.finish((*with)->claim(in.main.context(), "holder", "nobody"));
  if (done || done.error().code() != errc::db_invalid) return std::nullopt;
  return done.error();
}

// Everything between the first connection and the end of the keyspace.
class certification {
 public:
  certification(const arguments& given, const cql::session_options& options, std::uint16_t port,
                const terminal& to)
      : given_(given), options_(options), port_(port), to_(to) {}

  [[nodiscard]] result<void> all(report& into);

 private:
  void say(std::string_view what) const { to_.err << "certify: " << what << "...\n" << std::flush; }
  [[nodiscard]] result<void> connect();
  void phases(const own_keyspace& keyspace, report& into);

  const arguments& given_;
  const cql::session_options& options_;
  std::uint16_t port_;
  const terminal& to_;
  tallies counts_;
  std::unique_ptr<cql::session> session_;
  std::unique_ptr<worker> worker_;
  cluster_facts cluster_;
};

result<void> certification::connect() {
  say("connecting to " + given_.cql);
  auto opened = cql::session::open(options_);
  if (!opened) return opened.error();
  session_ = std::move(*opened);
  auto attached = worker::attach(*session_, counts_);
  if (!attached) return attached.error();
  worker_ = std::move(*attached);
  auto cluster = read_cluster(*worker_, *session_, options_, port_);
  if (!cluster) return cluster.error().in("the system tables");
  cluster_ = std::move(*cluster);
  const auto names = cluster_.datacenters();
  if (given_.datacenter.empty() && names.size() > 1) {
    return error(errc::config_invalid,
                 "the cluster has the datacentres " +
                     joined(std::vector<std::string>(names.begin(), names.end()), ", ") +
                     "; choose one with --datacenter");
  }
  return {};
}

void certification::phases(const own_keyspace& keyspace, report& into) {
  run in{given_, *session_, *worker_, cluster_, keyspace, into, {}};
  in.no_conditions = refusal_of_conditions(in);
  if (in.no_conditions)
    into.add(verdict::note, "conditions", "the server refuses them: " + in.no_conditions->message());
  say("routing");
  certify_routing(in);
  say("schema changes");
  certify_schema_changes(in);
  say("values");
  certify_values(in);
  say("latencies");
  certify_latencies(in);
}

result<void> certification::all(report& into) {
  if (auto connected = connect(); !connected) return connected;
  into.begin("Cluster");
  report_cluster(cluster_, options_, into);
  report_access(given_, into);
  report_connections(cluster_, *worker_, *session_, options_, into);
  say("making the keyspace " + given_.keyspace);
  const auto keyspace = own_keyspace::make(*worker_, *session_, cluster_, given_);
  if (!keyspace) return keyspace.error();
  keyspace->describe(into);
  phases(*keyspace, into);
  report_failures(counts_, *session_, into);
  if (given_.keep) {
    into.add(verdict::note, "keyspace kept", given_.keyspace);
    return {};
  }
  const auto dropped = keyspace->drop(*worker_, *session_);
  into.check(dropped.ok(), "keyspace dropped", dropped ? given_.keyspace : dropped.error().to_string());
  return {};
}

int write_report(const arguments& given, const report& from, const terminal& to) {
  const std::string about =
      fmt::format("Cluster at {}, {} s for each group of phases.", given.cql, given.seconds);
  const std::string text = given.json ? from.to_json(about) : from.to_markdown(about);
  if (given.output.empty()) {
    to.out << text;
  } else {
    std::ofstream out(given.output);
    out << text;
    if (!out.flush()) {
      to.err << "certify: cannot write " << given.output << "\n";
      return exit_failure;
    }
  }
  for (const finding& each : from.all()) {
    if (each.is == verdict::fail) to.err << "certify: FAIL " << each.what << ": " << each.text << "\n";
  }
  return from.count(verdict::fail) == 0 ? exit_ok : exit_failure;
}

}  // namespace

std::string run::text(std::string_view cql) const { return fmt::format(fmt::runtime(cql), keyspace.name()); }

int run_certify(const arguments& given, const terminal& to) {
  const auto refuse = [&to](const error& why) {
    to.err << "certify: " << why.to_string() << "\n";
    return why.code() == errc::config_invalid ? exit_config : exit_failure;
  };
  const auto options = options_of(given);
  if (!options) return refuse(options.error());
  const auto port = port_of(given.cql);
  if (!port) return refuse(port.error());
  report found;
  certification work(given, *options, *port, to);
  if (const auto done = work.all(found); !done) return refuse(done.error());
  return write_report(given, found, to);
}

}  // namespace millrace::app::certify
