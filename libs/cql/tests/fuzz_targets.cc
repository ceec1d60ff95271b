// Answers of a database: frames, descriptions, tablets, compressed bodies, cells.
#include "fuzz_targets.h"

#include <array>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <millrace/base/assert.h>
#include <millrace/cql/composite.h>
#include <millrace/cql/type.h>

#include "bound_reader.h"
#include "column_changes.h"
#include "frames.h"
#include "token.h"

namespace millrace::cql::fuzz {
namespace {

// Takes the first byte, which chooses between variants; 0 when there is none.
[[nodiscard]] std::uint8_t take_byte(bytes_view& from) {
  if (from.empty()) return 0;
  const auto byte = std::to_integer<std::uint8_t>(from.front());
  from = from.subspan(1);
  return byte;
}

// Types are written so that they can be parsed. Names of fields may have the characters that separate parts.
void check_columns(const std::vector<statements::column>& columns) {
  for (const statements::column& each : columns) {
    const auto parsed = type::parse(each.type);
    if (!parsed) {
      invariant(each.type.find("udt<") != std::string::npos, "a type without names of fields can be parsed");
      continue;
    }
    invariant(can_read(*parsed, *parsed), "a type can be read as itself");
    const auto again = type::parse(parsed->to_string());
    invariant(again && can_read(*parsed, *again), "a type that is written back is the same");
  }
  invariant(!changed(columns, columns), "columns fit themselves");
}

void check_tablet(bytes_view payload) {
  constexpr std::size_t replica_bytes = 32;
  const auto read = frames::read_tablet(payload);
  if (!read) return;
  invariant(read->after < read->last, "a tablet has tokens");
  invariant(!read->replicas.empty() && read->replicas.size() * replica_bytes <= payload.size(),
            "a tablet has the replicas that were sent");
}

void check_result(const frames::header& of, bytes_view body) {
  frames::answer got;
  if (!frames::read_result(of, body, got)) return;
  static_cast<void>(frames::read_warnings(got.with.warnings));
  check_tablet(got.with.tablet);
  if (got.is == frames::answer::kind::prepared) {
    static_cast<void>(frames::read_prepared(got, {}));
  }
  if (got.is != frames::answer::kind::rows) return;
  invariant(std::uint64_t{got.row_count} * got.column_count * 4 <= got.cells.size(),
            "no more cells are counted than can be there");
  if (got.columns.empty()) return;
  if (const auto columns = frames::read_columns(got)) {
    invariant(columns->size() == got.column_count, "every column is described");
    check_columns(*columns);
  }
}

// What decodes can be encoded, and decodes again.
template <typename T>
void check_cell(const std::optional<bytes_view>& cell) {
  T value{};
  if (codec<T>::decode(cell, value) != cell_fault::none) return;
  cell_buffer encoded;
  codec<T>::encode(encoded, value);
  cell_reader again(encoded.view());
  std::optional<bytes_view> second;
  invariant(again.next(second) && again.rest().empty(), "a value is encoded as one cell");
  T back{};
  invariant(codec<T>::decode(second, back) == cell_fault::none, "a value that was encoded can be decoded");
}

struct place {
  std::string street;
  std::optional<std::int32_t> number;
};

template <typename... T>
void check_cell_as(const std::optional<bytes_view>& cell) {
  (check_cell<T>(cell), ...);
}

void check_values(bytes_view values) {
  byte_buffer key;
  byte_buffer scratch;
  for (const std::vector<std::uint16_t>& indexes :
       {std::vector<std::uint16_t>{0}, {1}, {1, 0}, {0, 1, 2}, {}}) {
    const bool complete = key_of(indexes, values, key);
    const auto token = token_of(indexes, values, scratch);
    invariant(complete == token.has_value(), "a complete key has a token");
    invariant(!complete || *token == murmur3_token(key), "the token is that of the key");
  }
}

}  // namespace

void frame(bytes_view input) {
  frames::header of{.version = 0x84, .flags = take_byte(input)};
  const std::uint8_t kind = take_byte(input);
  const byte_buffer body(input.begin(), input.end());  // one exact copy, so that a read past its end is seen
  of.body_bytes = static_cast<std::int32_t>(body.size());
  if (kind == 0) {
    check_result(of, body);
  } else if (kind == 1) {
    const frames::failure read = frames::read_error(of, body, {.rate_limit_code = 0xF000});
    invariant(!read.message.empty() || body.size() >= 6, "an error that cannot be read says so");
  } else if (const auto read = frames::read_supported(of, body)) {
    invariant(read->shards <= frames::shards_max, "the number of shards is bounded");
    invariant(read->shards == 0 ? read->shard_port == 0 : read->shard < read->shards,
              "a connection is on one of the shards");
  }
}

void prepared(bytes_view input) {
  const bool with_metadata_id = (take_byte(input) & 1U) != 0;
  const byte_buffer body(input.begin(), input.end());
  frames::answer of;
  of.is = frames::answer::kind::prepared;
  of.prepared = body;
  const auto read = frames::read_prepared(of, {.lwt_mask = 0x80000000U, .metadata_id = with_metadata_id});
  if (!read) return;
  for (const std::uint16_t index : read->partition_key) {
    invariant(index < read->parameters.size(), "a part of the key is a parameter");
  }
  check_columns(read->parameters);
  check_columns(read->columns);
}

void tablet(bytes_view input) {
  const byte_buffer payload(input.begin(), input.end());
  check_tablet(payload);
}

void compressed(bytes_view input) {
  const bool lz4 = (take_byte(input) & 1U) == 0;
  frames::compressor by(lz4 ? frames::compression::lz4 : frames::compression::snappy);
  const byte_buffer body(input.begin(), input.end());
  if (const auto whole = by.decompress(body)) {
    invariant(whole->size() <= 256 * body.size(), "no more comes out than can be in it");
  }
  byte_buffer frame;
  frames::append_prepare(frame, 1, as_text(body));
  const byte_buffer before = frame;
  by.compress(frame, 0);
  const frames::header of = frames::read_header(frame);
  if ((of.flags & frames::flag_compressed) == 0) return;
  const auto back = by.decompress(bytes_view(frame).subspan(frames::header_bytes));
  invariant(frame.size() < before.size(), "a compressed body is smaller");
  invariant(back && as_text(*back) == as_text(before).substr(frames::header_bytes),
            "a compressed body comes back");
}

void cells(bytes_view input) {
  const byte_buffer all(input.begin(), input.end());
  cell_reader reader(all);
  std::optional<bytes_view> cell;
  while (reader.next(cell)) {
    check_cell_as<bool, std::int8_t, std::int16_t, std::int32_t, std::int64_t, float, double, std::string,
                  byte_buffer, timestamp, std::chrono::sys_days, nanoseconds, uuid, inet_address, varint_view,
                  varint, decimal_view, duration>(cell);
    check_cell_as<std::vector<std::string>, std::set<std::int32_t>,
                  std::map<std::string, std::vector<std::int16_t>>,
                  std::tuple<std::int32_t, std::optional<std::string>>, std::array<float, 3>,
                  std::array<std::string, 2>, udt<place>, std::vector<udt<place>>>(cell);
  }
  check_values(all);
}

}  // namespace millrace::cql::fuzz
