#include "check/check.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <memory>
#include <thread>
#include <utility>

#include <CLI/CLI.hpp>

#include <millrace/app/exit_code.h>

#include "check/compile_commands.h"
#include "check/findings.h"
#include "check/rules.h"
#include "check/tools.h"

namespace millrace::check {
namespace {

namespace fs = std::filesystem;

// Each process reads the headers of the application: some 300 MB.
constexpr unsigned jobs_max = 64;
constexpr unsigned jobs_default_max = 4;

// Compile commands may be those of GCC, whose warnings Clang does not know; a warning does not end the check.
constexpr const char* extra_arguments[] = {
    "--extra-arg=-Wno-error", "--extra-arg=-Wno-unknown-warning-option", "--extra-arg=-Qunused-arguments"};

using findings = std::vector<finding>;

std::vector<std::string> words_of(const std::string& program, const fs::path& build) {
  std::vector<std::string> words{program, "-p", build.string()};
  words.insert(words.end(), std::begin(extra_arguments), std::end(extra_arguments));
  return words;
}

error failed_tool(const std::string& program, const ended& how) {
  return error(errc::io_error,
               program + " ended with exit code " + std::to_string(how.status) + ": " + how.err);
}

result<findings> run_tidy(const tools& with, const fs::path& build, const std::string& file) {
  std::vector<std::string> words = words_of(with.tidy, build);
  words.insert(words.end(), {"--quiet", "--config=" + std::string(tidy_configuration()), file});
  const auto done = run_tool(words);
  if (!done) return done.error();
  findings found = read_tidy(done->out);
  if (done->status != 0 && found.empty()) return failed_tool(with.tidy, *done);
  return found;
}

result<findings> run_query(const tools& with, const fs::path& build, const std::string& file) {
  std::vector<std::string> words = words_of(with.query, build);
  for (std::string& command : query_commands()) words.insert(words.end(), {"-c", std::move(command)});
  words.push_back(file);
  const auto done = run_tool(words);
  if (!done) return done.error();
  auto found = read_query(done->out + "\n" + done->err);
  // A file with errors is a finding of clang-tidy.
  if (found && found->empty() && done->status > 1) return failed_tool(with.query, *done);
  return found;
}

result<findings> check_file(const tools& with, const fs::path& build, const std::string& file) {
  auto found = run_tidy(with, build, file);
  if (!found) return found;
  auto matched = run_query(with, build, file);
  if (!matched) return matched;
  std::ranges::move(*matched, std::back_inserter(*found));
  return found;
}

// The findings of all files; the first error ends the check.
result<findings> check_files(const tools& with, const fs::path& build, const std::vector<std::string>& files,
                             unsigned jobs) {
  std::vector<result<findings>> of_file(files.size(), findings());
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < files.size(); i = next++) of_file[i] = check_file(with, build, files[i]);
  };
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 1; i < std::min<std::size_t>(jobs, files.size()); ++i) threads.emplace_back(work);
    work();
  }
  findings all;
  for (result<findings>& each : of_file) {
    if (!each) return each.error();
    std::ranges::move(*each, std::back_inserter(all));
  }
  return all;
}

result<fs::path> build_of(const check_arguments& arguments) {
  if (!arguments.build.empty()) return fs::path(arguments.build);
  std::error_code failed;
  return find_build(arguments.files.empty() ? fs::current_path(failed)
                                            : fs::absolute(arguments.files.front(), failed).parent_path());
}

result<std::vector<std::string>> files_of(const check_arguments& arguments, const fs::path& build) {
  auto known = files_of_build(build);
  if (!known) return known;
  if (arguments.files.empty()) {
    if (known->empty()) return error(errc::config_invalid, build.string() + " compiles no C++ file");
    return known;
  }
  std::vector<std::string> files;
  for (const std::string& file : arguments.files) {
    std::error_code failed;
    if (!fs::is_regular_file(file, failed)) return error(errc::config_invalid, file + " is not a file");
    files.push_back(fs::weakly_canonical(fs::absolute(file, failed), failed).string());
  }
  return files;
}

// Relative to the working folder when it is below it.
std::string shown(const std::string& file) {
  std::error_code failed;
  const std::string relative = fs::relative(file, fs::current_path(failed), failed).string();
  return failed || relative.empty() || relative.starts_with("..") ? file : relative;
}

std::string counted(std::size_t number, std::string_view of) {
  return std::to_string(number) + " " + std::string(of) + (number == 1 ? "" : "s");
}

void print(const finding& one, std::ostream& out) {
  out << shown(one.file) << ":" << one.line << ":" << one.column << ": " << one.what << " [" << one.rule
      << "]\n";
  if (const rule* const known = find_rule(one.rule)) out << "    " << known->remedy << "\n";
}

}  // namespace

int run_check(const check_arguments& arguments, std::ostream& out, std::ostream& err) {
  const auto refuse = [&err](const error& why, int code) {
    err << "millrace check: " << why.message() << "\n";
    return code;
  };
  const auto build = build_of(arguments);
  if (!build) return refuse(build.error(), app::exit_config);
  const auto files = files_of(arguments, *build);
  if (!files) return refuse(files.error(), app::exit_config);
  const char* const path = std::getenv("PATH");
  const auto with = find_tools(path == nullptr ? "" : path, arguments.tidy);
  if (!with) return refuse(with.error(), app::exit_config);

  auto found = check_files(*with, *build, *files, arguments.jobs);
  if (!found) return refuse(found.error(), app::exit_failure);
  const findings all = accepted(*std::move(found));
  for (const finding& each : all) print(each, out);
  out << counted(all.size(), "finding") << " in " << counted(files->size(), "file") << " (clang-tidy "
      << with->version << ")\n";
  return all.empty() ? app::exit_ok : app::exit_failure;
}

void print_rules(std::ostream& out) {
  for (const rule& each : rules()) {
    out << each.name << "\n";
    if (!each.what.empty()) out << "    " << each.what << "\n";
    out << "    " << each.remedy << "\n";
  }
}

app::command check_command() {
  return {"check", "Find traps of coroutines in the code of an application", [](CLI::App& self, int& code) {
            struct given {
              check_arguments arguments;
              bool rules = false;
            };
            auto all = std::make_shared<given>();
            all->arguments.jobs = std::clamp(std::thread::hardware_concurrency(), 1U, jobs_default_max);
            self.add_option("files", all->arguments.files,
                            "Sources (.cc); every source of the build when absent");
            self.add_option(
                "--build", all->arguments.build,
                "Folder with compile_commands.json; when absent, searched from the first file upwards, "
                "also in folders named build");
            self.add_option(
                "--clang-tidy", all->arguments.tidy,
                "clang-tidy to run, 18 or newer, with clang-query beside it; when absent, version 19 or "
                "the newest in PATH");
            self.add_option("--jobs", all->arguments.jobs,
                            "Files checked at once; one per core, at most 4, when absent")
                ->check(CLI::Range(1U, jobs_max));
            self.add_flag("--rules", all->rules, "Print every rule and what to do; check nothing");
            self.callback([all, &code] {
              if (all->rules) {
                print_rules(std::cout);
                code = app::exit_ok;
              } else {
                code = run_check(all->arguments, std::cout, std::cerr);
              }
            });
          }};
}

}  // namespace millrace::check
