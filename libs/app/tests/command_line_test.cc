#include <CLI/CLI.hpp>
#include <gtest/gtest.h>

#include <millrace/app/application.h>
#include <millrace/app/command_line.h>
#include <millrace/app/exit_code.h>

namespace millrace::app {
namespace {

// A program with the commands of every application and `backfill --from DAY`, which ends with code 5.
class CommandLine : public ::testing::Test {
 protected:
  int call(std::vector<std::string> words) {
    words.insert(words.begin(), "orders");
    std::vector<char*> arguments;
    arguments.reserve(words.size());
    for (std::string& word : words) arguments.push_back(word.data());
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    const int code = run_program(program_, static_cast<int>(arguments.size()), arguments.data());
    out_ = ::testing::internal::GetCapturedStdout();
    err_ = ::testing::internal::GetCapturedStderr();
    return code;
  }

  std::string day_;
  std::string out_;
  std::string err_;
  application application_{.name = "orders", .version = "1.2.3", .processors = {}};
  program program_{"orders",
                   "1.2.3",
                   "Orders into tables",
                   commands_of(application_),
                   {{"backfill", "Write the table again", [this](CLI::App& self, int& code) {
                       self.add_option("--from", day_, "First day | inclusive")->required();
                       self.callback([&code] { code = 5; });
                     }}}};
};

TEST_F(CommandLine, RunsACommandOfTheProgramsOwn) {
  EXPECT_EQ(call({"backfill", "--from", "monday"}), 5);
  EXPECT_EQ(day_, "monday");
}

TEST_F(CommandLine, PrintsTheVersionOfTheProgram) {
  EXPECT_EQ(call({"version"}), exit_ok);
  EXPECT_EQ(out_, "orders 1.2.3\n");
}

TEST_F(CommandLine, RefusesAnUnknownCommandAndNamesIt) {
  EXPECT_EQ(call({"serve"}), exit_config);
  EXPECT_NE(err_.find("unknown command 'serve'"), std::string::npos) << err_;
  EXPECT_EQ(call({"help", "dlq", "bury"}), exit_config);
  EXPECT_NE(err_.find("unknown command 'dlq bury'"), std::string::npos) << err_;
}

TEST_F(CommandLine, RefusesWrongArgumentsWithTheCodeOfAConfiguration) {
  EXPECT_EQ(call({}), exit_config);
  EXPECT_EQ(call({"backfill"}), exit_config);
  EXPECT_EQ(call({"version", "--loud"}), exit_config);
  EXPECT_EQ(call({"validate"}), exit_config);
}

TEST_F(CommandLine, HelpOfACommandListsItsOptions) {
  EXPECT_EQ(call({"help", "dlq", "ls"}), exit_ok);
  EXPECT_NE(out_.find("--reason"), std::string::npos) << out_;
  const std::string printed = out_;
  EXPECT_EQ(call({"dlq", "ls", "--help"}), exit_ok);
  EXPECT_EQ(out_, printed);
}

TEST_F(CommandLine, TakesTheConfigurationAsAnArgumentOrAnOption) {
  EXPECT_EQ(call({"validate", "/nonexistent/a.yaml"}), exit_config);
  EXPECT_NE(err_.find("/nonexistent/a.yaml"), std::string::npos) << err_;
  EXPECT_EQ(call({"validate", "--config", "/nonexistent/b.yaml"}), exit_config);
  EXPECT_NE(err_.find("/nonexistent/b.yaml"), std::string::npos) << err_;
}

TEST_F(CommandLine, EveryApplicationHasTheCommandsOfTheProduct) {
  const std::string page = to_markdown(program_);
  for (const char* name : {"run",
                           "validate",
                           "config reference",
                           "config schema",
                           "config show",
                           "errors",
                           "metrics",
                           "top",
                           "lag",
                           "tap",
                           "dlq ls",
                           "dlq show",
                           "dlq redrive",
                           "avro schema check",
                           "avro compat",
                           "avro decode",
                           "avro encode",
                           "avro header",
                           "help",
                           "version"}) {
    EXPECT_NE(page.find("\n## orders " + std::string(name) + "\n"), std::string::npos) << name;
  }
}

TEST_F(CommandLine, TheReferenceSaysWhichProgramHasACommandAndEscapesItsTables) {
  const std::string page = to_markdown(program_);
  EXPECT_NE(page.find("| [`orders backfill`](#orders-backfill) | Write the table again | `orders` |"),
            std::string::npos);
  EXPECT_NE(page.find("| [`orders version`](#orders-version) | Print the version | every application |"),
            std::string::npos);
  EXPECT_NE(page.find("```\norders backfill --from TEXT\n```"), std::string::npos);
  EXPECT_NE(page.find("First day \\| inclusive"), std::string::npos);
}

}  // namespace
}  // namespace millrace::app
