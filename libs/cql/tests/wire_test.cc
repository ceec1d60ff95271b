// Frames of the native protocol, byte for byte, and what hostile ones do.
#include "wire.h"

#include <gtest/gtest.h>

namespace millrace::cql::wire {
namespace {

std::string hex(const byte_buffer& bytes) { return to_hex(bytes); }
byte_buffer bytes(std::string_view hexadecimal) { return *from_hex(hexadecimal); }

constexpr std::uint8_t response = 0x84;

header of_body(opcode what, const byte_buffer& body, std::uint8_t flags = 0) {
  return {.version = response,
          .flags = flags,
          .stream = 1,
          .opcode = static_cast<std::uint8_t>(what),
          .body_bytes = static_cast<std::int32_t>(body.size())};
}

TEST(wire, an_execution_is_encoded_as_section_4_1_6_specifies) {
  byte_buffer out;
  const byte_buffer id = bytes("beef");
  const byte_buffer values = bytes("00000001 61  ffffffff");
  append_execute(out, 0x0102,
                 {.id = id, .consistency = 6, .value_count = 2, .values = values, .page_rows = 100});
  EXPECT_EQ(hex(out),
            hex(bytes("04 00 0102 0a 00000016  0002 beef  0006 07  0002 00000001 61 ffffffff  00000064")));
  out.clear();
  const byte_buffer state = bytes("0a0b");
  append_execute(out, 1, {.id = id, .consistency = 1, .paging_state = state, .timestamp_us = 5});
  EXPECT_EQ(hex(out),
            hex(bytes("04 00 0001 0a 00000015  0002 beef  0001 2a  00000002 0a0b  0000000000000005")));
}

TEST(wire, the_handshake_is_encoded_as_specified) {
  byte_buffer out;
  append_options(out, 0);
  EXPECT_EQ(hex(out), hex(bytes("04 00 0000 05 00000000")));
  out.clear();
  append_startup(out, 0, {{"CQL_VERSION", "3.0.0"}});
  EXPECT_EQ(hex(out), hex(bytes("04 00 0000 01 00000016  0001 000b 43514c5f56455253494f4e 0005 332e302e30")));
  out.clear();
  append_credentials(out, 0, "me", "pw");
  EXPECT_EQ(hex(out), hex(bytes("04 00 0000 0f 0000000a  00000006 00 6d65 00 7077")));
}

TEST(wire, a_header_is_read_as_it_is_written) {
  const header of = read_header(bytes("84 08 ffff 08 00000010"));
  EXPECT_EQ(of.version, 0x84);
  EXPECT_EQ(of.flags, 8);
  EXPECT_EQ(of.stream, -1);
  EXPECT_EQ(of.opcode, 8);
  EXPECT_EQ(of.body_bytes, 16);
}

TEST(wire, rows_without_metadata_are_read) {
  const byte_buffer body = bytes("00000002  00000004 00000002  00000001  00000001 41 ffffffff");
  answer got;
  ASSERT_TRUE(read_result(of_body(opcode::result, body), body, got));
  EXPECT_TRUE(got.is_rows);
  EXPECT_EQ(got.row_count, 1U);
  EXPECT_EQ(got.column_count, 2U);
  EXPECT_EQ(to_hex(got.cells), "0000000141ffffffff");
  EXPECT_TRUE(got.paging_state.empty());
}

// Metadata that was not requested, of every kind of type: a map of text and tuples, a list, a custom type, a
// user type.
constexpr std::string_view with_metadata =
    "00000002  00000003 00000004  00000002 0a0b  0002 6b73 0001 74 "
    "0001 61 0021 000d 0031 0002 0009 0004 "
    "0001 62 0020 000d "
    "0001 63 0000 0003 6f7267 "
    "0001 64 0030 0002 6b73 0001 75 0001 0001 78 0009 "
    "00000001  ffffffff ffffffff ffffffff 00000001 07";

TEST(wire, metadata_and_a_paging_state_are_skipped) {
  const byte_buffer body = bytes(with_metadata);
  answer got;
  ASSERT_TRUE(read_result(of_body(opcode::result, body), body, got));
  EXPECT_EQ(got.column_count, 4U);
  EXPECT_EQ(to_hex(got.paging_state), "0a0b");
  EXPECT_EQ(to_hex(got.cells), "ffffffffffffffffffffffff0000000107");
}

TEST(wire, data_before_the_result_is_skipped) {
  // A trace, warnings, and a payload.
  const byte_buffer body =
      bytes("000102030405060708090a0b0c0d0e0f  0001 0002 6869  0001 0001 6b 00000001 ff  00000001");
  answer got;
  EXPECT_TRUE(read_result(of_body(opcode::result, body, 0x02 | 0x08 | 0x04), body, got));
  EXPECT_FALSE(got.is_rows);
}

TEST(wire, a_truncated_or_changed_result_is_never_read_beyond_its_end) {
  const byte_buffer whole = bytes(with_metadata);
  for (std::size_t length = 0; length < whole.size() - 17; ++length) {
    // In a block of its own, so that a sanitizer sees the end.
    const byte_buffer cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
    answer got;
    EXPECT_FALSE(read_result(of_body(opcode::result, cut), cut, got)) << length;
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      byte_buffer changed = whole;
      changed[at] = static_cast<std::byte>(value);
      for (const std::uint8_t flags : {std::uint8_t{0x00}, std::uint8_t{0x0E}}) {
        answer got;
        if (!read_result(of_body(opcode::result, changed, flags), changed, got) || !got.is_rows) continue;
        EXPECT_LE(std::uint64_t{got.row_count} * got.column_count * 4, got.cells.size());
      }
    }
  }
}

TEST(wire, the_depth_of_nested_types_is_limited) {
  byte_buffer body = bytes("00000002  00000000 00000001  0002 6b73 0001 74 0001 61");
  for (int depth = 0; depth < 10'000; ++depth) {
    body.push_back(std::byte{0x00});
    body.push_back(std::byte{0x20});
  }
  answer got;
  EXPECT_FALSE(read_result(of_body(opcode::result, body), body, got));
}

struct expected_error {
  std::string_view body;
  errc kind;
  std::string_view message;
};

TEST(wire, errors_have_a_kind_and_the_servers_message) {
  for (const expected_error& each : std::initializer_list<expected_error>{
           {"00000000 0002 6869", errc::db_unavailable, "hi"},
           {"0000000a 0002 6869", errc::db_protocol, "hi"},
           {"00000100 0002 6869", errc::db_unauthorized, "hi"},
           {"00001000 0002 6869 0006 00000002 00000001", errc::db_unavailable,
            "hi (consistency LOCAL_QUORUM, 2 replicas required and 1 alive)"},
           {"00001001 0002 6869", errc::db_overloaded, "hi"},
           {"00001002 0002 6869", errc::db_unavailable, "hi"},
           {"00001003 0002 6869", errc::db_unavailable, "hi"},
           {"00001100 0002 6869 0001 00000000 00000001 0006 53494d504c45", errc::db_timeout,
            "hi (consistency ONE, 0 of 1 replicas answered)"},
           {"00001200 0002 6869 0001 00000000 00000001 00", errc::db_timeout,
            "hi (consistency ONE, 0 of 1 replicas answered)"},
           {"00001300 0002 6869 0001 00000000 00000001 00000001 00", errc::db_unavailable,
            "hi (consistency ONE, 0 of 1 replicas answered)"},
           {"00001400 0002 6869", errc::db_invalid, "hi"},
           {"00001500 0002 6869 0001 00000000 00000001 00000001 0000", errc::db_unavailable,
            "hi (consistency ONE, 0 of 1 replicas answered)"},
           {"00002000 0002 6869", errc::db_invalid, "hi"},
           {"00002100 0002 6869", errc::db_unauthorized, "hi"},
           {"00002200 0002 6869", errc::db_invalid, "hi"},
           {"00002300 0002 6869", errc::db_invalid, "hi"},
           {"00002400 0002 6869", errc::db_invalid, "hi"},
           {"0000f000 0002 6869", errc::db_overloaded, "hi"},
           {"0000f001 0002 6869", errc::db_protocol, "hi"},
           {"0000", errc::db_protocol, "an error that cannot be read"},
       }) {
    const byte_buffer body = bytes(each.body);
    const failure got = read_error(of_body(opcode::error, body), body, 0xF000);
    EXPECT_EQ(got.kind, each.kind) << each.body;
    EXPECT_EQ(got.message, each.message) << each.body;
    EXPECT_FALSE(got.unprepared);
  }
  const byte_buffer forgotten = bytes("00002500 0000 0002 beef");
  EXPECT_TRUE(read_error(of_body(opcode::error, forgotten), forgotten, 0).unprepared);
}

TEST(wire, the_options_of_a_server_are_read) {
  const byte_buffer body = bytes(
      "0003 "
      "000c 5343594c4c415f5348415244 0001 0001 33 "                     // SCYLLA_SHARD 3
      "0010 5343594c4c415f4e525f534841524453 0001 0001 38 "             // SCYLLA_NR_SHARDS 8
      "0017 5343594c4c415f524154455f4c494d49545f4552524f52 0001 0010 "  // SCYLLA_RATE_LIMIT_ERROR
      "4552524f525f434f44453d3631343430");                              // ERROR_CODE=61440
  const auto got = read_supported(of_body(opcode::supported, body), body);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->shard, 3U);
  EXPECT_EQ(got->shards, 8U);
  EXPECT_EQ(got->rate_limit_code, 61440);
  EXPECT_EQ(got->shard_port, 0U);
  for (std::size_t length = 0; length < body.size(); ++length) {
    const byte_buffer cut(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(length));
    EXPECT_FALSE(read_supported(of_body(opcode::supported, cut), cut)) << length;
  }
}

}  // namespace
}  // namespace millrace::cql::wire
