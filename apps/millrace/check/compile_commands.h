// compile_commands.json: how a build compiles its files.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <millrace/base/result.h>

namespace millrace::check {

// The folder that contains compile_commands.json: `from` or a folder above it, its `build`, or the only folder of that
// `build` that has one. errc::config_invalid: there is none, or there are several; the message says what to do.
[[nodiscard]] result<std::filesystem::path> find_build(const std::filesystem::path& from);

// The sources that the build compiles, each once, in the order of the file, without those that it generates itself.
// errc::config_invalid: the file is missing or no such list.
[[nodiscard]] result<std::vector<std::string>> files_of_build(const std::filesystem::path& build);

}  // namespace millrace::check
