#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <millrace/app/config_commands.h>
#include <millrace/cql/lookup.h>
#include <millrace/engine/output.h>
#include <millrace/engine/processor.h>
#include <millrace/simulation/parcel.h>
#include <millrace/statement/metric.h>

namespace millrace::app {
namespace {

namespace fs = std::filesystem;

std::string content(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// Reads the database and emits to one output.
class relay final : public engine::processor<engine::parcel> {
 public:
  runtime::task<stream::outcome> process(engine::record<engine::parcel>, stream::context) override {
    co_return stream::outcome::done();
  }

 private:
  cql::lookup<std::int64_t(std::string_view)> prices_{"prices", "SELECT price FROM price WHERE item = ?", {}};
  engine::output<engine::parcel> relayed_{"relayed"};
};

class other final : public engine::processor<engine::parcel> {
 public:
  runtime::task<stream::outcome> process(engine::record<engine::parcel>, stream::context) override {
    co_return stream::outcome::done();
  }
};

// A configuration file in a folder of its own, and what the commands print about it.
class config_commands : public testing::Test {
 protected:
  static constexpr const char* smallest =
      "kafka:\n  bootstrap_servers: b:9092\n  group: g\n  topics: [t]\nengine:\n  dead_letter_topic: t-dlq\n";

  static constexpr const char* servers = "registry: {urls: ['https://r:8081']}\ncql: {contact_points: [a]}\n";

  config_commands() : folder_(testing::TempDir() + "config_commands_" + std::to_string(::getpid())) {
    fs::create_directories(folder_);
    arguments_.config_file = (folder_ / "config.yaml").string();
  }
  ~config_commands() override {
    fs::remove_all(folder_);
    ::unsetenv("MILLRACE__KAFKA__INSTANCE_ID");
  }
  void write(const std::string& text) const { std::ofstream(arguments_.config_file) << text; }
  int show() { return print_config(application_, config_document::show, arguments_, out_, err_); }
  // The comment behind a setting of `config show`.
  std::string origin_of(const std::string& line_start) const {
    const std::string text = out_.str();
    const std::size_t at = text.find("\n" + line_start);
    const std::size_t hash = text.find("# ", at);
    return at == std::string::npos ? "absent" : text.substr(hash + 2, text.find('\n', hash) - hash - 2);
  }

  // What `validate` prints about the file; "FILE: ok" when it accepts it.
  std::string verdict_on(const std::string& text) {
    write(text);
    std::ostringstream out;
    std::ostringstream err;
    const int code = validate_config(application_, arguments_, out, err);
    EXPECT_EQ(code, out.str().empty() ? 78 : 0) << err.str();
    return out.str() + err.str();
  }

  const application application_{.name = "relay", .processors = {engine::make<relay>()}};
  const fs::path folder_;
  run_arguments arguments_;
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(config_commands, ShowNamesTheOriginOfEachValue) {
  write(smallest);
  ::setenv("MILLRACE__KAFKA__INSTANCE_ID", "pod-1", 1);
  arguments_.set = {"engine.order=key"};
  ASSERT_EQ(show(), 0) << err_.str();
  EXPECT_EQ(origin_of("  group: g"), arguments_.config_file + ":3");
  EXPECT_EQ(origin_of("  topics: [t]"), arguments_.config_file + ":4");
  EXPECT_EQ(origin_of("  instance_id: pod-1"), "MILLRACE__KAFKA__INSTANCE_ID");
  EXPECT_EQ(origin_of("  order: key"), "--set engine.order");
  EXPECT_EQ(origin_of("  start_from: earliest"), "default");
}

TEST_F(config_commands, ShowReadsBackAsTheSameConfiguration) {
  write(std::string(smallest) + "registry: {urls: ['https://r:8081']}\ncql: {contact_points: [a]}\n");
  ASSERT_EQ(show(), 0) << err_.str();
  const std::string shown = out_.str();
  write(shown);
  out_.str("");
  ASSERT_EQ(show(), 0) << err_.str();
  const auto values = [](const std::string& text) {
    std::istringstream lines(text);
    std::string kept;
    for (std::string line; std::getline(lines, line);) kept += line.substr(0, line.rfind("# ")) + "\n";
    return kept;
  };
  EXPECT_EQ(values(out_.str()), values(shown));
}

TEST_F(config_commands, NoOutputHoldsASecretOrThePasswordOfAUrl) {
  write(std::string(smallest) + "admin: {token: canary-4f1c}\n");
  ASSERT_EQ(show(), 0) << err_.str();
  write(std::string(smallest) + "registry:\n  urls: ['https://ann:canary-4f1c@r:8081']\n");
  EXPECT_EQ(show(), 78);
  EXPECT_NE(err_.str().find("config.yaml:8:10: error"), std::string::npos) << err_.str();
  EXPECT_EQ((out_.str() + err_.str()).find("canary-4f1c"), std::string::npos) << out_.str() << err_.str();
}

TEST_F(config_commands, NoExcerptHoldsThePasswordOfAUrl) {
  const std::string url = "http://alice:canary-4f1c@host:1";
  const std::string registry = std::string(smallest) + "registry:\n  urls: ['http://r:8081']\n";
  for (const std::string& lines :
       {"registry:\n  urls: ['" + url + "']\n", "tracing:\n  endpoint: " + url + "\n",
        "registry:\n  urls: ['http://r:8081']\n  proxy: {url: '" + url + "'}\n",
        "registry:\n  urls: ['http://r:8081']\n  oauth: {token_url: '" + url +
            "', client_id: a, client_secret: b}\n"}) {
    err_.str("");
    write(std::string(smallest) + lines);
    EXPECT_EQ(show(), 78) << lines;
    EXPECT_NE(err_.str().find(" | "), std::string::npos) << "the line is shown\n" << err_.str();
    EXPECT_NE(err_.str().find("***"), std::string::npos) << err_.str();
    EXPECT_EQ((out_.str() + err_.str()).find("canary-4f1c"), std::string::npos) << err_.str();
  }
}

TEST_F(config_commands, ValidateRefusesWhatTheStartRefusesWithoutAServer) {
  const std::string whole = std::string(smallest) + servers;
  EXPECT_EQ(verdict_on(whole), arguments_.config_file + ": ok\n");
  const auto refused = [&](const std::string& text, const std::string& named) {
    const std::string verdict = verdict_on(text);
    return verdict.find("error[") != std::string::npos && verdict.find(named) != std::string::npos
               ? std::string()
               : text + " gives: " + verdict;
  };
  const std::string outputs = std::string(smallest) + "  outputs: ";
  EXPECT_EQ(refused(outputs + "{relayed: t}\n" + servers, "which is read: the records would loop"), "");
  EXPECT_EQ(refused(outputs + "{relayed: t-dlq}\n" + servers, "which is the dead-letter topic"), "");
  EXPECT_EQ(refused(outputs + "{relaid: x}\n" + servers, "'relaid', which is not an output"), "");
  EXPECT_EQ(refused(whole + "lookups: [{name: price}]\n", "which the application does not declare"), "");
  EXPECT_EQ(
      refused(whole + "lookups: [{name: prices, bytes_max: 1GiB}]\n", "exceeds half of `engine.memory_max`"),
      "");
  EXPECT_EQ(refused(whole + "tracing: {ca_file: /nonexistent/ca.pem}\n", "cannot use the CA file"), "");
  EXPECT_EQ(refused(std::string(smallest) +
                        "registry:\n  urls: [https://r:8081]\n  ca_file: /nonexistent/ca.pem\n" +
                        "cql: {contact_points: [a]}\n",
                    "cannot read '/nonexistent/ca.pem'"),
            "");
  EXPECT_EQ(refused(smallest, "no `registry` section"), "");
  EXPECT_EQ(refused(std::string(smallest) + "registry: {urls: ['https://r:8081']}\n", "no `cql` section"),
            "");
}

class misnamed final : public engine::processor<engine::parcel> {
  runtime::task<stream::outcome> process(engine::record<engine::parcel>, stream::context) override {
    co_return stream::outcome::done();
  }
  statements::counter orders_{"orders", "Orders."};
};

TEST_F(config_commands, ValidateRefusesAPolicyOfAProcessorThatDoesNotExistWithASuggestion) {
  const std::string text = std::string(smallest) + "  processors: [{name: relai, rate_max: 5}]\n" + servers;
  EXPECT_NE(verdict_on(text).find("`engine.processors` has 'relai', which is not a processor (did you mean "
                                  "'relay'?); the processors of the application are: relay"),
            std::string::npos)
      << verdict_on(text);
  const std::string disabled =
      std::string(smallest) + "  processors: [{name: relay, enabled: false}]\n" + servers;
  EXPECT_NE(verdict_on(disabled).find("every processor is disabled"), std::string::npos);
}

TEST_F(config_commands, SettingsOfAProcessorThatIsDisabledMayStay) {
  const application two{.name = "two", .processors = {engine::make<relay>(), engine::make<other>()}};
  write(std::string(smallest) +
        "  processors: [{name: relay, enabled: false}]\n  outputs: {relayed: elsewhere}\n" + servers +
        "lookups: [{name: prices, ttl: 1s}]\n");
  std::ostringstream out;
  std::ostringstream err;
  EXPECT_EQ(validate_config(two, arguments_, out, err), 0) << err.str();
}

TEST_F(config_commands, ValidateRefusesASubjectNamingOfAnOutputThatDoesNotExist) {
  const std::string text = std::string(smallest) +
                           "registry: {urls: ['https://r:8081'], subject_naming_of: {relaid: record}}\n"
                           "cql: {contact_points: [a]}\n";
  EXPECT_NE(verdict_on(text).find("`registry.subject_naming_of` has 'relaid', which is not an output"),
            std::string::npos)
      << verdict_on(text);
}

TEST_F(config_commands, ValidateRefusesAMetricThatBreaksARule) {
  write(std::string(smallest) + servers);
  const application wrong{.name = "wrong", .processors = {engine::make<misnamed>()}};
  EXPECT_EQ(validate_config(wrong, arguments_, out_, err_), 78);
  EXPECT_NE(err_.str().find("processor 'misnamed': metric 'orders': a counter's name ends in _total"),
            std::string::npos)
      << err_.str();
}

// Takes tombstones.
class forget final : public engine::processor<engine::parcel> {
 public:
  runtime::task<stream::outcome> process(engine::record<engine::parcel>, stream::context) override {
    co_return stream::outcome::done();
  }
  runtime::task<stream::outcome> deleted(engine::deletion, stream::context) override {
    co_return stream::outcome::done();
  }
};

TEST_F(config_commands, ValidateRefusesToProcessTombstonesThatNoProcessorTakes) {
  const std::string text = std::string(smallest) + "  tombstones: process\n" + servers;
  const std::string verdict = verdict_on(text);
  EXPECT_NE(verdict.find("`engine.tombstones` is `process`, but no processor of the application overrides "
                         "`deleted()`; override it, or set `engine.tombstones` to auto, skip or dead_letter"),
            std::string::npos)
      << verdict;
  write(text);
  const application taking{.name = "relay", .processors = {engine::make<relay>(), engine::make<forget>()}};
  EXPECT_EQ(validate_config(taking, arguments_, out_, err_), 0) << err_.str();
}

TEST_F(config_commands, ValidateRefusesASizeThatTheClientRefuses) {
  const std::string verdict = verdict_on(
      "kafka:\n  bootstrap_servers: b:9092\n  group: g\n  topics: [t]\n  fetch_bytes_max: 4GiB\nengine:\n  "
      "dead_letter_topic: t-dlq\n");
  EXPECT_NE(verdict.find("config.yaml:5:20: error[out_of_range]"), std::string::npos) << verdict;
}

TEST_F(config_commands, AFormerNameIsAcceptedWithAWarningAndFixedInTheFile) {
  const std::string former = std::string(smallest) + "  stuck_after: 20s  # twice the default\n" + servers;
  write(former);
  ASSERT_EQ(::chmod(arguments_.config_file.c_str(), 0640), 0);
  EXPECT_EQ(validate_config(application_, arguments_, out_, err_), 0) << err_.str();
  EXPECT_NE(err_.str().find("`stuck_after` is renamed to `stall_timeout`"), std::string::npos) << err_.str();
  EXPECT_EQ(content(arguments_.config_file), former);
  err_.str("");
  EXPECT_EQ(fix_config(application_, arguments_, out_, err_), 0);
  EXPECT_EQ(err_.str(), "");
  EXPECT_NE(out_.str().find(":7: renamed `engine.stuck_after` to `engine.stall_timeout`"), std::string::npos)
      << out_.str();
  EXPECT_EQ(content(arguments_.config_file),
            std::string(smallest) + "  stall_timeout: 20s  # twice the default\n" + servers);
  EXPECT_EQ(fs::status(arguments_.config_file).permissions(), fs::perms(0640));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(config_commands, AFileThatIsNotYamlIsExplainedAndLeftAsItWas) {
  write("kafka: [\n");
  EXPECT_EQ(fix_config(application_, arguments_, out_, err_), 78);
  EXPECT_NE(err_.str().find("bad_syntax"), std::string::npos) << err_.str();
  EXPECT_EQ(content(arguments_.config_file), "kafka: [\n");
  arguments_.config_file += ".absent";
  EXPECT_EQ(fix_config(application_, arguments_, out_, err_), 78);
}

TEST_F(config_commands, ValidateWithASchemaChecksTheStatements) {
  write(std::string(smallest) +
        "registry: {urls: ['https://r:8081']}\ncql: {contact_points: [a], keyspace: shop}\n");
  const std::string schema = (folder_ / "schema.cql").string();
  const auto verdict = [&](const std::string& text) {
    std::ofstream(schema) << text;
    out_.str("");
    err_.str("");
    return validate_config(application_, arguments_, out_, err_, schema);
  };
  EXPECT_EQ(verdict("CREATE TABLE price (item text PRIMARY KEY, price bigint);"), 0) << err_.str();
  EXPECT_NE(out_.str().find(schema + ": ok"), std::string::npos);
  EXPECT_EQ(verdict("CREATE TABLE price (item text PRIMARY KEY, prize bigint);"), 78);
  EXPECT_NE(err_.str().find("has no column 'price'; did you mean 'prize'?"), std::string::npos) << err_.str();
  EXPECT_EQ(verdict("CREATE TABLE price\n(item txt PRIMARY KEY);"), 78);
  EXPECT_NE(err_.str().find(schema + ":2:7"), std::string::npos) << err_.str();
}

TEST(ConfigReference, IsTheCommittedDocument) {
  EXPECT_EQ(config_reference(), content(fs::path(MILLRACE_SOURCE_DIR) / "docs/reference/configuration.md"))
      << "run ./dev generate";
}

}  // namespace
}  // namespace millrace::app
