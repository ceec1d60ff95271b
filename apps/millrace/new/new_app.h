// `millrace new app`: the project of an application, from the template that the program carries.
#pragma once

#include <string>
#include <string_view>

#include <millrace/app/command_line.h>
#include <millrace/base/result.h>

namespace millrace::new_app {

// The name of the application in the folder `at`: its last part. It becomes a C++ namespace, a CMake target,
// a Kafka topic and a keyspace, so it is of lower-case letters, digits and `_`, begins with a letter, has 48
// characters at most, and is not reserved in C++, C, CMake or CQL. errc::config_invalid otherwise.
[[nodiscard]] result<std::string> name_of(const std::string& at);

// Writes the project and returns its files, relative to the folder. Folders above it are made.
// errc::config_invalid: the name cannot be used, or the folder holds anything already; nothing has been
// written. errc::io_error: a file or folder cannot be written; what was written before it stays.
[[nodiscard]] result<std::vector<std::string>> write_project(const std::string& at);

// `new`, with `app` below it.
[[nodiscard]] app::command new_command();

}  // namespace millrace::new_app
