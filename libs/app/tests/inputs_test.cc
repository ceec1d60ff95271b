// The section `inputs`: what it means for the record engine, and what is refused before anything starts.
#include "inputs.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include <millrace/app/config_commands.h>
#include <millrace/avro/schema.h>
#include <millrace/engine/avro_value.h>
#include <millrace/engine/input.h>
#include <millrace/engine/output.h>
#include <millrace/engine/processor.h>
#include <millrace/simulation/parcel.h>

#include "known_schemas.h"

namespace millrace::app {
namespace {

struct visit {
  std::string_view visitor;
};

}  // namespace
}  // namespace millrace::app

template <>
struct millrace::avro::describe<millrace::app::visit> {
  static type_descriptor type() {
    return record_of<millrace::app::visit>("site.Visit", {field("visitor", &millrace::app::visit::visitor)});
  }
};

namespace millrace::app {
namespace {

namespace fs = std::filesystem;

template <class T>
class reading : public engine::processor<T> {
 public:
  reading(std::string called, const std::string& input) : called_(std::move(called)), input_(input) {}
  [[nodiscard]] std::string_view name() const override { return called_; }
  runtime::task<stream::outcome> process(engine::record<T>, stream::context) override {
    co_return stream::outcome::done();
  }

 private:
  std::string called_;
  engine::input<T> input_;
};

class plain final : public engine::processor<engine::parcel> {
 public:
  runtime::task<stream::outcome> process(engine::record<engine::parcel>, stream::context) override {
    co_return stream::outcome::done();
  }
};

class emitting final : public reading<engine::parcel> {
 public:
  emitting() : reading("emitting", "orders") {}

 private:
  engine::output<engine::parcel> sent_{"sent"};
};

class visits final : public reading<visit> {
 public:
  visits() : reading("visits", "visits") {}
};

engine::processor_factory reads(const std::string& called, const std::string& input) {
  return engine::make<reading<engine::parcel>>(called, input);
}
engine::processor_factory reads_text(const std::string& called, const std::string& input) {
  return engine::make<reading<std::string_view>>(called, input);
}

// A configuration of six lines, to which the test adds.
constexpr std::string_view without_registry =
    "kafka:\n  bootstrap_servers: b:9092\n  group: g\nengine:\n  dead_letter_topic: t-dlq\n";
constexpr std::string_view with_registry = "registry: {urls: ['https://r:8081']}\n";

class inputs_test : public testing::Test {
 protected:
  inputs_test() : folder_(testing::TempDir() + "inputs_" + std::to_string(::getpid())) {
    fs::create_directories(folder_);
  }
  ~inputs_test() override { fs::remove_all(folder_); }

  std::string file(const std::string& name, std::string_view content) const {
    const std::string path = (folder_ / name).string();
    std::ofstream(path) << content;
    return path;
  }
  // "ok", or the diagnostics of `validate`.
  std::string verdict(const engine::processor_set& processors, const std::string& added,
                      std::string_view base = {}) {
    const application app{.name = "post", .processors = processors};
    const std::string text = base.empty() ? std::string(without_registry) + std::string(with_registry) + added
                                          : std::string(base) + added;
    const run_arguments arguments{.config_file = file("config.yaml", text), .set = {}};
    std::ostringstream out;
    std::ostringstream err;
    const int code = validate_config(app, arguments, out, err);
    EXPECT_EQ(code == 0, !out.str().empty()) << err.str();
    return code == 0 ? "ok" : err.str();
  }
  static bool contains(const std::string& text, std::string_view part) {
    const bool found = text.find(part) != std::string::npos;
    EXPECT_TRUE(found) << part << "\n" << text;
    return found;
  }

  const fs::path folder_;
};

TEST_F(inputs_test, TopicsOfInputsReplaceKafkaTopics) {
  EXPECT_EQ(verdict({reads("a", "orders")}, "inputs:\n  - name: orders\n    topics: [orders, orders-eu]\n"),
            "ok");
  EXPECT_TRUE(contains(verdict({engine::make<plain>()}, ""), "`kafka.topics` is required"));
}

TEST_F(inputs_test, AnInputWithoutTopicsIsRefusedAtItsPlace) {
  const std::string said = verdict({reads("a", "orders")}, "inputs:\n  - name: orders\n");
  EXPECT_TRUE(contains(said, "config.yaml:8:"));
  const std::string absent =
      verdict({reads("a", "orders"), reads("b", "refunds")}, "inputs:\n  - name: orders\n    topics: [t]\n");
  EXPECT_TRUE(contains(absent, "config.yaml:7:"));
  EXPECT_TRUE(contains(absent, "processor 'b' reads the input 'refunds', which has no topics"));
  EXPECT_TRUE(contains(absent, "add `- name: refunds`"));
}

TEST_F(inputs_test, AnUnknownFormatIsRefusedWithTheOneThatWasMeant) {
  const std::string said =
      verdict({reads("a", "orders")}, "inputs:\n  - name: orders\n    topics: [t]\n    format: avro-rwa\n");
  EXPECT_TRUE(contains(said, "config.yaml:10:13: error"));
  EXPECT_TRUE(contains(said, "did you mean `avro-raw`?"));
}

TEST_F(inputs_test, ATopicOfTwoInputsWithDifferentFormatsIsRefusedAtItsPlace) {
  const std::string said = verdict(
      {reads("a", "orders"), reads("b", "copies")},
      "inputs:\n  - name: orders\n    topics: [t]\n  - name: copies\n    topics: [u, t]\n    format: text\n");
  EXPECT_TRUE(contains(said, "config.yaml:11:17: error"));
  EXPECT_TRUE(contains(said, "topic 't' is of the inputs 'orders' and 'copies', whose `format` differ"));
}

TEST_F(inputs_test, AnInputThatNoProcessorReadsIsRefusedAtItsPlace) {
  const std::string said =
      verdict({reads("a", "orders")},
              "inputs:\n  - {name: orders, topics: [t]}\n  - name: ordres\n    topics: [u]\n");
  EXPECT_TRUE(contains(said, "config.yaml:9:5: error"));
  EXPECT_TRUE(contains(said, "no processor reads the input 'ordres'"));
  EXPECT_TRUE(contains(said, "the inputs that processors read are: orders"));
}

TEST_F(inputs_test, KafkaTopicsAloneDoNotServeADeclaredInput) {
  const std::string base =
      "kafka:\n  bootstrap_servers: b:9092\n  group: g\n  topics: [t]\nengine:\n  dead_letter_topic: "
      "t-dlq\n" +
      std::string(with_registry);
  EXPECT_EQ(verdict({engine::make<plain>()}, "", base), "ok");
  const std::string said = verdict({reads("a", "orders")}, "", base);
  EXPECT_TRUE(contains(said, "config.yaml:4:3: error"));
  EXPECT_TRUE(contains(said, "reads the input 'orders', which has no topics"));
  EXPECT_EQ(verdict({engine::make<plain>(), reads("a", "orders")},
                    "inputs:\n  - {name: orders, topics: [orders]}\n", base),
            "ok");
  EXPECT_TRUE(contains(verdict({engine::make<plain>()}, "inputs:\n  - {name: default, topics: [u]}\n", base),
                       "are those of `kafka.topics`"));
}

TEST_F(inputs_test, TheRegistryIsNeededWhereSchemasComeFromIt) {
  const std::string text_only = "inputs:\n  - {name: notes, topics: [t], format: text}\n";
  EXPECT_EQ(verdict({reads_text("a", "notes")}, text_only, without_registry), "ok");
  EXPECT_TRUE(contains(
      verdict({reads("a", "orders")}, "inputs:\n  - {name: orders, topics: [t]}\n", without_registry),
      "no `registry` section"));
  EXPECT_TRUE(contains(verdict({engine::make<emitting>()},
                               "inputs:\n  - {name: orders, topics: [t], format: text}\n", without_registry),
                       "no `registry` section"));
}

TEST_F(inputs_test, AFormatThatTheStructIsNotReadFromIsRefused) {
  const std::string said =
      verdict({reads_text("a", "notes")}, "inputs:\n  - {name: notes, topics: [t], format: bytes}\n");
  EXPECT_TRUE(contains(said, "config.yaml:8:"));
  EXPECT_TRUE(contains(said, "cannot be read from bytes"));
}

TEST_F(inputs_test, TheSchemaFileIsReadAndCompiledForTheStruct) {
  const auto with = [this](const std::string& path, const std::string& format) {
    return verdict({reads("a", "orders")}, "inputs:\n  - name: orders\n    topics: [t]\n    format: " +
                                               format + "\n    schema_file: " + path + "\n");
  };
  EXPECT_EQ(with(file("good.avsc", "parcel"), "avro-raw"), "ok");
  EXPECT_TRUE(
      contains(with(file("other.avsc", "letter"), "avro-raw"), "the schema cannot be read as parcel"));
  EXPECT_TRUE(contains(with((folder_ / "absent.avsc").string(), "avro-raw"), "cannot read '"));
  EXPECT_TRUE(
      contains(with(file("good.avsc", "parcel"), "avro"), "is for the formats `avro-raw` and `json`"));
  EXPECT_TRUE(contains(
      verdict({reads("a", "orders")}, "inputs:\n  - {name: orders, topics: [t], format: avro-raw}\n"),
      "the input names no schema"));
}

TEST_F(inputs_test, RecordsDoNotLoopThroughTheTopicsOfInputs) {
  EXPECT_TRUE(contains(verdict({engine::make<emitting>()}, "inputs:\n  - {name: orders, topics: [sent]}\n"),
                       "which is read"));
  EXPECT_TRUE(contains(verdict({reads("a", "orders")}, "inputs:\n  - {name: orders, topics: [t-dlq]}\n"),
                       "the dead-letter topic is also read"));
}

TEST(Inputs, TheConfigurationBecomesOptionsOfTheEngine) {
  const input_refusal refuse = [](const std::string& path, const std::string& message, const std::string&) {
    ADD_FAILURE() << path << ": " << message;
  };
  app_config settings;
  EXPECT_TRUE(inputs_of(settings, refuse).options.empty());
  settings.kafka.topics = {"a", "b"};
  EXPECT_TRUE(inputs_of(settings, refuse).options.empty()) << "every topic is of the input `default`";
  settings.inputs = {{.name = "orders",
                      .topics = {"b", "c"},
                      .format = input_format::avro_single_object,
                      .key_format = input_format::avro,
                      .unmatched = engine::unmatched_policy::skip}};
  EXPECT_EQ(topics_of(settings), (std::vector<std::string>{"a", "b", "c"}));
  const std::vector<engine::input_options> read = inputs_of(settings, refuse).options;
  ASSERT_EQ(read.size(), 2U);
  EXPECT_EQ(read.front().name, "orders");
  EXPECT_EQ(read.front().value.frame, engine::frame_kind::single_object);
  EXPECT_EQ(read.front().key.frame, engine::frame_kind::confluent);
  EXPECT_EQ(read.front().unmatched, engine::unmatched_policy::skip);
  EXPECT_EQ(read.back().name, "default");
  EXPECT_EQ(read.back().topics, (std::vector<std::string>{"a", "b"}));
}

// Notes what it is asked for.
struct asked_schemas final : stream::schemas {
  std::vector<std::string>* asked;
  explicit asked_schemas(std::vector<std::string>& to) : asked(&to) {}
  void fetch(std::int32_t id, stream::schema_receiver&) override { asked->push_back(std::to_string(id)); }
  void fetch_tagged(const stream::schema_tag& tag, stream::schema_receiver&) override {
    asked->push_back(to_string(tag));
  }
  result<std::int32_t> register_schema(std::string_view subject, std::string_view) override {
    asked->emplace_back(subject);
    return 1;
  }
};

struct kept_schema final : stream::schema_receiver {
  std::string text = "none";
  void on_schema(std::int32_t, stream::schema_answer answer) override {
    text = answer ? (*answer)->text : answer.error().to_string();
  }
};

TEST_F(inputs_test, SchemasOfStructsFilesAndSubjectsAreKnownByTheirFingerprint) {
  const std::string in_file = R"({"type":"record","name":"site.Visit","fields":[]})";
  const std::string in_registry = R"({"type":"record","name":"site.Click","fields":[]})";
  app_config settings;
  settings.inputs = {{.name = "visits",
                      .topics = {"t"},
                      .format = input_format::avro_single_object,
                      .schema_files = {file("visit.avsc", in_file)},
                      .subjects = {"clicks-value"}}};
  const auto work = engine::build({engine::make<visits>()});
  ASSERT_TRUE(work) << work.error().to_string();
  const auto known = collect_schemas(
      *work, settings, [&](const std::string& subject) -> result<std::vector<stream::schema_document>> {
        EXPECT_EQ(subject, "clicks-value");
        return std::vector<stream::schema_document>{{.text = in_registry, .references = {}}};
      });
  ASSERT_TRUE(known) << known.error().to_string();
  EXPECT_EQ((*known)->size(), 3U);

  std::vector<std::string> asked;
  const auto port = with_known_schemas(std::make_unique<asked_schemas>(asked), *known);
  kept_schema answer;
  for (const std::string& text : {in_file, in_registry}) {
    port->fetch_tagged(stream::schema_tag::of_fingerprint(avro::schema::parse(text)->fingerprint()), answer);
    EXPECT_EQ(answer.text, text);
  }
  EXPECT_TRUE(asked.empty());
  port->fetch(7, answer);
  port->fetch_tagged(stream::schema_tag::of_fingerprint(1), answer);
  EXPECT_EQ(asked, (std::vector<std::string>{"7", "fingerprint 0000000000000001"}));
}

TEST_F(inputs_test, ASubjectThatCannotBeReadPreventsTheStart) {
  app_config settings;
  settings.inputs = {{.name = "visits", .format = input_format::avro_single_object, .subjects = {"gone"}}};
  const auto work = engine::build({engine::make<visits>()});
  ASSERT_TRUE(work);
  const auto known = collect_schemas(*work, settings,
                                     [](const std::string&) -> result<std::vector<stream::schema_document>> {
                                       return error(errc::registry_unavailable, "no answer");
                                     });
  ASSERT_FALSE(known);
  EXPECT_EQ(known.error().code(), errc::registry_unavailable);
  EXPECT_NE(known.error().to_string().find("subject 'gone'"), std::string::npos);
}

}  // namespace
}  // namespace millrace::app
