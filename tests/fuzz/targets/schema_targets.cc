// Schema text, and plans compiled from two schemas.
#include <algorithm>

#include <millrace/avro/codegen.h>
#include <millrace/avro/compare.h>
#include <millrace/avro/encoder.h>
#include <millrace/avro/plan.h>
#include <millrace/avro/schema.h>
#include <millrace/avro/value.h>

#include "targets.h"

namespace millrace::avro::fuzz {
namespace {

[[nodiscard]] bool always(const std::vector<incompatibility>& found) {
  return std::any_of(found.begin(), found.end(),
                     [](const auto& one) { return one.kind == incompatibility_kind::always; });
}

// What find_incompatibilities and the plan compiler say of two schemas is the same.
void check_verdict(const schema& writer, const schema& reader, const result<decoder<value>>& compiled) {
  const auto found = find_incompatibilities(writer, reader);
  if (!compiled && compiled.error().code() == errc::limit_exceeded) return;
  if (found.size() == incompatibilities_max) return;
  invariant(always(found) == !compiled.ok(), "compat and compile agree");
}

}  // namespace

limits small_limits() {
  limits small;
  small.schema_text_bytes_max = std::size_t{64} << 10;
  small.schema_nodes_max = 2'000;
  small.schema_depth_max = 24;
  small.union_branches_max = 256;
  small.enum_symbols_max = 1'000;
  small.fixed_bytes_max = 4'096;
  small.default_bytes_max = 4'096;
  small.plan_ops_max = 10'000;
  small.depth_max = 24;
  small.zero_byte_items_max = 10'000;
  small.output_bytes_base = std::size_t{64} << 10;
  small.json_text_bytes_max = std::size_t{1} << 20;
  return small;
}

std::string_view take_line(std::string_view& rest) {
  const auto end = rest.find('\n');
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return line;
}

void schema_text(bytes_view input) {
  parse_options options;
  options.limits = small_limits();
  for (const bool lenient : {false, true}) {
    options.lenient_names = lenient;
    options.check_defaults = !lenient;
    const auto parsed = schema::parse(as_text(input), options);
    if (!parsed) continue;
    const std::string canonical = parsed->canonical();
    // What is written is longer than what was read where names are spelt out.
    parse_options roomy = options;
    roomy.limits = limits();
    const auto again = schema::parse(parsed->to_json(), roomy);
    invariant(again.ok(), "a schema written back can be read");
    invariant(again->canonical() == canonical && again->fingerprint() == parsed->fingerprint(),
              "a schema written back is the same");
    invariant(find_changes(*parsed, *again).empty(), "nothing changes in a schema written back");
    // A name without a namespace inside a namespace reads otherwise there; nothing is promised.
    static_cast<void>(schema::parse(canonical, roomy));
    static_cast<void>(summary(parsed->root()));
    static_cast<void>(generate_header(*parsed));
  }
}

void plan_compile(bytes_view input) {
  std::string_view rest = as_text(input);
  parse_options parsing;
  parsing.limits = small_limits();
  const auto writer = schema::parse(take_line(rest), parsing);
  const auto reader = schema::parse(take_line(rest), parsing);
  if (!writer || !reader) return;
  plan_options options;
  options.limits = small_limits();
  check_verdict(*writer, *reader, decoder<value>::compile(*writer, *reader, options));
  check_verdict(*reader, *writer, decoder<value>::compile(*reader, *writer, options));
  static_cast<void>(encoder<value>::compile(*reader, encode_options{.limits = options.limits}));
  static_cast<void>(find_changes(*writer, *reader));
}

}  // namespace millrace::avro::fuzz
