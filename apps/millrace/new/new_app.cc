#include "new_app.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <vector>

#include <CLI/CLI.hpp>

#include <millrace/app/exit_code.h>

#include "app_template.h"

namespace millrace::new_app {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t name_bytes_max = 48;  // of a keyspace

// Words of C++ and what the project itself names so; CMake's own targets; words of CQL; functions of C, which
// a namespace cannot be called like.
constexpr std::string_view reserved_words[] = {
    "alignas",     "alignof",  "and",        "and_eq",    "asm",       "auto",         "bitand",
    "bitor",       "bool",     "break",      "case",      "catch",     "char",         "char16_t",
    "char32_t",    "char8_t",  "class",      "co_await",  "co_return", "co_yield",     "compl",
    "concept",     "const",    "const_cast", "consteval", "constexpr", "constinit",    "continue",
    "decltype",    "default",  "delete",     "do",        "double",    "dynamic_cast", "else",
    "enum",        "explicit", "export",     "extern",    "false",     "float",        "for",
    "friend",      "goto",     "if",         "inline",    "int",       "long",         "mutable",
    "namespace",   "new",      "noexcept",   "not",       "not_eq",    "nullptr",      "operator",
    "or",          "or_eq",    "private",    "protected", "public",    "register",     "reinterpret_cast",
    "requires",    "return",   "short",      "signed",    "sizeof",    "static",       "static_assert",
    "static_cast", "std",      "struct",     "switch",    "template",  "this",         "thread_local",
    "throw",       "true",     "try",        "typedef",   "typeid",    "typename",     "union",
    "unsigned",    "using",    "virtual",    "void",      "volatile",  "wchar_t",      "while",
    "xor",         "xor_eq",   "main",       "millrace",  "config"};
constexpr std::string_view reserved_targets[] = {"all",           "clean",   "depend",  "edit_cache",
                                                 "help",          "install", "package", "package_source",
                                                 "rebuild_cache", "test"};
constexpr std::string_view reserved_cql[] = {
    "add",    "allow",        "alter",  "apply",        "asc",      "authorize", "batch",       "begin",
    "by",     "columnfamily", "create", "desc",         "describe", "drop",      "entries",     "execute",
    "from",   "full",         "grant",  "in",           "index",    "infinity",  "insert",      "into",
    "is",     "keyspace",     "limit",  "materialized", "modify",   "nan",       "norecursive", "null",
    "of",     "on",           "order",  "primary",      "rename",   "replace",   "revoke",      "schema",
    "select", "set",          "system", "table",        "to",       "token",     "truncate",    "unlogged",
    "unset",  "update",       "use",    "view",         "where",    "with"};
constexpr std::string_view reserved_functions[] = {
    "abort",  "abs",    "accept", "access",   "atoi",   "bind",    "brk",    "calloc", "chdir",   "chmod",
    "chown",  "clock",  "close",  "connect",  "ctime",  "daemon",  "div",    "dup",    "environ", "exec",
    "exit",   "exp",    "fork",   "free",     "getenv", "getopt",  "index",  "isatty", "kill",    "labs",
    "link",   "listen", "log",    "malloc",   "nice",   "optarg",  "optind", "pause",  "pipe",    "pow",
    "printf", "puts",   "rand",   "random",   "read",   "realloc", "recv",   "remove", "rewind",  "rindex",
    "rmdir",  "send",   "setenv", "shutdown", "signal", "sin",     "sleep",  "socket", "sqrt",    "srand",
    "stat",   "strdup", "sync",   "tan",      "time",   "times",   "unlink", "write"};

bool is_reserved(std::string_view name) {
  const auto holds = [name](const auto& words) { return std::ranges::find(words, name) != std::end(words); };
  return holds(reserved_words) || holds(reserved_targets) || holds(reserved_cql) || holds(reserved_functions);
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

std::string upper(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) { return c >= 'a' && c <= 'z' ? char(c - 32) : c; });
  return text;
}

// "0.1" of "0.1.0": the package is compatible within a minor version.
std::string_view minor_version() {
  const std::string_view full = MILLRACE_VERSION;
  return full.substr(0, full.rfind('.'));
}

std::string filled(std::string_view text, const std::string& name) {
  std::string result(text);
  replace_all(result, "MILLRACE_VERSION", minor_version());
  replace_all(result, "ORDERS_", upper(name) + "_");
  replace_all(result, "orders", name);
  return result;
}

result<void> check_empty(const fs::path& folder) {
  std::error_code failed;
  const fs::file_status status = fs::status(folder, failed);
  if (!fs::exists(status)) return {};
  if (!fs::is_directory(status))
    return error(errc::config_invalid, folder.string() + " exists and is not a folder");
  const bool empty = fs::is_empty(folder, failed);
  if (failed) return error(errc::io_error, folder.string() + ": " + failed.message());
  if (!empty) return error(errc::config_invalid, folder.string() + " is not empty");
  return {};
}

result<void> write_file(const fs::path& file, const std::string& text) {
  std::error_code failed;
  fs::create_directories(file.parent_path(), failed);
  if (failed) return error(errc::io_error, file.parent_path().string() + ": " + failed.message());
  std::ofstream out(file, std::ios::binary);
  out << text;
  out.close();
  if (!out) return error(errc::io_error, "cannot write " + file.string());
  return {};
}

int create(const std::string& at) {
  const auto written = write_project(at);
  if (!written) {
    std::cerr << "millrace new app: " << written.error().message() << "\n";
    return written.error().code() == errc::config_invalid ? app::exit_config : app::exit_failure;
  }
  for (const std::string& file : *written) std::cout << at << "/" << file << "\n";
  std::cout << "\nNext:\n  cmake -S " << at << " -B " << at << "/build\n  cmake --build " << at
            << "/build\n  ctest --test-dir " << at << "/build\n";
  return app::exit_ok;
}

}  // namespace

result<std::string> name_of(const std::string& at) {
  std::error_code failed;
  const fs::path folder = fs::absolute(at, failed).lexically_normal();
  std::string name = (folder.has_filename() ? folder : folder.parent_path()).filename().string();
  const auto letter = [](char c) { return c >= 'a' && c <= 'z'; };
  const bool valid =
      !name.empty() && name.size() <= name_bytes_max && letter(name.front()) &&
      std::ranges::all_of(name, [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '_'; });
  if (!valid) {
    return error(errc::config_invalid,
                 "'" + name +
                     "' cannot name an application: expected a lower-case letter, then lower-case "
                     "letters, digits and '_', at most " +
                     std::to_string(name_bytes_max) + " characters");
  }
  if (is_reserved(name)) {
    return error(errc::config_invalid, "'" + name +
                                           "' cannot name an application: the name is reserved in C++, "
                                           "C, CMake or CQL");
  }
  return name;
}

result<std::vector<std::string>> write_project(const std::string& at) {
  const auto name = name_of(at);
  if (!name) return name.error();
  const fs::path folder(at);
  if (auto empty = check_empty(folder); !empty) return empty.error();
  std::vector<std::string> written;
  for (const template_file& file : app_template()) {
    if (auto done = write_file(folder / file.name, filled(file.text, *name)); !done) return done.error();
    written.emplace_back(file.name);
  }
  return written;
}

app::command new_command() {
  return {"new", "Write a project to start from", [](CLI::App& self, int& code) {
            self.require_subcommand(1);
            auto folder = std::make_shared<std::string>();
            CLI::App* const app = self.add_subcommand(
                "app", "Write the project of an application, with a processor and its test");
            app->add_option("folder", *folder,
                            "Folder, absent or empty; its last part is the name of the application")
                ->required();
            app->callback([folder, &code] { code = create(*folder); });
          }};
}

}  // namespace millrace::new_app
