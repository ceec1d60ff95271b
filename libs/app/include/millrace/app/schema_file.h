// A file of CQL with the tables of an application (schema.cql), and the statements of its processors checked against
// it without a server: `validate --schema`, `prepare`, tests.
//
// Example:
//
//   const auto file = app::schema_file::read("schema.cql", "shop");
//   if (!file) return file.error();
//   for (const config::diagnostic& each : file->diagnostics()) {
//     if (each.level == config::severity::error) return error(errc::config_invalid, each.message);
//   }
//
// Threads: plain values. The functions are callable from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <millrace/app/app_config.h>
#include <millrace/base/result.h>
#include <millrace/config/diagnostic.h>
#include <millrace/cql/declared_schema.h>
#include <millrace/engine/processor.h>

namespace millrace::app {

// A schema and the text that it was read from.
class schema_file {
 public:
  // Reads a file. Names without a keyspace are of `keyspace`, usually `cql.keyspace`. Returns errc::io_error when the
  // file cannot be read; faults of its text are diagnostics().
  [[nodiscard]] static result<schema_file> read(const std::string& path, const std::string& keyspace);
  // The same for a text; `origin` names it in diagnostics.
  [[nodiscard]] static schema_file of(std::string text, std::string origin, const std::string& keyspace);

  // The schema, and the name of the file.
  [[nodiscard]] const cql::declared_schema& schema() const noexcept { return schema_; }
  [[nodiscard]] const std::string& origin() const noexcept { return origin_; }

  // The faults of the text, with line, column and the line itself.
  [[nodiscard]] std::vector<config::diagnostic> diagnostics() const;

  // Checks the statements and lookups of processors as a start does against a server: tables, columns, types, key of
  // each statement; lookups and the writes that invalidate them. A statement of which a server must describe a part, is
  // a warning. A fault of the text is in diagnostics() only.
  [[nodiscard]] std::vector<config::diagnostic> check(const engine::processor_set& processors,
                                                      const app_config& settings) const;

 private:
  std::string text_;
  std::string origin_;
  cql::declared_schema schema_;
};

}  // namespace millrace::app
