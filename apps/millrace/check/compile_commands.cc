#include "check/compile_commands.h"

#include <algorithm>
#include <fstream>
#include <system_error>

#include <nlohmann/json.hpp>

namespace millrace::check {
namespace {

namespace fs = std::filesystem;

constexpr const char* file_name = "compile_commands.json";
constexpr const char* how_to_write =
    "CMake writes it with -DCMAKE_EXPORT_COMPILE_COMMANDS=ON; --build names its folder";

bool has_commands(const fs::path& folder) {
  std::error_code failed;
  return fs::is_regular_file(folder / file_name, failed);
}

// The folders of `parent` that contain compile commands.
std::vector<fs::path> builds_in(const fs::path& parent) {
  std::vector<fs::path> found;
  std::error_code failed;
  for (const fs::directory_entry& entry : fs::directory_iterator(parent, failed)) {
    if (has_commands(entry.path())) found.push_back(entry.path());
  }
  std::ranges::sort(found);
  return found;
}

bool is_below(const fs::path& file, const fs::path& folder) {
  const auto [end, at] = std::mismatch(folder.begin(), folder.end(), file.begin(), file.end());
  return end == folder.end();
}

}  // namespace

result<fs::path> find_build(const fs::path& from) {
  std::error_code failed;
  fs::path folder = fs::weakly_canonical(fs::absolute(from, failed), failed);
  while (true) {
    for (const fs::path& candidate : {folder, folder / "build"}) {
      if (has_commands(candidate)) return candidate;
    }
    const std::vector<fs::path> builds = builds_in(folder / "build");
    if (builds.size() == 1) return builds.front();
    if (builds.size() > 1) {
      std::string names;
      for (const fs::path& each : builds) names += (names.empty() ? "" : ", ") + each.string();
      return error(errc::config_invalid, "several folders have a " + std::string(file_name) + ": " + names +
                                             "; --build names the one to use");
    }
    if (!folder.has_relative_path()) break;
    folder = folder.parent_path();
  }
  return error(errc::config_invalid, "no " + std::string(file_name) + " in " + from.string() +
                                         ", its build folder, or a folder above it; " + how_to_write);
}

result<std::vector<std::string>> files_of_build(const fs::path& build) {
  const fs::path file = build / file_name;
  std::ifstream in(file);
  if (!in) return error(errc::config_invalid, "cannot read " + file.string() + "; " + how_to_write);
  const auto commands = nlohmann::json::parse(in, nullptr, false);
  if (!commands.is_array())
    return error(errc::config_invalid, file.string() + " is not a list of compile commands");
  std::error_code failed;
  const fs::path own = fs::weakly_canonical(build, failed);
  std::vector<std::string> files;
  for (const auto& command : commands) {
    if (!command.is_object() || !command.contains("file") || !command["file"].is_string()) {
      return error(errc::config_invalid, file.string() + " has an entry without a file");
    }
    const fs::path folder(command.value("directory", std::string()));
    const fs::path source = fs::weakly_canonical(folder / command["file"].get<std::string>(), failed);
    const bool is_cpp = source.extension() != ".c" && source.extension() != ".S";
    if (!is_cpp || is_below(source, own) || std::ranges::find(files, source.string()) != files.end())
      continue;
    files.push_back(source.string());
  }
  return files;
}

}  // namespace millrace::check
