// The cache folder: a process that starts and runs while the registry is down.
#include <csignal>
#include <filesystem>
#include <fstream>

#include <sys/resource.h>
#include <unistd.h>

#include "fixture.h"

namespace millrace::registry::test {
namespace {

namespace fs = std::filesystem;

class disk_test : public registry_test {
 protected:
  disk_test() {
    fs::remove_all(folder);
    options.cache_folder = folder;
    start_server();
    options.urls = {server->url()};
    server->put(7, text);
  }
  ~disk_test() override {
    registry.reset();
    fs::remove_all(folder);
  }
  void stop_server() { server->inject({.status = 503, .code = 50301, .times = UINT64_MAX}); }
  // The client as a process that restarts.
  client& restart() { return connect(); }
  [[nodiscard]] std::vector<fs::path> files() const {
    std::vector<fs::path> found;
    for (const auto& each : fs::recursive_directory_iterator(folder)) {
      if (each.is_regular_file()) found.push_back(each.path());
    }
    return found;
  }
  static std::string content(const fs::path& of) {
    std::ifstream in(of, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void write(const fs::path& to, const std::string& content) {
    std::ofstream(to, std::ios::binary | std::ios::trunc) << content;
  }

  const std::string folder = fs::path(testing::TempDir()) / ("registry-cache-" + std::to_string(::getpid()));
};

TEST_F(disk_test, AProcessStartsAndRunsWhileTheRegistryIsDown) {
  connect();
  EXPECT_EQ(failure_of(*registry, 7), std::nullopt);
  const auto id = registry->register_schema("visits-value", text);
  ASSERT_TRUE(id);
  stop_server();
  restart();
  EXPECT_EQ(registry->check().error().code(), errc::registry_unavailable);
  EXPECT_EQ(registry->stats().disk_entries, 2U);
  const auto kept = fetch(*registry, 7);
  ASSERT_TRUE(kept) << kept.error().to_string();
  EXPECT_EQ((*kept)->text, text);
  const auto known = registry->register_schema("visits-value", text);
  ASSERT_TRUE(known) << known.error().to_string();
  EXPECT_EQ(*known, *id);
  EXPECT_EQ(registry->register_schema("other-value", text).error().code(), errc::registry_unavailable);
  EXPECT_EQ(failure_of(*registry, 8), errc::registry_unavailable) << "what it does not hold is still to come";
}

TEST_F(disk_test, ReferencesAreKeptToo) {
  connect();
  ASSERT_TRUE(registry->register_schema("b", R"({"type":"enum","name":"B","symbols":["X"]})"));
  const auto id = registry->register_schema(
      "a", R"({"type":"record","name":"A","fields":[{"name":"b","type":"B"}]})", {{"B", "b", 1}});
  ASSERT_TRUE(id);
  ASSERT_TRUE(fetch(*registry, *id));
  stop_server();
  const auto kept = fetch(restart(), *id);
  ASSERT_TRUE(kept) << kept.error().to_string();
  ASSERT_EQ((*kept)->references.size(), 1U);
  EXPECT_NE((*kept)->references[0].find("\"B\""), std::string::npos);
}

TEST_F(disk_test, SchemasOnDiskAreNotRequestedAgain) {
  ASSERT_TRUE(fetch(connect(), 7));
  ASSERT_TRUE(fetch(restart(), 7));
  EXPECT_EQ(server->requests("GET /schemas/ids/7"), 1U);
  EXPECT_EQ(registry->stats().disk_hits, 1U);
}

TEST_F(disk_test, EveryCorruptFileCountsAsAbsent) {
  ASSERT_TRUE(fetch(connect(), 7));
  ASSERT_EQ(files().size(), 1U);
  const fs::path file = files().front();
  const std::string good = content(file);
  std::vector<std::string> wrong{"",
                                 "x",
                                 std::string(good.size(), '\0'),
                                 good + "x",
                                 std::string("millrace-schema-cache 2\n") + good.substr(24),
                                 std::string(20U << 20U, 'x')};
  for (std::size_t cut = 0; cut < good.size(); cut += 7) wrong.push_back(good.substr(0, cut));
  for (std::size_t at = 0; at < good.size(); at += 11) {
    wrong.push_back(good);
    wrong.back()[at] = static_cast<char>(wrong.back()[at] ^ 1);
  }
  std::uint64_t asked = server->requests("GET /schemas/ids/7");
  for (const std::string& each : wrong) {
    write(file, each);
    const auto found = fetch(restart(), 7);
    ASSERT_TRUE(found) << found.error().to_string();
    EXPECT_EQ((*found)->text, text);
    EXPECT_EQ(server->requests("GET /schemas/ids/7"), ++asked)
        << "from the registry, for: " << each.substr(0, 100);
    EXPECT_EQ(registry->stats().disk_failures, 1U);
    EXPECT_EQ(content(file), good) << "written again";
  }
  EXPECT_EQ(events().front().name, "schema_cache_failed");
  EXPECT_EQ(events().front().url, "");
  EXPECT_NE(events().front().error, "");
}

TEST_F(disk_test, AFileOfAnotherRegistryOrContextIsIgnored) {
  ASSERT_TRUE(fetch(connect(), 7));
  auto other = *registry_double::start();
  other->put(7, R"("int")");
  options.urls = {other->url()};
  EXPECT_EQ((*fetch(restart(), 7))->text, R"("int")");
  ASSERT_EQ(files().size(), 2U);
  EXPECT_NE(files()[0].parent_path(), files()[1].parent_path());
  fs::copy_file(files()[0], files()[1], fs::copy_options::overwrite_existing);
  options.urls = {server->url()};
  EXPECT_EQ((*fetch(restart(), 7))->text, text);
  options.urls = {other->url()};
  EXPECT_EQ((*fetch(restart(), 7))->text, R"("int")");
  options.urls = {server->url()};
  options.context = ".staging";
  EXPECT_EQ(failure_of(restart(), 7), errc::schema_not_found);
}

TEST_F(disk_test, TheOrderOfTheUrlsDoesNotMatter) {
  auto other = *registry_double::start();
  options.urls = {server->url(), other->url()};
  ASSERT_TRUE(fetch(connect(), 7));
  options.urls = {other->url(), server->url()};
  ASSERT_TRUE(fetch(restart(), 7));
  EXPECT_EQ(registry->stats().disk_hits, 1U);
}

// A limit on the size of files stands for a disk that is full.
TEST_F(disk_test, AFullDiskDisablesTheCacheOnly) {
  connect();
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit usual{};
  ::getrlimit(RLIMIT_FSIZE, &usual);
  const rlimit full{20, usual.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  const auto found = fetch(*registry, 7);
  const auto id = registry->register_schema("s", text);
  ::setrlimit(RLIMIT_FSIZE, &usual);
  std::signal(SIGXFSZ, before);
  EXPECT_TRUE(found);
  EXPECT_TRUE(id);
  EXPECT_EQ(registry->stats().disk_failures, 2U);
  EXPECT_TRUE(files().empty()) << "nothing half written stays";
  EXPECT_EQ(events().size(), 1U) << "reported once, not for every schema";
  server->put(8, text);
  ASSERT_TRUE(fetch(*registry, 8));
  EXPECT_EQ(files().size(), 1U) << "and it goes on when there is room";
}

TEST_F(disk_test, ARemovedFolderDisablesTheCacheOnly) {
  connect();
  fs::remove_all(folder);
  EXPECT_EQ(failure_of(*registry, 7), std::nullopt);
  EXPECT_EQ(registry->stats().disk_failures, 1U);
}

TEST_F(disk_test, AFolderThatCannotBeCreatedIsAnErrorAtStartUp) {
  write(folder, "a file");
  const auto created = client::create(options);
  ASSERT_FALSE(created);
  EXPECT_EQ(created.error().code(), errc::config_invalid);
  EXPECT_NE(created.error().message().find(folder), std::string::npos);
}

TEST_F(disk_test, TheOldestFileIsEvicted) {
  options.disk_ids_max = 3;
  connect();
  for (std::int32_t id = 1; id <= 5; ++id) {
    server->put(id, text);
    ASSERT_TRUE(fetch(*registry, id));
  }
  EXPECT_EQ(files().size(), 3U);
  EXPECT_EQ(registry->stats().disk_entries, 3U);
  EXPECT_EQ(registry->stats().disk_failures, 0U);
}

TEST_F(disk_test, NoSecretIsWrittenToDisk) {
  server = *registry_double::start({.user = "reader", .password = "canary-4f1c"});
  server->put(7, text);
  options.urls = {server->url()};
  options.user = "reader";
  options.password = secret("canary-4f1c");
  ASSERT_TRUE(fetch(connect(), 7));
  for (const fs::path& each : files()) EXPECT_EQ(content(each).find("canary"), std::string::npos);
}

TEST_F(disk_test, ProcessesShareAFolder) {
  ASSERT_TRUE(fetch(connect(), 7));
  auto other = *client::create(options);
  EXPECT_TRUE(fetch(*other, 7));
  EXPECT_EQ(server->requests("GET /schemas/ids/7"), 1U);
}

}  // namespace
}  // namespace millrace::registry::test
