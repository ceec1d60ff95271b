// `millrace new app`: what it writes and what it refuses. tests/consumer builds the project.
#include "new/new_app.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>
#include <unistd.h>

#include "new/app_template.h"

namespace millrace::new_app {
namespace {

namespace fs = std::filesystem;

std::string content_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class NewApp : public ::testing::Test {
 protected:
  NewApp() : folder_(fs::temp_directory_path() / ("millrace-new-app-" + std::to_string(::getpid()))) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~NewApp() override { fs::remove_all(folder_); }
  [[nodiscard]] std::string at(const std::string& name) const { return (folder_ / name).string(); }

 private:
  fs::path folder_;
};

TEST_F(NewApp, WritesEveryFileOfTheTemplateUnderTheNewName) {
  const auto written = write_project(at("deep/payments"));
  ASSERT_TRUE(written) << written.error().message();
  EXPECT_EQ(written->size(), app_template().size());
  for (const std::string& file : *written) {
    const std::string text = content_of(at("deep/payments/" + file));
    EXPECT_FALSE(text.empty()) << file;
    for (const char* left : {"orders", "ORDERS", "MILLRACE_VERSION"})
      EXPECT_EQ(text.find(left), std::string::npos) << file << " still holds " << left;
  }
  EXPECT_NE(content_of(at("deep/payments/processors.h")).find("namespace payments {"), std::string::npos);
  EXPECT_NE(content_of(at("deep/payments/config.yaml")).find("group: payments\n"), std::string::npos);
}

TEST_F(NewApp, WritesTheTemplateUnchangedForItsOwnName) {
  ASSERT_TRUE(write_project(at("orders")));
  for (const template_file& file : app_template()) {
    if (file.name != "CMakeLists.txt") {
      EXPECT_EQ(content_of(at("orders/" + std::string(file.name))), file.text);
    }
  }
}

TEST_F(NewApp, UsesAnEmptyFolder) {
  fs::create_directories(at("orders"));
  EXPECT_TRUE(write_project(at("orders/")));
  EXPECT_TRUE(fs::exists(at("orders/main.cc")));
}

TEST_F(NewApp, RefusesAFolderThatIsNotEmptyAndWritesNothing) {
  fs::create_directories(at("orders"));
  std::ofstream(at("orders/notes")) << "mine";
  const auto written = write_project(at("orders"));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code(), errc::config_invalid);
  EXPECT_NE(written.error().message().find("is not empty"), std::string::npos);
  EXPECT_FALSE(fs::exists(at("orders/main.cc")));
}

TEST_F(NewApp, RefusesAFileInPlaceOfTheFolder) {
  std::ofstream(at("orders")) << "mine";
  const auto written = write_project(at("orders"));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code(), errc::config_invalid);
}

TEST_F(NewApp, ReportsAFolderThatCannotBeMade) {
  std::ofstream(at("file")) << "mine";
  const auto written = write_project(at("file/orders"));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code(), errc::io_error);
}

TEST_F(NewApp, RefusesNamesThatTheProjectCannotUse) {
  for (const char* name :
       {"Orders", "my-orders", "1st", "_x", "a.b", "new", "class", "test", "std", "millrace", "select",
        "time", "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee"}) {
    const auto refused = name_of(at(name));
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().code(), errc::config_invalid) << name;
    EXPECT_FALSE(write_project(at(name))) << name;
  }
}

TEST_F(NewApp, TakesTheNameFromTheLastPartOfThePath) {
  for (const char* path : {"orders", "./orders", "/srv/orders/", "a/../orders"}) {
    const auto name = name_of(path);
    ASSERT_TRUE(name) << path;
    EXPECT_EQ(*name, "orders") << path;
  }
}

}  // namespace
}  // namespace millrace::new_app
