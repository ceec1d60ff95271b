#include "check/tools.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <millrace/base/file_descriptor.h>

namespace millrace::check {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view tidy_name = "clang-tidy";
constexpr std::string_view query_name = "clang-query";

std::vector<fs::path> folders_of(std::string_view path) {
  std::vector<fs::path> folders;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find(':'), path.size());
    if (end > 0) folders.emplace_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return folders;
}

bool is_program(const fs::path& file) {
  std::error_code failed;
  return fs::is_regular_file(file, failed) && ::access(file.c_str(), X_OK) == 0;
}

// The N of "clang-tidy-N"; 0 for "clang-tidy" itself.
std::optional<int> suffix_of(std::string_view file) {
  if (!file.starts_with(tidy_name)) return std::nullopt;
  file.remove_prefix(tidy_name.size());
  if (file.empty()) return 0;
  if (file.front() != '-') return std::nullopt;
  int number = 0;
  const auto [end, wrong] = std::from_chars(file.data() + 1, file.data() + file.size(), number);
  if (wrong != std::errc() || end != file.data() + file.size() || number <= 0) return std::nullopt;
  return number;
}

// The rank of a suffix: the tested version, then newer before older, then the one without a suffix.
int rank_of(int suffix) { return suffix == version_tested ? 1'000'000 : suffix; }

std::string find_tidy(std::string_view path) {
  std::string best;
  int best_rank = -1;
  for (const fs::path& folder : folders_of(path)) {
    std::error_code failed;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, failed)) {
      const std::optional<int> suffix = suffix_of(entry.path().filename().string());
      if (!suffix || rank_of(*suffix) <= best_rank || !is_program(entry.path())) continue;
      best = entry.path().string();
      best_rank = rank_of(*suffix);
    }
  }
  return best;
}

// "…/clang-query-19" of "…/clang-tidy-19", or the one on the path.
std::string find_query(std::string_view path, const fs::path& tidy) {
  const std::string file = tidy.filename().string();
  const std::string suffix = file.starts_with(tidy_name) ? file.substr(tidy_name.size()) : std::string();
  const std::string name = std::string(query_name) + suffix;
  if (tidy.has_parent_path() && is_program(tidy.parent_path() / name))
    return (tidy.parent_path() / name).string();
  for (const fs::path& folder : folders_of(path)) {
    if (is_program(folder / name)) return (folder / name).string();
  }
  return {};
}

// The 19 of "Debian LLVM version 19.1.7".
int version_in(std::string_view text) {
  constexpr std::string_view mark = "version ";
  const std::size_t at = text.find(mark);
  if (at == std::string_view::npos) return 0;
  int version = 0;
  std::from_chars(text.data() + at + mark.size(), text.data() + text.size(), version);
  return version;
}

std::string packages() {
  const std::string version = std::to_string(version_tested);
  return "install the packages clang-tidy-" + version + " and clang-tools-" + version;
}

struct pipe_ends {
  file_descriptor read;
  file_descriptor write;
};

result<pipe_ends> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return error(errc::io_error, "pipe: " + std::string(std::strerror(errno)));
  return pipe_ends{file_descriptor(ends[0]), file_descriptor(ends[1])};
}

// Reads both to their ends.
void read_both(int out, int err, ended& into) {
  std::array<pollfd, 2> from{pollfd{out, POLLIN, 0}, pollfd{err, POLLIN, 0}};
  std::array<std::string*, 2> to{&into.out, &into.err};
  std::size_t open = from.size();
  std::array<char, 16'384> block{};
  while (open > 0) {
    if (::poll(from.data(), from.size(), -1) < 0 && errno != EINTR) return;
    for (std::size_t i = 0; i < from.size(); ++i) {
      if (from[i].fd < 0 || from[i].revents == 0) continue;
      const ssize_t bytes = ::read(from[i].fd, block.data(), block.size());
      if (bytes > 0) {
        to[i]->append(block.data(), static_cast<std::size_t>(bytes));
      } else if (bytes == 0 || errno != EINTR) {
        from[i].fd = -1;
        --open;
      }
    }
  }
}

int status_of(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

result<tools> find_tools(std::string_view path, const std::string& tidy) {
  tools found;
  found.tidy = tidy.empty() ? find_tidy(path) : tidy;
  if (found.tidy.empty())
    return error(errc::config_invalid, "clang-tidy was not found in PATH; " + packages());
  const auto said = run_tool({found.tidy, "--version"});
  if (!said) return error(errc::config_invalid, said.error().message() + "; " + packages());
  found.version = version_in(said->out);
  if (found.version < version_min) {
    return error(errc::config_invalid, found.tidy + " is version " + std::to_string(found.version) + "; " +
                                           std::to_string(version_min) + " or newer is needed; " +
                                           packages());
  }
  found.query = find_query(path, found.tidy);
  if (found.query.empty()) {
    return error(errc::config_invalid,
                 "clang-query was not found beside " + found.tidy + " nor in PATH; " + packages());
  }
  return found;
}

result<ended> run_tool(const std::vector<std::string>& words) {
  auto out = make_pipe();
  if (!out) return out.error();
  auto err = make_pipe();
  if (!err) return err.error();

  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out->write.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err->write.get(), STDERR_FILENO);
  pid_t child = 0;
  const int failed = ::posix_spawnp(&child, arguments.front(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return error(errc::io_error, "cannot run " + words.front() + ": " + std::strerror(failed));

  out->write.close();
  err->write.close();
  ended done;
  read_both(out->read.get(), err->read.get(), done);
  done.status = status_of(child);
  return done;
}

}  // namespace millrace::check
