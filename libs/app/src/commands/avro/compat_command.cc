// millrace avro compat OLD NEW
#include <millrace/avro/compare.h>

#include "avro_commands.h"
#include "schema_text.h"

namespace millrace::app::avro_commands {
namespace {

struct side {
  std::string name;  // of the file
  avro::schema schema;
};

// Prints the verdict of one direction and returns whether every record can be read.
[[nodiscard]] bool explain(const char* title, const side& writer, const side& reader, std::ostream& out) {
  const auto found = avro::find_incompatibilities(writer.schema, reader.schema);
  out << title << " (" << reader.name << " reads what " << writer.name << " wrote): ";
  if (found.empty()) {
    out << "yes\n";
    return true;
  }
  bool always = false;
  for (const auto& one : found) always |= one.kind == avro::incompatibility_kind::always;
  out << (always ? "no" : "not every record") << "\n";
  for (const avro::incompatibility& one : found) {
    out << "  " << (one.path.empty() ? "the root" : one.path) << ": " << one.why;
    if (one.kind == avro::incompatibility_kind::sometimes) out << " (fails for the records that hold it)";
    out << "\n";
    if (!one.remedy.empty()) out << "    fix: " << one.remedy << "\n";
  }
  if (found.size() == avro::incompatibilities_max) out << "  further incompatibilities are not listed\n";
  return false;
}

}  // namespace

int check_compatibility(const compat_arguments& arguments, const terminal& to) {
  const auto load = [&](const std::string& file) -> std::optional<side> {
    auto loaded = load_schema(file, arguments.schemas.references);
    if (loaded) return side{file, *std::move(loaded)};
    to.err << "avro: " << loaded.error().message() << "\n";
    return std::nullopt;
  };
  const auto before = load(arguments.schemas.before);
  if (!before) return exit_config;
  const auto after = load(arguments.schemas.after);
  if (!after) return exit_config;
  const bool backward = explain("backward", *before, *after, to.out);
  const bool forward = explain("forward", *after, *before, to.out);
  switch (arguments.require) {
    case compat_direction::backward:
      return backward ? exit_ok : exit_failure;
    case compat_direction::forward:
      return forward ? exit_ok : exit_failure;
    case compat_direction::full:
      break;
  }
  return backward && forward ? exit_ok : exit_failure;
}

}  // namespace millrace::app::avro_commands
