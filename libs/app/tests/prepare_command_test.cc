#include "commands/prepare/prepare_command.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include <millrace/cql/statement.h>
#include <millrace/emulators/cql_emulator.h>
#include <millrace/emulators/mock_kafka.h>
#include <millrace/emulators/registry_double.h>
#include <millrace/engine/output.h>
#include <millrace/engine/processor.h>
#include <millrace/simulation/parcel.h>

namespace millrace {

// What the output holds; its schema is one that a registry accepts.
struct receipt {};

template <>
struct engine::value_traits<receipt> {
  static std::string_view schema_text() { return R"({"type": "string"})"; }
  static result<void> encode(const receipt&, byte_buffer&) { return {}; }
};

}  // namespace millrace

namespace millrace::app::provisioning {
namespace {

namespace fs = std::filesystem;

class forward final : public engine::processor<engine::parcel> {
 public:
  runtime::task<stream::outcome> process(engine::record<engine::parcel>, stream::context) override {
    co_return stream::outcome::done();
  }

 private:
  cql::statement<void(std::string_view, std::int64_t)> insert_{
      "INSERT INTO parcel (word, number) VALUES (?, ?)"};
  engine::output<receipt> sent_{"sent"};
};

constexpr const char* schema = R"(
CREATE KEYSPACE IF NOT EXISTS post WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1};
CREATE TABLE parcel (word text PRIMARY KEY, number bigint, note text);
)";

class prepare_command_test : public testing::Test {
 protected:
  prepare_command_test() : folder_(testing::TempDir() + "prepare_command_" + std::to_string(::getpid())) {
    fs::create_directories(folder_);
    given_.run.config_file = (folder_ / "config.yaml").string();
    given_.schema = (folder_ / "schema.cql").string();
    std::ofstream(given_.schema) << schema;
  }
  ~prepare_command_test() override { fs::remove_all(folder_); }

  void start_servers() {
    auto kafka = emulators::mock_kafka::start();
    auto registry = emulators::registry_double::start();
    auto database = emulators::cql_emulator::start();
    ASSERT_TRUE(kafka && registry && database);
    kafka_ = std::move(*kafka);
    registry_ = std::move(*registry);
    database_ = std::move(*database);
    write(kafka_->bootstrap_servers(), registry_->url(), database_->contact_point());
  }
  void write(const std::string& brokers, const std::string& registry, const std::string& node) const {
    std::ofstream(given_.run.config_file)
        << "kafka: {bootstrap_servers: '" << brokers << "', group: post, topics: [parcels]}\n"
        << "registry: {urls: ['" << registry << "']}\n"
        << "cql: {contact_points: ['" << node << "'], keyspace: post, consistency: ONE}\n"
        << "engine: {dead_letter_topic: parcels-dlq, outputs: {sent: parcels-sent}}\n";
  }
  int prepare() {
    out_.str("");
    err_.str("");
    return run(application_, given_, out_, err_);
  }
  // The state of the first line about a thing.
  std::string state_of(const std::string& name) {
    std::istringstream lines(out_.str());
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string state;
      std::string kind;
      std::string named;
      words >> state >> kind >> named;
      if (!line.starts_with(' ') && named == name) return state;
    }
    return "not there";
  }

  const application application_{.name = "post", .processors = {engine::make<forward>()}};
  const fs::path folder_;
  arguments given_;
  std::ostringstream out_;
  std::ostringstream err_;
  std::unique_ptr<emulators::mock_kafka> kafka_;
  std::unique_ptr<emulators::registry_double> registry_;
  std::unique_ptr<emulators::cql_emulator> database_;
};

TEST_F(prepare_command_test, everything_that_is_missing_is_named_at_once_with_what_makes_it) {
  start_servers();
  ASSERT_TRUE(kafka_->create_topic("parcels", 3));
  EXPECT_EQ(prepare(), 1) << out_.str() << err_.str();
  EXPECT_EQ(state_of("parcels"), "present");
  EXPECT_EQ(state_of("parcels-sent"), "missing");
  EXPECT_EQ(state_of("parcels-dlq"), "missing");
  EXPECT_EQ(state_of("post"), "missing") << out_.str();
  EXPECT_EQ(state_of("post.parcel"), "missing");
  EXPECT_NE(out_.str().find("--create --topic parcels-dlq"), std::string::npos) << out_.str();
  EXPECT_NE(out_.str().find("CREATE TABLE post.parcel (word"), std::string::npos) << out_.str();
  EXPECT_NE(out_.str().find("registered by the start"), std::string::npos) << out_.str();
  EXPECT_NE(err_.str().find("--create"), std::string::npos);
}

TEST_F(prepare_command_test, create_makes_tables_and_subjects_once) {
  start_servers();
  for (const char* topic : {"parcels", "parcels-sent", "parcels-dlq"})
    ASSERT_TRUE(kafka_->create_topic(topic, 1));
  given_.how.create = true;
  EXPECT_EQ(prepare(), 0) << out_.str() << err_.str();
  EXPECT_EQ(state_of("post.parcel"), "created") << out_.str();
  EXPECT_EQ(state_of("parcels-sent-value"), "created") << out_.str();
  EXPECT_TRUE(database_->table("post", "parcel"));
  EXPECT_EQ(prepare(), 0) << out_.str() << err_.str();
  EXPECT_EQ(state_of("post.parcel"), "present") << "the second run changes nothing";
  EXPECT_EQ(state_of("parcels-sent-value"), "present");
}

TEST_F(prepare_command_test, a_column_that_a_table_lacks_is_added) {
  start_servers();
  for (const char* topic : {"parcels", "parcels-sent", "parcels-dlq"})
    ASSERT_TRUE(kafka_->create_topic(topic, 1));
  ASSERT_TRUE(database_->execute(
      "CREATE KEYSPACE post WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"));
  ASSERT_TRUE(database_->execute("CREATE TABLE post.parcel (word text PRIMARY KEY, number bigint)"));
  EXPECT_EQ(prepare(), 1);
  EXPECT_EQ(state_of("post.parcel.note"), "missing") << out_.str();
  EXPECT_NE(out_.str().find("ALTER TABLE post.parcel ADD note text"), std::string::npos);
  given_.how.create = true;
  EXPECT_EQ(prepare(), 0) << out_.str() << err_.str();
  EXPECT_EQ(state_of("post.parcel.note"), "created");
}

TEST_F(prepare_command_test, a_server_that_does_not_answer_is_a_finding_and_the_others_are_looked_at) {
  start_servers();
  for (const char* topic : {"parcels", "parcels-sent", "parcels-dlq"})
    ASSERT_TRUE(kafka_->create_topic(topic, 1));
  write(kafka_->bootstrap_servers(), registry_->url(), "127.0.0.1:1");
  EXPECT_EQ(prepare(), 1);
  EXPECT_EQ(state_of("parcels-dlq"), "present");
  EXPECT_EQ(state_of("post.parcel"), "unknown") << out_.str();
}

TEST_F(prepare_command_test, the_list_needs_no_server) {
  write("none:9092", "http://none", "none");
  given_.list = true;
  EXPECT_EQ(prepare(), 0) << err_.str();
  EXPECT_EQ(out_.str(),
            "topic\tparcels\tinput\ntopic\tparcels-sent\toutput sent\ntopic\tparcels-dlq\tdead letters\n"
            "subject\tparcels-sent-value\toutput sent\n");
}

TEST_F(prepare_command_test, a_schema_that_does_not_fit_is_refused_before_a_server_is_reached) {
  write("none:9092", "http://none", "none");
  std::ofstream(given_.schema) << "CREATE TABLE parcel (word text PRIMARY KEY, numbers bigint);";
  EXPECT_EQ(prepare(), 78);
  EXPECT_NE(err_.str().find("did you mean 'numbers'?"), std::string::npos) << err_.str();
}

}  // namespace
}  // namespace millrace::app::provisioning
