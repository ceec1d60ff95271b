#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <millrace/app/config_commands.h>

namespace millrace::app {
namespace {

namespace fs = std::filesystem;

std::string content(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// A configuration file in a folder of its own, and what the commands print about it.
class config_commands : public testing::Test {
 protected:
  static constexpr const char* smallest =
      "kafka:\n  bootstrap_servers: b:9092\n  group: g\n  topics: [t]\nengine:\n  dead_letter_topic: t-dlq\n";

  config_commands() : folder_(testing::TempDir() + "config_commands_" + std::to_string(::getpid())) {
    fs::create_directories(folder_);
    arguments_.config_file = (folder_ / "config.yaml").string();
  }
  ~config_commands() override {
    fs::remove_all(folder_);
    ::unsetenv("MILLRACE__KAFKA__INSTANCE_ID");
  }
  void write(const std::string& text) const { std::ofstream(arguments_.config_file) << text; }
  int show() { return print_config(config_document::show, arguments_, out_, err_); }
  // The comment behind a setting of `config show`.
  std::string origin_of(const std::string& line_start) const {
    const std::string text = out_.str();
    const std::size_t at = text.find("\n" + line_start);
    const std::size_t hash = text.find("# ", at);
    return at == std::string::npos ? "absent" : text.substr(hash + 2, text.find('\n', hash) - hash - 2);
  }

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
  EXPECT_EQ(origin_of("  fetch_bytes_max: 64MiB"), "default");
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

TEST_F(config_commands, AFormerNameIsAcceptedWithAWarningAndFixedInTheFile) {
  const std::string former = std::string(smallest) + "  stuck_after: 20s  # twice the default\n";
  write(former);
  ASSERT_EQ(::chmod(arguments_.config_file.c_str(), 0640), 0);
  EXPECT_EQ(validate_config(arguments_, out_, err_), 0);
  EXPECT_NE(err_.str().find("`stuck_after` is renamed to `stall_timeout`"), std::string::npos) << err_.str();
  EXPECT_EQ(content(arguments_.config_file), former);
  err_.str("");
  EXPECT_EQ(fix_config(arguments_, out_, err_), 0);
  EXPECT_EQ(err_.str(), "");
  EXPECT_NE(out_.str().find(":7: renamed `engine.stuck_after` to `engine.stall_timeout`"), std::string::npos)
      << out_.str();
  EXPECT_EQ(content(arguments_.config_file),
            std::string(smallest) + "  stall_timeout: 20s  # twice the default\n");
  EXPECT_EQ(fs::status(arguments_.config_file).permissions(), fs::perms(0640));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(config_commands, AFileThatIsNotYamlIsExplainedAndLeftAsItWas) {
  write("kafka: [\n");
  EXPECT_EQ(fix_config(arguments_, out_, err_), 78);
  EXPECT_NE(err_.str().find("bad_syntax"), std::string::npos) << err_.str();
  EXPECT_EQ(content(arguments_.config_file), "kafka: [\n");
  arguments_.config_file += ".absent";
  EXPECT_EQ(fix_config(arguments_, out_, err_), 78);
}

TEST(ConfigReference, IsTheCommittedDocument) {
  EXPECT_EQ(config_reference(), content(fs::path(MILLRACE_SOURCE_DIR) / "docs/reference/configuration.md"))
      << "run ./dev generate";
}

}  // namespace
}  // namespace millrace::app
