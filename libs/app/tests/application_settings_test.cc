// Settings of an application: the section `app` of its configuration.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <millrace/app/application.h>
#include <millrace/app/command_line.h>
#include <millrace/app/config_commands.h>
#include <millrace/app/exit_code.h>
#include <millrace/base/byte_size.h>
#include <millrace/base/secret.h>
#include <millrace/simulation/parcel.h>
#include <millrace/simulation/processor_runner.h>
#include <millrace/statement/metric.h>

namespace millrace::app {
namespace {

namespace fs = std::filesystem;
using config::field;
using engine::parcel;

enum class carrier { road, rail };

struct express_settings {
  milliseconds within{3'600'000};
};

struct post_settings {
  std::int64_t weight_max = 30;
  carrier by = carrier::road;
  std::vector<std::string> refused = {};
  secret stamp = {};
  express_settings express = {};
  std::string metric = "parcels_total";
};

const config::spec<post_settings>& post_spec() {
  static const config::spec<express_settings> express{
      field(&express_settings::within, "within").doc("Time to the receiver.")};
  static const config::spec<post_settings> declared =
      config::spec<post_settings>{
          field(&post_settings::weight_max, "weight_max")
              .range(1, 1'000)
              .doc("Heaviest parcel, in kilograms."),
          field(&post_settings::by, "by")
              .choices({{"road", carrier::road}, {"rail", carrier::rail}})
              .doc("Carrier."),
          field(&post_settings::refused, "refused").doc("Words that are refused."),
          field(&post_settings::stamp, "stamp").doc("Secret of the stamp."),
          config::section(&post_settings::express, "express", express).doc("Express parcels."),
          field(&post_settings::metric, "metric").doc("Name of the counter."),
      }
          .check([](const post_settings& value, config::findings& found) {
            if (value.by == carrier::rail && value.weight_max < 5)
              found.error("weight_max", "rail takes parcels of 5 kg and more", "raise it, or use road");
          });
  return declared;
}

// Refuses what is too heavy.
class weigh final : public engine::processor<parcel> {
 public:
  explicit weigh(const post_settings& settings)
      : weight_max_(settings.weight_max), weighed_(settings.metric, "Parcels.") {
    if (settings.refused == std::vector<std::string>{"everything"}) throw std::runtime_error("nothing to do");
  }

  runtime::task<stream::outcome> process(engine::record<parcel> p, stream::context) override {
    weighed_.add();
    if (p->number > weight_max_) co_return stream::outcome::dead_letter("too heavy");
    co_return stream::outcome::done();
  }

 private:
  std::int64_t weight_max_;
  statements::counter weighed_;
};

class plain final : public engine::processor<parcel> {
 public:
  runtime::task<stream::outcome> process(engine::record<parcel>, stream::context) override {
    co_return stream::outcome::done();
  }
};

application post() {
  return {.name = "post",
          .processors = {engine::make<plain>()},
          .settings = settings_of(post_spec(), [](const post_settings& settings) {
            if (settings.refused == std::vector<std::string>{"all"})
              throw std::invalid_argument("nobody sends");
            return engine::processor_set{engine::make<weigh>(settings)};
          })};
}

constexpr const char* smallest =
    "kafka:\n  bootstrap_servers: b:9092\n  group: g\n  topics: [t]\nengine:\n  dead_letter_topic: t-dlq\n"
    "registry: {urls: ['https://r:8081']}\n";

class application_settings_test : public testing::Test {
 protected:
  application_settings_test()
      : folder_(testing::TempDir() + "application_settings_" + std::to_string(::getpid())) {
    fs::create_directories(folder_);
    arguments_.config_file = (folder_ / "config.yaml").string();
  }
  ~application_settings_test() override {
    fs::remove_all(folder_);
    ::unsetenv("MILLRACE__APP__WEIGHT_MAX");
    ::unsetenv("MILLRACE__APP__EXPRESS__WITHIN");
  }
  void write(const std::string& own) const { std::ofstream(arguments_.config_file) << smallest << own; }
  // The settings as read; fails the test when they are refused.
  post_settings read(const std::string& own) {
    write(own);
    std::ostringstream problems;
    const auto loaded = load_config(post_, arguments_, problems);
    EXPECT_TRUE(loaded) << problems.str();
    return loaded ? *static_cast<const post_settings*>(loaded->value.application.get()) : post_settings();
  }
  // What `validate` prints.
  std::string verdict_on(const std::string& own) {
    write(own);
    std::ostringstream out;
    std::ostringstream err;
    const int code = validate_config(post_, arguments_, out, err);
    EXPECT_EQ(code, out.str().empty() ? exit_config : exit_ok) << err.str();
    return out.str() + err.str();
  }
  std::string shown() {
    std::ostringstream out;
    std::ostringstream err;
    EXPECT_EQ(print_config(post_, config_document::show, arguments_, out, err), exit_ok) << err.str();
    return out.str();
  }
  static std::string lacks(const std::string& text, std::string_view part) {
    return text.find(part) == std::string::npos ? text + " does not have: " + std::string(part) : "";
  }

  const application post_ = post();
  const fs::path folder_;
  run_arguments arguments_;
};

TEST_F(application_settings_test, AreReadFromTheFileTheEnvironmentAndFlags) {
  EXPECT_EQ(read("").weight_max, 30) << "the default";
  ::setenv("MILLRACE__APP__WEIGHT_MAX", "12", 1);
  ::setenv("MILLRACE__APP__EXPRESS__WITHIN", "2m", 1);
  arguments_.set = {"app.by=rail"};
  const post_settings all = read("app:\n  weight_max: 7\n  refused: [bomb, snake]\n  by: road\n");
  EXPECT_EQ(all.weight_max, 12);
  EXPECT_EQ(all.by, carrier::rail);
  EXPECT_EQ(all.refused, (std::vector<std::string>{"bomb", "snake"}));
  EXPECT_EQ(all.express.within, std::chrono::minutes(2));
}

TEST_F(application_settings_test, AWrongOneIsRefusedWithItsPlaceAndASuggestion) {
  EXPECT_EQ(verdict_on("app: {weight_max: 7}\n"), arguments_.config_file + ": ok\n");
  EXPECT_EQ(lacks(verdict_on("app:\n  wieght_max: 7\n"), "config.yaml:9:3: error[unknown_key]"), "");
  EXPECT_EQ(lacks(verdict_on("app:\n  wieght_max: 7\n"), "did you mean `weight_max`?"), "");
  EXPECT_EQ(lacks(verdict_on("app:\n  weight_max: 0\n"), "config.yaml:9:15: error[out_of_range]"), "");
  EXPECT_EQ(lacks(verdict_on("app:\n  by: sea\n"), "`app.by` must be one of road, rail"), "");
  EXPECT_EQ(lacks(verdict_on("app:\n  by: rail\n  weight_max: 2\n"), "rail takes parcels of 5 kg and more"),
            "");
  arguments_.set = {"app.weight_min=5"};
  EXPECT_EQ(lacks(verdict_on(""), "unknown setting `weight_min` in `app`"), "");
}

TEST_F(application_settings_test, ShowNamesTheOriginAndMasksSecrets) {
  write("app:\n  weight_max: 7\n  stamp: canary-4f1c\n");
  const std::string text = shown();
  EXPECT_EQ(lacks(text, "\napp:\n  weight_max: 7"), "");
  EXPECT_EQ(lacks(text, "config.yaml:9\n"), "");
  EXPECT_EQ(lacks(text, "  stamp: \"***\""), "");
  EXPECT_EQ(text.find("canary-4f1c"), std::string::npos) << text;
}

TEST_F(application_settings_test, ReferenceAndSchemaDescribeThem) {
  const std::string reference = config_reference(post_.settings);
  EXPECT_EQ(lacks(reference, "\n## `app`\n"), "");
  EXPECT_EQ(
      lacks(reference, "| `weight_max` | integer | `30` | 1 to 1000 | Heaviest parcel, in kilograms. |"), "");
  EXPECT_EQ(lacks(reference, "\n## `app.express`\n"), "");
  const auto schema = nlohmann::json::parse(config_schema(post_.settings));
  EXPECT_TRUE(schema["properties"]["app"]["properties"].contains("weight_max"));
  EXPECT_EQ(config_reference().find("`app`"), std::string::npos);
}

TEST_F(application_settings_test, ProcessorsAreMadeFromThem) {
  write("app: {weight_max: 7}\n");
  std::ostringstream problems;
  const auto loaded = load_config(post_, arguments_, problems);
  ASSERT_TRUE(loaded) << problems.str();
  const auto made = processors_of(post_, loaded->value);
  ASSERT_TRUE(made) << made.error().to_string();
  const auto built = engine::build(*made);
  ASSERT_TRUE(built) << built.error().to_string();
  ASSERT_EQ(built->all.size(), 2U);
  EXPECT_EQ(built->all[0]->name(), "plain");
  EXPECT_EQ(built->all[1]->name(), "weigh");
}

TEST_F(application_settings_test, AProcessorThatCannotBeMadeFromThemIsRefused) {
  EXPECT_EQ(lacks(verdict_on("app: {refused: [all]}\n"),
                  "the function that makes the processors from the settings threw: std::invalid_argument: "
                  "nobody sends"),
            "");
  EXPECT_EQ(lacks(verdict_on("app: {refused: [everything]}\n"), "the constructor of processor 'weigh' threw"),
            "");
  EXPECT_EQ(lacks(verdict_on("app: {metric: parcels}\n"), "processor 'weigh': metric 'parcels'"), "");
}

TEST_F(application_settings_test, AnApplicationWithoutThemHasNoSectionApp) {
  write("app: {weight_max: 7}\n");
  const application none{.name = "none", .processors = {engine::make<plain>()}};
  std::ostringstream out;
  std::ostringstream err;
  EXPECT_EQ(validate_config(none, arguments_, out, err), exit_config);
  EXPECT_EQ(lacks(err.str(), "config.yaml:8:1: error[unknown_key]: unknown key `app`"), "");
}

// `millrace lag` and `millrace dlq` on the file of any application.
TEST_F(application_settings_test, ACommandThatDoesNotNeedThemPassesThemOver) {
  write("app: {weight_max: [nonsense], anything: {at: all}}\n");
  ::setenv("MILLRACE__APP__WEIGHT_MAX", "12", 1);
  arguments_.set = {"app.anything=1"};
  std::ostringstream problems;
  const auto loaded = load_config(arguments_, problems);
  ASSERT_TRUE(loaded) << problems.str();
  EXPECT_EQ(loaded->value.kafka.group, "g");
  EXPECT_EQ(problems.str(), "");
}

TEST_F(application_settings_test, TheMetricsOfProcessorsThatTheyMakeAreInTheCatalogue) {
  const program of{"post", "1.0.0", "Parcels", commands_of(post_), {}};
  const auto names = [&](std::vector<std::string> words) {
    std::vector<char*> all;
    all.reserve(words.size());
    for (std::string& word : words) all.push_back(word.data());
    testing::internal::CaptureStdout();
    EXPECT_EQ(run_program(of, static_cast<int>(all.size()), all.data()), exit_ok);
    std::vector<std::string> own;
    const auto read = nlohmann::json::parse(testing::internal::GetCapturedStdout());
    for (const auto& each : read["metrics"]) {
      if (each.value("application", false)) own.push_back(each["name"]);
    }
    return own;
  };
  EXPECT_EQ(names({"post", "metrics"}), std::vector<std::string>{"parcels_total"});
  write("app: {metric: parcels_weighed_total}\n");
  EXPECT_EQ(names({"post", "metrics", arguments_.config_file}),
            std::vector<std::string>{"parcels_weighed_total"});
}

TEST(ApplicationSettings, ATestGivesAProcessorSettingsOfItsOwn) {
  simulation::processor_runner<weigh> run(post_settings{.weight_max = 5});
  run.feed({6, "stone"});
  EXPECT_EQ(run.last().what(), stream::outcome::kind::dead_letter);
  run.feed({5, "book"});
  EXPECT_EQ(run.last().what(), stream::outcome::kind::done);
  EXPECT_EQ(run.counted("parcels_total"), 2U);
}

}  // namespace
}  // namespace millrace::app
