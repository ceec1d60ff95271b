// Frames of the native protocol, byte for byte, and what hostile ones do.
#include "frames.h"

#include <gtest/gtest.h>

#include <millrace/cql/server_errors.h>
#include <millrace/cql/type.h>

namespace millrace::cql::frames {
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

// "0002 6869" for "hi".
std::string short_string(std::string_view text) {
  const auto size = static_cast<std::uint16_t>(text.size());
  return to_hex(byte_buffer{static_cast<std::byte>(size >> 8U), static_cast<std::byte>(size & 0xFFU)}) +
         to_hex(as_bytes(text));
}

// ---- requests

TEST(frames, an_execution_is_encoded_as_section_4_1_6_specifies) {
  const byte_buffer id = bytes("beef");
  const byte_buffer values = bytes("00000001 61  ffffffff");
  const byte_buffer state = bytes("0a0b");
  byte_buffer out;
  const execution page{.id = id, .consistency = 6, .value_count = 2, .values = values, .page_rows = 100};
  append_execute(out, 0x0102, page);
  EXPECT_EQ(hex(out),
            hex(bytes("04 00 0102 0a 00000016  0002 beef  0006 07  0002 00000001 61 ffffffff  00000064")));
  EXPECT_EQ(size_of(page), out.size());
  out.clear();
  const execution next{.id = id,
                       .consistency = 1,
                       .serial_consistency = 9,
                       .paging_state = state,
                       .timestamp_us = 5,
                       .with_columns = true,
                       .traced = true};
  append_execute(out, 1, next);
  EXPECT_EQ(hex(out),
            hex(bytes("04 02 0001 0a 00000017  0002 beef  0001 38  00000002 0a0b  0009  0000000000000005")));
  EXPECT_EQ(size_of(next), out.size());
}

TEST(frames, a_metadata_id_follows_the_statements_id) {
  byte_buffer out;
  const byte_buffer id = bytes("beef");
  const byte_buffer metadata_id = bytes("0a0b0c");
  const execution what{.id = id, .metadata_id = metadata_id, .consistency = 1};
  append_execute(out, 1, what);
  EXPECT_EQ(hex(out), hex(bytes("04 00 0001 0a 0000000c  0002 beef 0003 0a0b0c  0001 02")));
  EXPECT_EQ(size_of(what), out.size());
}

TEST(frames, requests_of_every_size_are_appended_whole) {
  const byte_buffer id = bytes("00112233445566778899aabbccddeeff");
  byte_buffer out;
  for (std::size_t size = 0; size < 2'000; size += 7) {
    byte_buffer values(size);
    for (std::size_t k = 0; k < size; ++k) values[k] = static_cast<std::byte>(k);
    const std::size_t before = out.size();
    const execution what{.id = id, .consistency = 6, .value_count = 1, .values = values, .page_rows = 5};
    append_execute(out, 7, what);
    ASSERT_EQ(out.size() - before, size_of(what));
    const bytes_view frame = bytes_view(out).subspan(before);
    EXPECT_EQ(static_cast<std::size_t>(read_header(frame).body_bytes), frame.size() - header_bytes);
    EXPECT_EQ(to_hex(frame.subspan(header_bytes + 2 + id.size() + 5, size)), to_hex(values));
    EXPECT_EQ(to_hex(frame.last(4)), "00000005");
  }
}

TEST(frames, a_batch_is_encoded_as_section_4_1_7_specifies) {
  byte_buffer out;
  const byte_buffer first = bytes("beef");
  const byte_buffer second = bytes("0a");
  const byte_buffer values = bytes("00000001 61");
  const batch_part parts[] = {{.id = first, .value_count = 1, .values = values}, {.id = second}};
  append_batch(out, 3, {.parts = parts, .consistency = 6});
  EXPECT_EQ(hex(out), hex(bytes("04 00 0003 0d 00000018  01 0002  01 0002 beef 0001 00000001 61  "
                                "01 0001 0a 0000  0006 00")));
  out.clear();
  const batch full{
      .parts = parts, .consistency = 1, .serial_consistency = 8, .timestamp_us = 7, .traced = true};
  append_batch(out, 3, full);
  EXPECT_EQ(hex(out), hex(bytes("04 02 0003 0d 00000022  01 0002  01 0002 beef 0001 00000001 61  "
                                "01 0001 0a 0000  0001 30 0008 0000000000000007")));
  EXPECT_EQ(size_of(full), out.size());
}

TEST(frames, the_handshake_and_texts_are_encoded_as_specified) {
  byte_buffer out;
  append_options(out, 0);
  EXPECT_EQ(hex(out), hex(bytes("04 00 0000 05 00000000")));
  out.clear();
  append_startup(out, 0, {{"CQL_VERSION", "3.0.0"}});
  EXPECT_EQ(hex(out), hex(bytes("04 00 0000 01 00000016  0001 000b 43514c5f56455253494f4e 0005 332e302e30")));
  out.clear();
  append_credentials(out, 0, "me", "pw");
  EXPECT_EQ(hex(out), hex(bytes("04 00 0000 0f 0000000a  00000006 00 6d65 00 7077")));
  out.clear();
  append_query(out, 2, "USE k");
  EXPECT_EQ(hex(out), hex(bytes("04 00 0002 07 0000000c  00000005 555345206b  0001 00")));
  append_prepare(out, 2, "x");
  EXPECT_EQ(hex(out), hex(bytes("04 00 0002 07 0000000c  00000005 555345206b  0001 00"
                                "04 00 0002 09 00000005  00000001 78")));
}

TEST(frames, a_header_is_read_as_it_is_written) {
  const header of = read_header(bytes("84 08 ffff 08 00000010"));
  EXPECT_EQ(of.version, 0x84);
  EXPECT_EQ(of.flags, 8);
  EXPECT_EQ(of.stream, -1);
  EXPECT_EQ(of.opcode, 8);
  EXPECT_EQ(of.body_bytes, 16);
  EXPECT_EQ(read_header(bytes("84 00 0000 08 ffffffff")).body_bytes, -1);
}

// ---- rows

TEST(frames, rows_without_metadata_are_read) {
  const byte_buffer body = bytes("00000002  00000004 00000002  00000001  00000001 41 ffffffff");
  answer got;
  got.paging_state = body;  // of an answer before
  ASSERT_TRUE(read_result(of_body(opcode::result, body), body, got));
  EXPECT_EQ(got.is, answer::kind::rows);
  EXPECT_EQ(got.row_count, 1U);
  EXPECT_EQ(got.column_count, 2U);
  EXPECT_EQ(to_hex(got.cells), "0000000141ffffffff");
  EXPECT_TRUE(got.paging_state.empty());
  EXPECT_TRUE(got.columns.empty());
}

// A description of every kind of type: a map of text and tuples, a list, a custom type, a user type.
constexpr std::string_view with_metadata =
    "00000002  0000000b 00000004  00000002 0a0b  0003 010203  0002 6b73 0001 74 "
    "0001 61 0021 000d 0031 0002 0009 0004 "
    "0001 62 0020 000d "
    "0001 63 0000 0003 6f7267 "
    "0001 64 0030 0002 6b73 0001 75 0001 0001 78 0009 "
    "00000001  ffffffff ffffffff ffffffff 00000001 07";

TEST(frames, a_changed_description_is_read_with_its_id_and_its_columns) {
  const byte_buffer body = bytes(with_metadata);
  answer got;
  ASSERT_TRUE(read_result(of_body(opcode::result, body), body, got));
  EXPECT_EQ(got.column_count, 4U);
  EXPECT_EQ(to_hex(got.paging_state), "0a0b");
  EXPECT_EQ(to_hex(got.metadata_id), "010203");
  EXPECT_EQ(to_hex(got.cells), "ffffffffffffffffffffffff0000000107");
  const auto columns = read_columns(got);
  ASSERT_TRUE(columns);
  ASSERT_EQ(columns->size(), 4U);
  EXPECT_EQ(columns->at(0).name, "a");
  EXPECT_EQ(columns->at(0).type, "map<text, tuple<int, boolean>>");
  EXPECT_EQ(columns->at(1).type, "list<text>");
  EXPECT_EQ(columns->at(2).type, "custom(org)");
  EXPECT_EQ(columns->at(3).name, "d");
  EXPECT_EQ(columns->at(3).type, "udt<ks.u, x int>");
}

TEST(frames, columns_of_several_tables_are_read) {
  const byte_buffer body = bytes(
      "00000002  00000000 00000002  0001 6b 0001 74 0001 61 0009  0001 6b 0001 75 0001 62 0015  00000000");
  answer got;
  ASSERT_TRUE(read_result(of_body(opcode::result, body), body, got));
  const auto columns = read_columns(got);
  ASSERT_TRUE(columns);
  ASSERT_EQ(columns->size(), 2U);
  EXPECT_EQ(columns->at(0).type, "int");
  EXPECT_EQ(columns->at(1).name, "b");
  EXPECT_EQ(columns->at(1).type, "duration");
}

TEST(frames, data_before_the_result_is_kept) {
  // A trace, warnings, and a payload.
  const byte_buffer body = bytes(
      "000102030405060708090a0b0c0d0e0f  0002 0002 6869 0001 21  "
      "0002 0001 6b 00000001 ff 0012 7461626c6574732d726f7574696e672d7631 00000002 0102  00000001");
  answer got;
  ASSERT_TRUE(read_result(of_body(opcode::result, body, 0x02 | 0x08 | 0x04), body, got));
  EXPECT_EQ(got.is, answer::kind::nothing);
  ASSERT_TRUE(got.with.trace);
  EXPECT_EQ(got.with.trace->to_string(), "00010203-0405-0607-0809-0a0b0c0d0e0f");
  EXPECT_EQ(read_warnings(got.with.warnings), (std::vector<std::string_view>{"hi", "!"}));
  EXPECT_EQ(to_hex(got.with.tablet), "0102");
  EXPECT_TRUE(read_warnings({}).empty());
}

TEST(frames, other_kinds_of_results_are_told_apart) {
  const auto kind_of = [](std::string_view hexadecimal) {
    const byte_buffer body = bytes(hexadecimal);
    answer got;
    EXPECT_TRUE(read_result(of_body(opcode::result, body), body, got));
    return got.is;
  };
  EXPECT_EQ(kind_of("00000001"), answer::kind::nothing);
  EXPECT_EQ(kind_of("00000003 0002 6b73"), answer::kind::keyspace);
  EXPECT_EQ(kind_of("00000004 0001 00"), answer::kind::prepared);
  EXPECT_EQ(kind_of("00000005"), answer::kind::schema);
  for (const std::string_view other : {"00000000", "00000006", "ffffffff", "0000"}) {
    const byte_buffer body = bytes(other);
    answer got;
    EXPECT_FALSE(read_result(of_body(opcode::result, body), body, got)) << other;
  }
}

TEST(frames, counts_that_the_body_cannot_hold_are_malformed) {
  for (const std::string_view hostile : {
           "00000002  00000004 00000002  7fffffff  00000001 41",  // rows
           "00000002  00000004 00000000  00000001",               // no columns
           "00000002  00000004 ffffffff  00000000",               // a negative number of columns
           "00000002  00000004 7fffffff  00000000",               // more columns than a table has
           "00000002  00000004 00000001  ffffffff",               // a negative number of rows
           "00000002  00000001 0000ffff  0000 0000  00000000",    // columns that are not there
       }) {
    const byte_buffer body = bytes(hostile);
    answer got;
    EXPECT_FALSE(read_result(of_body(opcode::result, body), body, got)) << hostile;
  }
}

TEST(frames, a_truncated_or_changed_result_is_never_read_beyond_its_end) {
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
        if (!read_result(of_body(opcode::result, changed, flags), changed, got)) continue;
        if (got.is != answer::kind::rows) continue;
        EXPECT_LE(std::uint64_t{got.row_count} * got.column_count * 4, got.cells.size());
        // What was passed over as a description can be read as one.
        if (got.columns.empty()) continue;
        EXPECT_TRUE(read_columns(got)) << at << ' ' << value;
      }
    }
  }
}

// ---- types

// The text of a type in an answer with one column "c".
result<std::string> type_of(std::string_view option) {
  const byte_buffer body =
      bytes("00000002  00000001 00000001  0002 6b73 0001 74  0001 63 " + std::string(option) + " 00000000");
  answer got;
  if (!read_result(of_body(opcode::result, body), body, got)) return error(errc::malformed);
  auto columns = read_columns(got);
  if (!columns) return columns.error();
  return columns->at(0).type;
}
std::string text_of(std::string_view option) { return type_of(option).value_or(std::string("none")); }
std::string custom(std::string_view name) { return text_of("0000 " + short_string(name)); }

TEST(frames, every_simple_type_has_its_name) {
  const std::pair<std::string_view, std::string_view> expected[] = {
      {"0001", "ascii"},    {"0002", "bigint"},  {"0003", "blob"},      {"0004", "boolean"},
      {"0005", "counter"},  {"0006", "decimal"}, {"0007", "double"},    {"0008", "float"},
      {"0009", "int"},      {"000a", "text"},    {"000b", "timestamp"}, {"000c", "uuid"},
      {"000d", "text"},     {"000e", "varint"},  {"000f", "timeuuid"},  {"0010", "inet"},
      {"0011", "date"},     {"0012", "time"},    {"0013", "smallint"},  {"0014", "tinyint"},
      {"0015", "duration"}, {"0016", "unknown"}, {"7777", "unknown"}};
  for (const auto& [option, name] : expected) EXPECT_EQ(text_of(option), name) << option;
}

TEST(frames, composed_types_are_written_as_cql_writes_them) {
  EXPECT_EQ(text_of("0020 0009"), "list<int>");
  EXPECT_EQ(text_of("0022 000c"), "set<uuid>");
  EXPECT_EQ(text_of("0021 000d 0020 0009"), "map<text, list<int>>");
  EXPECT_EQ(text_of("0031 0002 0009 0022 000d"), "tuple<int, set<text>>");
  EXPECT_EQ(text_of("0030 " + short_string("app") + short_string("address") + "0002" +
                    short_string("street") + "000d" + short_string("tags") + "0020 000d"),
            "udt<app.address, street text, tags list<text>>");
}

TEST(frames, quoted_names_keep_the_text_of_a_type_parseable) {
  const std::string text = text_of("0030 " + short_string("app") + short_string("a<b>") + "0002" +
                                   short_string("x, y") + "000d" + short_string("z") + "0009");
  EXPECT_EQ(text, "udt<app.a_b_, x_ y text, z int>");
  ASSERT_TRUE(type::parse(text));
  EXPECT_EQ(type::parse(text)->fields, (std::vector<std::string>{"x_ y", "z"}));
}

TEST(frames, classes_that_stand_for_types_are_read) {
  const std::string package = "org.apache.cassandra.db.marshal.";
  EXPECT_EQ(custom(package + "DurationType"), "duration");
  EXPECT_EQ(custom(package + "VectorType(" + package + "FloatType , 3)"), "vector<float, 3>");
  EXPECT_EQ(custom(package + "VectorType(" + package + "FloatType,3)"), "vector<float, 3>");
  EXPECT_EQ(custom(package + "VectorType(" + package + "VectorType(" + package + "UTF8Type, 2), 65535)"),
            "vector<vector<text, 2>, 65535>");
  EXPECT_EQ(custom(package + "ReversedType(" + package + "TimestampType)"), "timestamp");
  EXPECT_EQ(custom(package + "MapType(" + package + "UTF8Type," + package + "FrozenType(" + package +
                   "ListType(" + package + "Int32Type)))"),
            "map<text, list<int>>");
  EXPECT_EQ(custom(package + "TupleType(" + package + "LongType," + package + "SetType(" + package +
                   "SimpleDateType))"),
            "tuple<bigint, set<date>>");
  EXPECT_EQ(custom(package + "UserType(ks,75,78:" + package + "Int32Type,79:" + package + "UTF8Type)"),
            "udt<ks.u, x int, y text>");
  // Also as a part of another type.
  EXPECT_EQ(text_of("0020 0000 " + short_string(package + "VectorType(" + package + "FloatType,3)")),
            "list<vector<float, 3>>");
}

TEST(frames, other_classes_are_custom_types_that_can_be_parsed) {
  const std::string package = "org.apache.cassandra.db.marshal.";
  EXPECT_EQ(custom("com.example.Own"), "custom(com.example.Own)");
  EXPECT_EQ(custom(package + "DynamicCompositeType(a=>X, b=>Y)"),
            "custom(" + package + "DynamicCompositeType(a=_X__b=_Y))");
  for (const std::string_view broken :
       {"", "VectorType", "VectorType(", "VectorType(FloatType", "VectorType(FloatType,)",
        "VectorType(FloatType,x)", "VectorType(FloatType,0)", "VectorType(FloatType,70000)",
        "VectorType(FloatType,3", "VectorType(FloatType,3))", "ListType(Int32Type,Int32Type)",
        "MapType(Int32Type)", "UserType(ks,75,7:Int32Type)", "UserType(ks,75,78)", "UserType(ks)",
        "TupleType()", "FloatType(", "FloatType FloatType"}) {
    const std::string text = custom(broken);
    EXPECT_TRUE(text.starts_with("custom(")) << text;
    EXPECT_TRUE(type::parse(text)) << text;
  }
}

TEST(frames, the_depth_of_nested_types_is_limited) {
  std::string lists;
  for (std::size_t depth = 0; depth < type_depth_max; ++depth) lists += "0020";
  const std::string deepest = text_of(lists + "0009");
  ASSERT_TRUE(deepest.starts_with("list<list<"));
  EXPECT_TRUE(type::parse(deepest));
  EXPECT_FALSE(type_of(lists + "0020 0009"));
  for (int depth = 0; depth < 10'000; ++depth) lists += "0020";
  EXPECT_FALSE(type_of(lists));

  std::string classes = "FloatType";
  for (int depth = 0; depth < 1'000; ++depth) classes.insert(0, "ListType(").append(")");
  EXPECT_TRUE(custom(classes).starts_with("custom("));
}

// ---- PREPARED

std::string prepared_body(std::string_view metadata_id, std::string_view flags) {
  return "00000004  0002 beef " + std::string(metadata_id) + std::string(flags) + " 00000002 00000001 0001 " +
         short_string("ks") + short_string("t") + short_string("segment") + "000d" + short_string("id") +
         "000c" + "00000001 00000001 " + short_string("ks") + short_string("t") + short_string("score") +
         "0007";
}

TEST(frames, a_prepared_statement_is_read_with_its_key) {
  const byte_buffer body = bytes(prepared_body("", "00000001"));
  answer got;
  ASSERT_TRUE(read_result(of_body(opcode::result, body), body, got));
  const auto statement = read_prepared(got, {});
  ASSERT_TRUE(statement);
  EXPECT_EQ(to_hex(statement->id), "beef");
  EXPECT_TRUE(statement->metadata_id.empty());
  EXPECT_EQ(statement->keyspace, "ks");
  EXPECT_EQ(statement->table, "t");
  ASSERT_EQ(statement->parameters.size(), 2U);
  EXPECT_EQ(statement->parameters[0].name, "segment");
  EXPECT_EQ(statement->parameters[1].type, "uuid");
  EXPECT_EQ(statement->partition_key, std::vector<std::uint16_t>{1});
  ASSERT_EQ(statement->columns.size(), 1U);
  EXPECT_EQ(statement->columns[0].name, "score");
  EXPECT_FALSE(statement->conditional);
}

TEST(frames, negotiated_extensions_of_prepared_statements_are_read) {
  const extensions negotiated{.lwt_mask = 0x80000000U, .metadata_id = true};
  const byte_buffer body = bytes(prepared_body("0003 0a0b0c", "80000001"));
  answer got;
  ASSERT_TRUE(read_result(of_body(opcode::result, body), body, got));
  const auto statement = read_prepared(got, negotiated);
  ASSERT_TRUE(statement);
  EXPECT_EQ(to_hex(statement->metadata_id), "0a0b0c");
  EXPECT_TRUE(statement->conditional);
  const byte_buffer plain = bytes(prepared_body("0003 0a0b0c", "00000001"));
  ASSERT_TRUE(read_result(of_body(opcode::result, plain), plain, got));
  EXPECT_FALSE(read_prepared(got, negotiated)->conditional);
}

TEST(frames, a_statement_without_parameters_has_the_table_of_its_columns) {
  const byte_buffer body = bytes("00000004 0001 01  00000000 00000000 00000000  00000000 00000001" +
                                 short_string("ks") + short_string("t") + short_string("c") + "0009");
  answer got;
  ASSERT_TRUE(read_result(of_body(opcode::result, body), body, got));
  const auto statement = read_prepared(got, {});
  ASSERT_TRUE(statement);
  EXPECT_EQ(statement->keyspace, "ks");
  EXPECT_EQ(statement->table, "t");
  EXPECT_TRUE(statement->parameters.empty());
  const byte_buffer nothing = bytes("00000004 0001 01  00000000 00000000 00000000  00000004 00000000");
  ASSERT_TRUE(read_result(of_body(opcode::result, nothing), nothing, got));
  ASSERT_TRUE(read_prepared(got, {}));
  EXPECT_EQ(read_prepared(got, {})->keyspace, "");
}

TEST(frames, malformed_prepared_statements_are_refused) {
  const byte_buffer whole = bytes(prepared_body("", "00000001"));
  for (std::size_t length = 4; length < whole.size(); ++length) {
    const byte_buffer cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
    answer got;
    ASSERT_TRUE(read_result(of_body(opcode::result, cut), cut, got));
    const auto statement = read_prepared(got, {});
    ASSERT_FALSE(statement) << length;
    EXPECT_EQ(statement.error().code(), errc::db_protocol);
  }
  for (const std::string_view hostile : {
           "00000004 0000  00000000 00000000 00000000 00000004 00000000",  // no id
           "00000004 0001 01  00000000 7fffffff 00000000 00000004 00000000",
           "00000004 0001 01  00000000 7fffffff 7fffffff 00000004 00000000",
           "00000004 0001 01  00000000 ffffffff 00000000 00000004 00000000",
           // A key that is no parameter.
           "00000004 0001 01  00000001 00000001 00000001 0001 0000 0000 0000 0009 00000004 00000000",
       }) {
    const byte_buffer body = bytes(hostile);
    answer got;
    ASSERT_TRUE(read_result(of_body(opcode::result, body), body, got));
    EXPECT_FALSE(read_prepared(got, {})) << hostile;
  }
}

// ---- tablets

constexpr std::string_view tablet_payload =
    "00000008 fffffffffffffffb  00000008 0000000000000007  00000044  00000002 "
    "0000001c 00000010 000102030405060708090a0b0c0d0e0f 00000004 00000003 "
    "0000001c 00000010 101112131415161718191a1b1c1d1e1f 00000004 00000000";

TEST(frames, a_tablet_is_read) {
  const auto got = read_tablet(bytes(tablet_payload));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->after, -5);
  EXPECT_EQ(got->last, 7);
  ASSERT_EQ(got->replicas.size(), 2U);
  EXPECT_EQ(got->replicas[0].host_id[15], 0x0F);
  EXPECT_EQ(got->replicas[0].shard, 3U);
  EXPECT_EQ(got->replicas[1].host_id[0], 0x10);
}

TEST(frames, a_malformed_tablet_is_none) {
  const byte_buffer whole = bytes(tablet_payload);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const byte_buffer cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
    EXPECT_FALSE(read_tablet(cut)) << length;
  }
  for (const std::string_view other : {
           // no replica
           "00000008 fffffffffffffffb  00000008 0000000000000007  00000004  00000000",
           // a range that ends where it begins
           "00000008 0000000000000007  00000008 0000000000000007  00000024  00000001 "
           "0000001c 00000010 000102030405060708090a0b0c0d0e0f 00000004 00000003",
           // more replicas than there are
           "00000008 fffffffffffffffb  00000008 0000000000000007  00000024  7fffffff "
           "0000001c 00000010 000102030405060708090a0b0c0d0e0f 00000004 00000003",
           // a negative shard
           "00000008 fffffffffffffffb  00000008 0000000000000007  00000024  00000001 "
           "0000001c 00000010 000102030405060708090a0b0c0d0e0f 00000004 ffffffff",
           // a short host id
           "00000008 fffffffffffffffb  00000008 0000000000000007  00000023  00000001 "
           "0000001b 0000000f 0102030405060708090a0b0c0d0e0f 00000004 00000003",
       }) {
    EXPECT_FALSE(read_tablet(bytes(other))) << other;
  }
}

// ---- errors

struct expected_error {
  std::string_view body;
  errc kind;
  std::string_view message;
};

TEST(frames, errors_have_a_kind_and_the_servers_message) {
  for (const expected_error& each : std::initializer_list<expected_error>{
           {"00000000 0002 6869", errc::db_unavailable, "hi"},
           {"0000000a 0002 6869", errc::db_protocol, "hi"},
           {"00000100 0002 6869", errc::db_unauthorized, "hi"},
           {"00001000 0002 6869 0006 00000002 00000001", errc::db_unavailable,
            "hi (consistency LOCAL_QUORUM, 2 replicas required and 1 alive)"},
           {"00001000 0002 6869 0006 00000002", errc::db_unavailable, "hi"},
           {"00001001 0002 6869", errc::db_overloaded, "hi"},
           {"00001002 0002 6869", errc::db_unavailable, "hi"},
           {"00001003 0002 6869", errc::db_unavailable, "hi"},
           {"00001100 0002 6869 0001 00000000 00000001 0006 53494d504c45", errc::db_timeout,
            "hi (consistency ONE, 0 of 1 replicas answered)"},
           {"00001200 0002 6869 000a 00000000 00000001 00", errc::db_timeout,
            "hi (consistency LOCAL_ONE, 0 of 1 replicas answered)"},
           {"00001300 0002 6869 0001 00000000 00000001 00000001 00", errc::db_unavailable,
            "hi (consistency ONE, 0 of 1 replicas answered)"},
           {"00001400 0002 6869", errc::db_invalid, "hi"},
           {"00001500 0002 6869 000b 00000000 00000001 00000001 0000", errc::db_unavailable,
            "hi (consistency unknown, 0 of 1 replicas answered)"},
           {"00001600 0002 6869", errc::db_overloaded, "hi"},
           {"00001700 0002 6869 0008 00000001 00000002", errc::db_timeout,
            "hi (consistency SERIAL, 1 of 2 replicas answered)"},
           {"00002000 0002 6869", errc::db_invalid, "hi"},
           {"00002100 0002 6869", errc::db_unauthorized, "hi"},
           {"00002200 0002 6869", errc::db_invalid, "hi"},
           {"00002300 0002 6869", errc::db_invalid, "hi"},
           {"00002400 0002 6869", errc::db_invalid, "hi"},
           {"00002500 0002 6869 0001 01", errc::db_unavailable, "hi"},
           {"0000f000 0002 6869", errc::db_overloaded, "hi"},
           {"0000f001 0002 6869", errc::db_unavailable, "hi (CQL error 0xf001)"},
           {"ffffffff 0002 6869", errc::db_unavailable, "hi (CQL error 0xffffffff)"},
           {"0000", errc::db_protocol, "an error that cannot be read"},
           {"00000000 0003 6869", errc::db_protocol, "an error that cannot be read"},
       }) {
    const byte_buffer body = bytes(each.body);
    const failure got = read_error(of_body(opcode::error, body), body, {.rate_limit_code = 0xF000});
    EXPECT_EQ(got.kind, each.kind) << each.body;
    EXPECT_EQ(got.message, each.message) << each.body;
  }
}

TEST(frames, an_error_says_of_the_node_what_the_table_says) {
  for (const server_error& each : server_errors) {
    const std::uint32_t code = each.code == server_error::negotiated ? 0xF000U
                               : each.code == server_error::other    ? 0x9999U
                                                                     : static_cast<std::uint32_t>(each.code);
    byte_buffer body;
    for (const unsigned shift : {24U, 16U, 8U, 0U}) {
      body.push_back(static_cast<std::byte>(code >> shift & 0xFFU));
    }
    const byte_buffer text = bytes("0002 6869");
    body.insert(body.end(), text.begin(), text.end());
    const failure got = read_error(of_body(opcode::error, body), body, {.rate_limit_code = 0xF000});
    EXPECT_EQ(got.kind, each.kind) << each.name;
    EXPECT_EQ(got.not_executed, each.not_executed) << each.name;
    EXPECT_EQ(got.of_node, each.of_node) << each.name;
    EXPECT_EQ(got.overloaded, each.overloaded) << each.name;
  }
}

TEST(frames, an_error_about_an_unprepared_statement_names_it) {
  const byte_buffer forgotten = bytes("00002500 0000 0002 beef");
  const failure got = read_error(of_body(opcode::error, forgotten), forgotten, {});
  EXPECT_EQ(got.code, server_error::unprepared);
  EXPECT_EQ(to_hex(got.unprepared), "beef");
  const byte_buffer warned = bytes("0001 0001 21  00002500 0000 0002 beef");
  EXPECT_EQ(to_hex(read_error(of_body(opcode::error, warned, 0x08), warned, {}).unprepared), "beef");
}

TEST(frames, a_rate_limit_that_was_not_negotiated_is_an_unknown_error) {
  const byte_buffer body = bytes("0000f000 0002 6869");
  EXPECT_EQ(read_error(of_body(opcode::error, body), body, {}).kind, errc::db_unavailable);
}

// ---- SUPPORTED

using options = std::vector<std::pair<std::string, std::vector<std::string>>>;

byte_buffer supported_body(const options& of) {
  std::string text = to_hex(byte_buffer{std::byte{0}, static_cast<std::byte>(of.size())});
  for (const auto& [name, values] : of) {
    text += short_string(name) + to_hex(byte_buffer{std::byte{0}, static_cast<std::byte>(values.size())});
    for (const std::string& value : values) text += short_string(value);
  }
  return bytes(text);
}
supported read_options(const options& of) {
  const byte_buffer body = supported_body(of);
  return read_supported(of_body(opcode::supported, body), body).value();
}

TEST(frames, the_options_of_a_server_are_read) {
  const options all = {{"COMPRESSION", {"snappy", "lz4"}},
                       {"CQL_VERSION", {"3.3.1"}},
                       {"SCYLLA_SHARD", {"3"}},
                       {"SCYLLA_NR_SHARDS", {"8"}},
                       {"SCYLLA_SHARDING_ALGORITHM", {"biased-token-round-robin"}},
                       {"SCYLLA_SHARDING_IGNORE_MSB", {"12"}},
                       {"SCYLLA_SHARD_AWARE_PORT", {"19042"}},
                       {"SCYLLA_SHARD_AWARE_PORT_SSL", {"19142"}},
                       {"SCYLLA_RATE_LIMIT_ERROR", {"ERROR_CODE=61440"}},
                       {"SCYLLA_LWT_ADD_METADATA_MARK", {"LWT_OPTIMIZATION_META_BIT_MASK=2147483648"}},
                       {"TABLETS_ROUTING_V1", {}},
                       {"SCYLLA_USE_METADATA_ID", {}}};
  const byte_buffer body = supported_body(all);
  const supported got = read_options(all);
  EXPECT_EQ(got.shard, 3U);
  EXPECT_EQ(got.shards, 8U);
  EXPECT_EQ(got.ignored_msb, 12U);
  EXPECT_EQ(got.shard_port, 19'042U);
  EXPECT_EQ(got.shard_port_tls, 19'142U);
  EXPECT_TRUE(got.lz4);
  EXPECT_TRUE(got.snappy);
  EXPECT_EQ(got.offered.rate_limit_code, 61'440);
  EXPECT_EQ(got.offered.lwt_mask, 0x80000000U);
  EXPECT_TRUE(got.offered.tablets);
  EXPECT_TRUE(got.offered.metadata_id);
  for (std::size_t length = 0; length < body.size(); ++length) {
    const byte_buffer cut(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(length));
    EXPECT_FALSE(read_supported(of_body(opcode::supported, cut), cut)) << length;
  }
}

TEST(frames, a_server_without_extensions_offers_none) {
  const supported got = read_options({{"COMPRESSION", {"lz4"}}, {"PROTOCOL_VERSIONS", {"4/v4", "5/v5"}}});
  EXPECT_EQ(got.shards, 0U);
  EXPECT_EQ(got.shard_port, 0U);
  EXPECT_TRUE(got.lz4);
  EXPECT_FALSE(got.snappy);
  EXPECT_EQ(got.offered.rate_limit_code, 0);
  EXPECT_EQ(got.offered.lwt_mask, 0U);
  EXPECT_FALSE(got.offered.tablets);
  EXPECT_FALSE(got.offered.metadata_id);
}

TEST(frames, sharding_that_makes_no_sense_is_no_sharding) {
  const auto shards = [](const std::string& shard, const std::string& count, const std::string& msb,
                         const std::string& algorithm = "biased-token-round-robin") {
    return read_options({{"SCYLLA_SHARD_AWARE_PORT", {"19042"}},
                         {"SCYLLA_SHARD", {shard}},
                         {"SCYLLA_NR_SHARDS", {count}},
                         {"SCYLLA_SHARDING_IGNORE_MSB", {msb}},
                         {"SCYLLA_SHARDING_ALGORITHM", {algorithm}}});
  };
  EXPECT_EQ(shards("1023", "1024", "63").shards, 1'024U);
  EXPECT_EQ(shards("1023", "1024", "63").shard_port, 19'042U);
  EXPECT_EQ(shards("0", "1025", "12").shards, 0U);
  EXPECT_EQ(shards("0", "1025", "12").shard_port, 0U);
  EXPECT_EQ(shards("0", "4294967295", "12").shards, 0U);
  EXPECT_EQ(shards("0", "99999999999", "12").shards, 0U);
  EXPECT_EQ(shards("8", "8", "12").shards, 0U);
  EXPECT_EQ(shards("-1", "8", "12").shards, 0U);
  EXPECT_EQ(shards("x", "8", "12").shards, 0U);
  EXPECT_EQ(shards("", "8", "12").shards, 0U);
  EXPECT_EQ(shards("3", "8x", "12").shards, 0U);
  EXPECT_EQ(shards("3", "8", "64").shards, 0U);
  EXPECT_EQ(shards("3", "8", "12", "another").shards, 0U);
}

TEST(frames, ports_that_are_no_ports_are_none) {
  for (const std::string port : {"0", "65536", "-1", "", "http"}) {
    const supported got = read_options({{"SCYLLA_SHARD", {"0"}},
                                        {"SCYLLA_NR_SHARDS", {"2"}},
                                        {"SCYLLA_SHARD_AWARE_PORT", {port}},
                                        {"SCYLLA_SHARD_AWARE_PORT_SSL", {port}}});
    EXPECT_EQ(got.shards, 2U);
    EXPECT_EQ(got.shard_port, 0U) << port;
    EXPECT_EQ(got.shard_port_tls, 0U) << port;
  }
}

TEST(frames, extensions_are_accepted_by_their_names) {
  std::vector<std::pair<std::string, std::string>> startup;
  append_startup_options({}, startup);
  EXPECT_TRUE(startup.empty());
  append_startup_options(
      {.rate_limit_code = 7, .lwt_mask = 0x80000000U, .tablets = true, .metadata_id = true}, startup);
  EXPECT_EQ(startup, (std::vector<std::pair<std::string, std::string>>{
                         {"SCYLLA_RATE_LIMIT_ERROR", ""},
                         {"SCYLLA_LWT_ADD_METADATA_MARK", "LWT_OPTIMIZATION_META_BIT_MASK=2147483648"},
                         {"TABLETS_ROUTING_V1", ""},
                         {"SCYLLA_USE_METADATA_ID", ""}}));
}

}  // namespace
}  // namespace millrace::cql::frames
