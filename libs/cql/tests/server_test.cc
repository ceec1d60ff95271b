// Against a real server, whose address and credentials come by the environment; tests/integration runs this.
#include <array>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/cql/batch.h>
#include <millrace/cql/session.h>
#include <millrace/cql/statement.h>
#include <millrace/runtime/loop.h>

#include "server_fixture.h"
#include "token.h"

namespace millrace::cql {
namespace {

struct address {
  std::string street;
  std::optional<std::int32_t> number;
  std::vector<std::string> tags;
};
bool operator==(const address& a, const address& b) {
  return a.street == b.street && a.number == b.number && a.tags == b.tags;
}
bool operator==(const udt<address>& a, const udt<address>& b) { return *a == *b; }

struct everything {
  std::optional<bool> c_boolean;
  std::optional<std::int8_t> c_tinyint;
  std::optional<std::int16_t> c_smallint;
  std::optional<std::int32_t> c_int;
  std::optional<std::int64_t> c_bigint;
  std::optional<float> c_float;
  std::optional<double> c_double;
  std::optional<std::string> c_text;
  std::optional<std::string> c_ascii;
  std::optional<byte_buffer> c_blob;
  std::optional<timestamp> c_timestamp;
  std::optional<std::chrono::sys_days> c_date;
  std::optional<nanoseconds> c_time;
  std::optional<uuid> c_uuid;
  std::optional<uuid> c_timeuuid;
  std::optional<inet_address> c_inet;
  std::optional<varint> c_varint;
  std::optional<duration> c_duration;
  std::vector<std::string> c_list;
  std::set<std::int32_t> c_set;
  std::map<std::string, double> c_map;
  std::optional<std::tuple<std::int32_t, std::optional<std::string>>> c_tuple;
  std::optional<udt<address>> c_udt;
  std::vector<udt<address>> c_udts;
  std::optional<std::array<float, 3>> c_vector;
  std::optional<std::array<std::string, 2>> c_texts;
  std::optional<std::array<std::int16_t, 2>> c_shorts;
};

constexpr std::string_view columns =
    "c_boolean, c_tinyint, c_smallint, c_int, c_bigint, c_float, c_double, c_text, c_ascii, c_blob, "
    "c_timestamp, "
    "c_date, c_time, c_uuid, c_timeuuid, c_inet, c_varint, c_duration, c_list, c_set, c_map, c_tuple, c_udt, "
    "c_udts, "
    "c_vector, c_texts, c_shorts";

everything sample() {
  everything all;
  all.c_boolean = true;
  all.c_tinyint = std::int8_t{-8};
  all.c_smallint = std::int16_t{-1600};
  all.c_int = INT32_MIN;
  all.c_bigint = INT64_MAX;
  all.c_float = 1.5F;
  all.c_double = -2.25;
  all.c_text = "h\u00e9llo";
  all.c_ascii = "plain";
  all.c_blob = byte_buffer{std::byte{0}, std::byte{255}};
  all.c_timestamp = timestamp(milliseconds(1'700'000'000'123));
  all.c_date = std::chrono::sys_days(std::chrono::year(1969) / 12 / 31);
  all.c_time = nanoseconds(3'723'000'000'001);
  all.c_uuid = *uuid::parse("123e4567-e89b-42d3-a456-426614174000");
  all.c_timeuuid = *uuid::parse("50554d6e-29bb-11e5-b345-feff819cdc9f");
  all.c_inet = inet_address{{std::byte{127}, std::byte{0}, std::byte{0}, std::byte{1}}, 4};
  all.c_varint = varint{-129};
  all.c_duration = duration{14, 3, 3'600'000'000'000};
  all.c_list = {"b", "a", ""};
  all.c_set = {3, 1, 2};
  all.c_map = {{"x", 0.5}, {"y", -1.0}};
  all.c_tuple = std::tuple<std::int32_t, std::optional<std::string>>(7, std::nullopt);
  all.c_udt = udt<address>({"Main", 5, {"home"}});
  all.c_udts = {address{"Side", std::nullopt, {}}, address{"Back", 9, {"x", "y"}}};
  all.c_vector = std::array<float, 3>{0.25F, -1.0F, 3.0F};
  all.c_texts = std::array<std::string, 2>{"one", ""};
  all.c_shorts = std::array<std::int16_t, 2>{-2, 300};
  return all;
}

template <typename Everything>
auto fields(Everything& of) {
  return fields_of(of);
}

class types : public server {
 protected:
  types() {
    execute("CREATE TYPE IF NOT EXISTS types.address (street text, number int, tags frozen<list<text>>)");
    execute(
        "CREATE TABLE IF NOT EXISTS types.everything (id text PRIMARY KEY, c_boolean boolean, c_tinyint "
        "tinyint, "
        "c_smallint smallint, c_int int, c_bigint bigint, c_float float, c_double double, c_text text, "
        "c_ascii "
        "ascii, c_blob blob, c_timestamp timestamp, c_date date, c_time time, c_uuid uuid, c_timeuuid "
        "timeuuid, "
        "c_inet inet, c_varint varint, c_decimal decimal, c_duration duration, c_list list<text>, c_set "
        "set<int>, "
        "c_map map<text, double>, c_tuple tuple<int, text>, c_udt frozen<address>, c_udts "
        "list<frozen<address>>, "
        "c_vector vector<float, 3>, c_texts vector<text, 2>, c_shorts vector<smallint, 2>)");
  }

  template <typename... Field>
  void write(std::string_view id, const std::tuple<Field&...>& values) {
    std::string marks = "?";
    for (std::size_t k = 0; k < sizeof...(Field); ++k) marks += ", ?";
    statement<void(std::string_view, std::remove_const_t<Field>...)> insert(
        "INSERT INTO types.everything (id, " + std::string(columns) + ") VALUES (" + marks + ")");
    prepare(insert);
    const auto written =
        finish(std::apply([&](const Field&... field) { return insert(context(), id, field...); }, values));
    ASSERT_EQ(why(written), "ok");
  }
  everything read(std::string_view id) {
    statement<everything(std::string_view)> select("SELECT " + std::string(columns) +
                                                   " FROM types.everything WHERE id = ?");
    prepare(select);
    const auto found = finish(select(context(), id));
    EXPECT_EQ(why(found), "ok");
    EXPECT_TRUE(found && *found);
    return found && *found ? **found.value() : everything();
  }
};

TEST_F(types, every_type_is_read_as_written) {
  everything written = sample();
  write("sample", fields(written));
  everything back = read("sample");
  EXPECT_TRUE(fields(back) == fields(written));
  std::size_t at = 0;
  const auto compare = [&](const auto& a, const auto& b) {
    EXPECT_TRUE(a == b) << field_names<everything>[at];
    ++at;
  };
  const auto all = fields(back);
  const auto expected = fields(written);
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (compare(std::get<I>(all), std::get<I>(expected)), ...);
  }(std::make_index_sequence<field_count<everything>>());
}

TEST_F(types, a_row_of_nulls_is_a_row_of_nulls) {
  everything nothing;
  write("nothing", fields(nothing));
  everything back = read("nothing");
  EXPECT_TRUE(fields(back) == fields(nothing));
}

TEST_F(types, decimals_of_any_size_are_exact) {
  statement<void(std::string_view, decimal_view)> insert(
      "INSERT INTO types.everything (id, c_decimal) VALUES (?, ?)");
  statement<decimal_view(std::string_view)> select("SELECT c_decimal FROM types.everything WHERE id = ?");
  prepare(insert);
  prepare(select);
  for (const auto& [unscaled, scale, text] : std::vector<std::tuple<std::string, std::int32_t, std::string>>{
           {"3039", 2, "123.45"},
           {"cfc7", 2, "-123.45"},
           {"00ffffffffffffffffff", 0, "4722366482869645213695"}}) {
    const byte_buffer bytes = *from_hex(unscaled);
    ASSERT_EQ(why(finish(insert(context(), "decimal", decimal_view{bytes, scale}))), "ok");
    const auto found = finish(select(context(), "decimal"));
    ASSERT_TRUE(found && *found);
    EXPECT_EQ((**found)->to_string().value_or("?"), text);
  }
}

TEST_F(types, null_unset_and_tombstone_are_distinguished) {
  using text = or_unset<std::optional<std::string_view>>;
  statement<void(std::string_view, text, text)> insert(
      "INSERT INTO types.everything (id, c_text, c_ascii) VALUES (?, ?, ?)");
  struct pair {
    std::optional<std::string> c_text;
    std::optional<std::string> c_ascii;
  };
  statement<pair(std::string_view)> select("SELECT c_text, c_ascii FROM types.everything WHERE id = ?");
  prepare(insert);
  prepare(select);
  ASSERT_EQ(why(finish(insert(context(), "apart", "kept", "gone"))), "ok");
  ASSERT_EQ(why(finish(insert(context(), "apart", unset, tombstone))), "ok");
  const auto found = finish(select(context(), "apart"));
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((**found)->c_text, "kept");
  EXPECT_EQ((**found)->c_ascii, std::nullopt);
  const auto empty = finish(insert(context(), "apart", "", ""));
  ASSERT_EQ(why(empty), "ok");
  const auto again = finish(select(context(), "apart"));
  ASSERT_TRUE(again && *again);
  EXPECT_EQ((**again)->c_text, "") << "empty is not null";
}

TEST_F(types, counters_count) {
  execute("CREATE TABLE IF NOT EXISTS types.hits (id text PRIMARY KEY, hits counter)");
  execute("TRUNCATE types.hits");
  statements::statement_options once;
  once.idempotent = false;
  statement<void(std::int64_t, std::string_view)> add("UPDATE types.hits SET hits = hits + ? WHERE id = ?",
                                                      once);
  statement<std::int64_t(std::string_view)> read_hits("SELECT hits FROM types.hits WHERE id = ?");
  prepare(add);
  prepare(read_hits);
  for (int k = 0; k < 3; ++k) ASSERT_EQ(why(finish(add(context(), 5, "page"))), "ok");
  const auto found = finish(read_hits(context(), "page"));
  ASSERT_TRUE(found && *found);
  EXPECT_EQ(***found, 15);
}

TEST_F(types, a_type_mismatch_is_refused_with_statement_column_and_both_types) {
  statement<std::int32_t(std::string_view)> narrow("SELECT c_bigint FROM types.everything WHERE id = ?");
  EXPECT_EQ(refusal(narrow),
            "db_type_mismatch: statement 'select everything': column 'c_bigint' is bigint in the database, "
            "and its C++ "
            "type int is for int");
  struct other {
    std::string road;
    std::optional<std::int32_t> number;
    std::vector<std::string> tags;
  };
  statement<udt<other>(std::string_view)> renamed("SELECT c_udt FROM types.everything WHERE id = ?");
  EXPECT_NE(refusal(renamed).find("(road, number, tags)"), std::string::npos) << refusal(renamed);
  statement<std::array<float, 4>(std::string_view)> longer(
      "SELECT c_vector FROM types.everything WHERE id = ?");
  EXPECT_NE(refusal(longer).find("column 'c_vector' is vector<float, 3>"), std::string::npos)
      << refusal(longer);
  statement<everything(std::string_view)> star("SELECT * FROM types.everything WHERE id = ?");
  EXPECT_NE(refusal(star).find("SELECT * would break"), std::string::npos) << refusal(star);
}

class answers : public server {
 protected:
  answers() {
    execute("CREATE TABLE IF NOT EXISTS types.event (day int, n int, note text, PRIMARY KEY (day, n))");
    execute("TRUNCATE types.event");
  }
};

TEST_F(answers, batches_are_written_and_read_back_in_pages) {
  statement<void(std::int32_t, std::int32_t, std::string_view)> insert(
      "INSERT INTO types.event (day, n, note) VALUES (?, ?, ?)");
  statements::statement_options small;
  small.page_rows = 10;
  statement<pages<std::int32_t>(std::int32_t)> read_day("SELECT n FROM types.event WHERE day = ?", small);
  statement<std::int32_t(std::int32_t)> one("SELECT n FROM types.event WHERE day = ?");
  prepare(insert);
  prepare(read_day);
  prepare(one);
  batch all(context());
  for (std::int32_t n = 0; n < 25; ++n) ASSERT_TRUE(all.add(insert, 1, n, "note"));
  ASSERT_EQ(why(finish(all.run())), "ok");
  pages<std::int32_t> stream = read_day(context(), 1);
  std::int32_t next = 0;
  std::size_t count = 0;
  while (true) {
    const auto page = finish(stream.next());
    ASSERT_EQ(why(page), "ok");
    if (page->empty()) break;
    ++count;
    for (const std::int32_t n : *page) EXPECT_EQ(n, next++);
  }
  EXPECT_EQ(next, 25);
  EXPECT_EQ(count, 3U);
  EXPECT_EQ(finish(one(context(), 1)).error().code(), errc::db_unexpected_rows);
}

TEST_F(answers, conditional_statements_report_whether_they_were_applied) {
  struct event {
    std::string note;
  };
  statement<applied<event>(std::int32_t, std::int32_t, std::string_view)> claim(
      "INSERT INTO types.event (day, n, note) VALUES (?, ?, ?) IF NOT EXISTS");
  statement<applied<event>(std::string_view, std::int32_t, std::int32_t, std::string_view)> change(
      "UPDATE types.event SET note = ? WHERE day = ? AND n = ? IF note = ?");
  statement<applied<>(std::int32_t, std::int32_t)> remove(
      "DELETE FROM types.event WHERE day = ? AND n = ? IF EXISTS");
  prepare(claim);
  prepare(change);
  prepare(remove);
  const auto first = finish(claim(context(), 1, 1, "ada"));
  ASSERT_EQ(why(first), "ok");
  EXPECT_TRUE(static_cast<bool>(*first));
  const auto second = finish(claim(context(), 1, 1, "bob"));
  ASSERT_EQ(why(second), "ok");
  EXPECT_FALSE(static_cast<bool>(*second));
  ASSERT_TRUE(second->current());
  EXPECT_EQ((*second->current())->note, "ada");
  const auto wrong = finish(change(context(), "cem", 1, 1, "bob"));
  ASSERT_EQ(why(wrong), "ok");
  EXPECT_FALSE(static_cast<bool>(*wrong));
  EXPECT_EQ((*wrong->current())->note, "ada");
  const auto nowhere = finish(change(context(), "cem", 1, 99, "bob"));
  ASSERT_EQ(why(nowhere), "ok");
  EXPECT_FALSE(static_cast<bool>(*nowhere));
  EXPECT_FALSE(nowhere->current());
  EXPECT_TRUE(static_cast<bool>(*finish(remove(context(), 1, 1))));
  EXPECT_FALSE(static_cast<bool>(*finish(remove(context(), 1, 1))));
}

TEST_F(answers, traces_of_a_statement_have_an_id) {
  std::vector<uuid> traces;
  attach({.in_flight_max = 8, .on_trace = [&](const statements::statement_declaration&, const uuid& trace) {
            traces.push_back(trace);
          }});
  statements::statement_options traced;
  traced.trace = true;
  statement<void(std::int32_t, std::int32_t)> insert("INSERT INTO types.event (day, n) VALUES (?, ?)",
                                                     traced);
  prepare(insert);
  ASSERT_EQ(why(finish(insert(context(), 1, 1))), "ok");
  ASSERT_EQ(traces.size(), 1U);
  statement<uuid(uuid)> look("SELECT session_id FROM system_traces.sessions WHERE session_id = ?");
  prepare(look);
  bool kept = false;
  const instant give_up = loop_.time().now() + timeout;
  while (!kept && loop_.time().now() < give_up) {
    const auto found = finish(look(context(), traces[0]));
    kept = found && *found;
  }
  EXPECT_TRUE(kept);
}

class schema_changes : public server {};

TEST_F(schema_changes, columns_and_fields_that_are_added_change_nothing) {
  execute("DROP TABLE IF EXISTS types.growing");
  execute("DROP TYPE IF EXISTS types.place");
  execute("CREATE TYPE types.place (street text, number int)");
  execute("CREATE TABLE types.growing (id int PRIMARY KEY, a text, home frozen<place>)");
  execute("INSERT INTO types.growing (id, a, home) VALUES (1, 'x', {street: 'Main', number: 5})");
  struct place {
    std::string street;
    std::optional<std::int32_t> number;
  };
  struct row_of_it {
    std::string a;
    udt<place> home;
  };
  statement<row_of_it(std::int32_t)> select("SELECT a, home FROM types.growing WHERE id = ?");
  prepare(select);
  execute("ALTER TABLE types.growing ADD between_them text");
  execute("ALTER TYPE types.place ADD zip text");
  execute(
      "INSERT INTO types.growing (id, a, home, between_them) VALUES (1, 'y', {street: 'Side', number: 6, "
      "zip: "
      "'z'}, 'b')");
  const auto found = finish(select(context(), 1));
  ASSERT_EQ(why(found), "ok");
  EXPECT_EQ((**found)->a, "y");
  EXPECT_EQ((**found)->home->street, "Side");
}

TEST_F(schema_changes, a_changed_column_type_is_an_error_and_is_not_misread) {
  execute("DROP TABLE IF EXISTS types.changing");
  execute("CREATE TABLE types.changing (id int PRIMARY KEY, a bigint)");
  statement<std::int64_t(std::int32_t)> select("SELECT a FROM types.changing WHERE id = ?");
  prepare(select);
  EXPECT_EQ(why(finish(select(context(), 1))), "ok");
  execute("DROP TABLE types.changing");
  execute("CREATE TABLE types.changing (id int PRIMARY KEY, a double)");
  execute("INSERT INTO types.changing (id, a) VALUES (2, 1.5)");
  const std::string last = why(finish(select(context(), 1)));
  EXPECT_TRUE(last.starts_with("db_type_mismatch")) << last;
  EXPECT_NE(last.find("'a' was bigint and 'a' is double"), std::string::npos) << last;
  statement<double(std::int32_t)> again("SELECT a FROM types.changing WHERE id  = ?");
  prepare(again);
  const auto found = finish(again(context(), 2));
  EXPECT_EQ(***found, 1.5);
}

TEST_F(server, tokens_are_those_of_select_token) {
  execute("CREATE TABLE IF NOT EXISTS types.of_text (id text PRIMARY KEY)");
  execute("CREATE TABLE IF NOT EXISTS types.of_bigint (id bigint PRIMARY KEY)");
  execute(
      "CREATE TABLE IF NOT EXISTS types.of_three (a text, b bigint, c blob, n int, PRIMARY KEY ((a, b, c), "
      "n))");
  statement<void(std::string_view)> insert_text("INSERT INTO types.of_text (id) VALUES (?)");
  statement<std::int64_t(std::string_view)> token_of_text("SELECT token(id) FROM types.of_text WHERE id = ?");
  statement<void(std::int64_t)> insert_bigint("INSERT INTO types.of_bigint (id) VALUES (?)");
  statement<std::int64_t(std::int64_t)> token_of_bigint("SELECT token(id) FROM types.of_bigint WHERE id = ?");
  statement<void(std::string_view, std::int64_t, bytes_view)> insert_three(
      "INSERT INTO types.of_three (a, b, c, n) VALUES (?, ?, ?, 1)");
  statement<std::int64_t(std::string_view, std::int64_t, bytes_view)> token_of_three(
      "SELECT token(a, b, c) FROM types.of_three WHERE a = ? AND b = ? AND c = ?");
  for (statements::statement_declaration* each : declared_.statements) prepare(*each);
  std::mt19937_64 random(20'261'129);
  const auto bytes_of = [&random](std::size_t bytes_min) {
    std::string out(bytes_min + random() % 40, '\0');
    for (char& each : out) each = static_cast<char>(random());
    return out;
  };
  // Of UTF-8: two bytes with their highest bits set for each letter.
  const auto text_of = [&random] {
    std::string out;
    for (std::size_t k = 1 + random() % 30; k > 0; --k) out += random() % 2 == 0 ? "\u00e9" : "x";
    return out;
  };
  byte_buffer scratch;
  for (int k = 0; k < 334; ++k) {
    const std::string text = text_of();
    const auto number = static_cast<std::int64_t>(random());
    const std::string blob = bytes_of(1);
    ASSERT_EQ(why(finish(insert_text(context(), text))), "ok");
    ASSERT_EQ(why(finish(insert_bigint(context(), number))), "ok");
    ASSERT_EQ(why(finish(insert_three(context(), text, number, as_bytes(blob)))), "ok");
    const auto of_text = finish(token_of_text(context(), text));
    const auto of_bigint = finish(token_of_bigint(context(), number));
    const auto of_three = finish(token_of_three(context(), text, number, as_bytes(blob)));
    ASSERT_EQ(why(of_text) + why(of_bigint) + why(of_three), "okokok");
    cell_buffer cells;
    codec<std::string_view>::encode(cells, text);
    codec<std::int64_t>::encode(cells, number);
    codec<bytes_view>::encode(cells, as_bytes(blob));
    EXPECT_EQ(token_of({0}, cells.view(), scratch), ***of_text) << text;
    EXPECT_EQ(token_of({1}, cells.view(), scratch), ***of_bigint) << number;
    EXPECT_EQ(token_of({0, 1, 2}, cells.view(), scratch), ***of_three) << text << ' ' << number;
  }
}

class compressed_server : public server, public ::testing::WithParamInterface<frame_compression> {};

TEST_P(compressed_server, reads_what_it_was_sent_compressed) {
  execute("CREATE TABLE IF NOT EXISTS types.large (id int PRIMARY KEY, text text)");
  session_options options = options_of_environment();
  options.compression = GetParam();
  reopen(options);
  statement<void(std::int32_t, std::string_view)> insert("INSERT INTO types.large (id, text) VALUES (?, ?)");
  statement<std::string(std::int32_t)> select("SELECT text FROM types.large WHERE id = ?");
  prepare(insert);
  prepare(select);
  for (const std::int32_t kib : {0, 1, 64, 1'024}) {
    std::string text;
    while (text.size() < static_cast<std::size_t>(kib) << 10U)
      text += "line " + std::to_string(text.size()) + '\n';
    ASSERT_EQ(why(finish(insert(context(), kib, text))), "ok");
    const auto found = finish(select(context(), kib));
    ASSERT_EQ(why(found), "ok");
    EXPECT_TRUE(***found == text) << kib;
  }
}

INSTANTIATE_TEST_SUITE_P(algorithms, compressed_server,
                         ::testing::Values(frame_compression::lz4, frame_compression::snappy),
                         [](const auto& of) {
                           return std::string(of.param == frame_compression::lz4 ? "lz4" : "snappy");
                         });

std::string opening(const session_options& options) {
  const auto opened = session::open(options);
  return opened ? "opened" : opened.error().to_string();
}

TEST(secure_server, requires_the_right_password_authority_and_encryption) {
  if (environment("MILLRACE_CQL_CA").empty()) GTEST_SKIP() << "this server is open";
  EXPECT_EQ(opening(options_of_environment()), "opened");
  session_options wrong = options_of_environment();
  wrong.password = secret("guess");
  EXPECT_TRUE(opening(wrong).starts_with("db_unauthorized")) << opening(wrong);
  EXPECT_EQ(opening(wrong).find("guess"), std::string::npos);
  wrong = options_of_environment();
  wrong.ca_file = environment("MILLRACE_CQL_OTHER_CA");
  EXPECT_TRUE(opening(wrong).starts_with("tls_error")) << opening(wrong);
  wrong = options_of_environment();
  wrong.tls = false;
  wrong.ca_file.clear();
  EXPECT_NE(opening(wrong), "opened") << "plaintext where TLS is wanted";
}

TEST(secure_server, refuses_what_a_role_may_not_do) {
  if (environment("MILLRACE_CQL_READER").empty()) GTEST_SKIP() << "this server has no roles";
  session_options reader = options_of_environment();
  reader.user = environment("MILLRACE_CQL_READER");
  reader.password = secret(environment("MILLRACE_CQL_READER"));
  const auto opened = session::open(reader);
  ASSERT_TRUE(opened) << opened.error().to_string();
  const auto refused = (*opened)->execute("INSERT INTO types.event (day, n) VALUES (1, 1)");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::db_unauthorized) << refused.error().to_string();
}

}  // namespace
}  // namespace millrace::cql
