// The corpora through their targets, without a fuzzer: what was found once is not lost again.
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "targets.h"

namespace millrace::avro::fuzz {
namespace {

class corpus : public testing::TestWithParam<target> {};

TEST_P(corpus, is_replayed_without_a_crash) {
  const std::filesystem::path folder = std::filesystem::path(FUZZ_CORPUS) / GetParam().name;
  int files = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    SCOPED_TRACE(file.path());
    std::ifstream in(file.path(), std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(in), {}};
    ASSERT_TRUE(in.is_open());
    GetParam().run(as_bytes(content));
    // Neighbours of it are cheap to try here too.
    for (std::size_t size = 0; size < content.size(); size += 1 + content.size() / 50)
      GetParam().run(as_bytes(std::string_view(content).substr(0, size)));
    ++files;
  }
  EXPECT_GE(files, 5) << folder;
}

INSTANTIATE_TEST_SUITE_P(each, corpus, testing::ValuesIn(targets),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace millrace::avro::fuzz
