// millrace avro schema check | canonical | fingerprint | diff
#include <iomanip>

#include <millrace/avro/compare.h>
#include <millrace/base/assert.h>
#include <millrace/base/bytes.h>

#include "avro_commands.h"
#include "schema_text.h"

namespace millrace::app::avro_commands {
namespace {

// The schema of a file, or the reason on `err`.
[[nodiscard]] std::optional<avro::schema> load(const std::string& file,
                                               const std::vector<std::string>& references,
                                               const terminal& to) {
  auto loaded = load_schema(file, references);
  if (loaded) return *std::move(loaded);
  to.err << "avro: " << loaded.error().message() << "\n";
  return std::nullopt;
}

[[nodiscard]] result<byte_buffer> fingerprint_of(const avro::schema& of, fingerprint_algorithm algorithm) {
  const auto as_buffer = [](const auto& bytes) { return byte_buffer(bytes.begin(), bytes.end()); };
  switch (algorithm) {
    case fingerprint_algorithm::rabin: {
      std::uint64_t left = of.fingerprint();
      byte_buffer bytes;
      for (std::size_t i = 0; i < sizeof left; ++i, left >>= 8U)
        bytes.push_back(static_cast<std::byte>(left));
      return bytes;
    }
    case fingerprint_algorithm::md5: {
      auto digest = of.fingerprint_md5();
      if (!digest) return std::move(digest).error();
      return as_buffer(*digest);
    }
    case fingerprint_algorithm::sha256: {
      auto digest = of.fingerprint_sha256();
      if (!digest) return std::move(digest).error();
      return as_buffer(*digest);
    }
  }
  invariant_broken("every algorithm is in the list");
}

}  // namespace

int check_schemas(const check_arguments& arguments, const terminal& to) {
  int code = exit_ok;
  for (const std::string& file : arguments.files) {
    if (const auto loaded = load_schema(file, arguments.references)) {
      to.out << file << ": ok, " << summary(loaded->root()) << "\n";
    } else {
      to.err << loaded.error().message() << "\n";
      if (loaded.error().code() == errc::config_invalid) return exit_config;
      code = exit_failure;
    }
  }
  return code;
}

int print_canonical(const schema_arguments& arguments, const terminal& to) {
  const auto loaded = load(arguments.file, arguments.references, to);
  if (!loaded) return exit_config;
  to.out << loaded->canonical() << "\n";
  return exit_ok;
}

int print_fingerprint(const fingerprint_arguments& arguments, const terminal& to) {
  const auto loaded = load(arguments.file, arguments.references, to);
  if (!loaded) return exit_config;
  auto digest = fingerprint_of(*loaded, arguments.algorithm);
  if (!digest) {
    to.err << "avro: " << digest.error().message() << "\n";
    return exit_failure;
  }
  to.out << to_hex(*digest) << "\n";
  return exit_ok;
}

int diff_schemas(const pair_arguments& arguments, const terminal& to) {
  const auto before = load(arguments.before, arguments.references, to);
  if (!before) return exit_config;
  const auto after = load(arguments.after, arguments.references, to);
  if (!after) return exit_config;
  const auto changes = avro::find_changes(*before, *after);
  for (const avro::schema_change& change : changes) {
    const char* sign = "~";
    if (change.kind == avro::change_kind::added) sign = "+";
    if (change.kind == avro::change_kind::removed) sign = "-";
    to.out << sign << " " << (change.path.empty() ? "the root" : change.path) << ": " << change.what << "\n";
  }
  if (changes.size() == avro::schema_changes_max) to.out << "further changes are not listed\n";
  return changes.empty() ? exit_ok : exit_failure;
}

}  // namespace millrace::app::avro_commands
