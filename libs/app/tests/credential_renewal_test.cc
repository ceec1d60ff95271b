// The configuration is read again while the process runs: with files that are replaced, as an orchestrator does.
#include "credential_renewal.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include <millrace/app/config_commands.h>

namespace millrace::app {
namespace {

namespace fs = std::filesystem;

constexpr milliseconds soon{5};
constexpr seconds at_most{30};  // a bound that proves that nothing hangs

// A configuration whose password is in a file.
class credential_renewal_test : public testing::Test {
 protected:
  credential_renewal_test() : folder_(testing::TempDir() + "renewal_" + std::to_string(::getpid())) {
    fs::create_directories(folder_);
    arguments_.config_file = (folder_ / "config.yaml").string();
    write_secret("first");
    write_config();
  }
  ~credential_renewal_test() override { fs::remove_all(folder_); }

  void write_config() const { replace("config.yaml", config); }
  void write_secret(const std::string& text) const { replace("password", text); }
  void break_config() const { replace("config.yaml", "kafka: ["); }

  [[nodiscard]] result<app_config> settings_now() const {
    std::ostringstream problems;
    auto now = load_config(arguments_, problems);
    if (!now) return error(errc::config_invalid, problems.str());
    return std::move(now->value);
  }
  [[nodiscard]] credential_renewal::reader reader() {
    return [this] { return settings_now(); };
  }
  [[nodiscard]] credential_renewal::observer observer() {
    return [this](const error* why) {
      add([&] { reports_.push_back(why == nullptr ? "recovered" : why->message()); });
    };
  }
  [[nodiscard]] credential_renewal::receiver receiver() {
    return [this](const app_config& now) -> result<void> {
      std::optional<error> refused;
      add([&] {
        passwords_.push_back(now.kafka.client.properties.at("sasl.password"));
        refused = refuses_;
      });
      if (refused) return *refused;
      return {};
    };
  }
  void refuse(std::optional<error> why) {
    add([&] { refuses_ = std::move(why); });
  }
  [[nodiscard]] bool until(const std::function<bool()>& holds) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, at_most, holds);
  }
  // So many renewals more, each of which succeeded in reading.
  [[nodiscard]] bool until_renewed(std::size_t times) {
    std::size_t target = 0;
    add([&] { target = passwords_.size() + times; });
    return until([&] { return passwords_.size() >= target; });
  }
  [[nodiscard]] std::vector<std::string> reports() {
    const std::lock_guard lock(mutex_);
    return reports_;
  }

  const std::string config =
      "kafka:\n  bootstrap_servers: b:9092\n  group: g\n  topics: [t]\n"
      "  properties: {sasl.username: app, sasl.password: \"${file:password}\"}\n"
      "engine:\n  dead_letter_topic: t-dlq\n";
  std::vector<std::string> passwords_;  // guarded by mutex_
  std::vector<std::string> reports_;

 private:
  // As a rename, so that no reader sees half of it.
  void replace(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / "fresh") << text;
    fs::rename(folder_ / "fresh", folder_ / name);
  }
  void add(const std::function<void()>& change) {
    const std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }

  const fs::path folder_;
  run_arguments arguments_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<error> refuses_;
};

TEST_F(credential_renewal_test, ASecretWhoseFileIsReplacedReachesTheReceiver) {
  credential_renewal renewal(reader(), observer(), soon);
  ASSERT_TRUE(renewal.start(receiver()));
  ASSERT_TRUE(until([&] { return !passwords_.empty() && passwords_.back() == "first"; }));
  write_secret("second");
  EXPECT_TRUE(until([&] { return passwords_.back() == "second"; }));
  EXPECT_TRUE(reports().empty());
}

TEST_F(credential_renewal_test, AConfigurationThatCannotBeReadIsReportedOnceAndThenItsRecovery) {
  credential_renewal renewal(reader(), observer(), soon);
  ASSERT_TRUE(renewal.start(receiver()));
  break_config();
  ASSERT_TRUE(until([&] { return !reports_.empty(); }));
  const auto before = renewal.read();
  EXPECT_FALSE(before) << "one more failure of the same kind";
  EXPECT_EQ(reports().size(), 1U);
  write_config();
  ASSERT_TRUE(until([&] { return reports_.size() > 1; }));
  ASSERT_TRUE(until_renewed(3));
  renewal.stop();
  EXPECT_EQ(reports().size(), 2U);
  EXPECT_EQ(reports().back(), "recovered");
}

TEST_F(credential_renewal_test, AFailureOfTheReceiverIsReportedOncePerReason) {
  credential_renewal renewal(reader(), observer(), soon);
  refuse(error(errc::config_invalid, "one reason"));
  ASSERT_TRUE(renewal.start(receiver()));
  ASSERT_TRUE(until_renewed(3));
  EXPECT_TRUE(renewal.read()) << "reading succeeds, which is no recovery";
  refuse(error(errc::config_invalid, "another reason"));
  ASSERT_TRUE(until_renewed(3));
  refuse(std::nullopt);
  ASSERT_TRUE(until_renewed(3));
  renewal.stop();
  EXPECT_EQ(reports(), (std::vector<std::string>{"one reason", "another reason", "recovered"}));
}

TEST_F(credential_renewal_test, ACallerThatCannotWaitReadsWhatIsThereNow) {
  credential_renewal renewal(reader(), observer(), std::chrono::hours(1));
  ASSERT_TRUE(renewal.start(receiver()));
  write_secret("second");
  const auto now = renewal.read();
  ASSERT_TRUE(now);
  EXPECT_EQ(now->kafka.client.properties.at("sasl.password"), "second");
}

TEST_F(credential_renewal_test, AStopDoesNotWaitForTheInterval) {
  const auto began = std::chrono::steady_clock::now();
  {
    credential_renewal renewal(reader(), observer(), std::chrono::hours(1));
    ASSERT_TRUE(renewal.start(receiver()));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - began, at_most);
}

TEST_F(credential_renewal_test, ASecretIsNotPartOfTheReportAboutABrokenConfiguration) {
  credential_renewal renewal(reader(), observer(), std::chrono::hours(1));
  write_secret("canary-4f1c");
  ASSERT_TRUE(renewal.read());
  fs::remove(fs::path(testing::TempDir() + "renewal_" + std::to_string(::getpid())) / "password");
  ASSERT_FALSE(renewal.read());
  ASSERT_EQ(reports().size(), 1U);
  EXPECT_EQ(reports().front().find("canary"), std::string::npos) << reports().front();
}

}  // namespace
}  // namespace millrace::app
