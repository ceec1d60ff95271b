// What a server refuses for its size or its encoding, and batches.
#include "cql_fixture.h"

namespace millrace::emulators::test {
namespace {

constexpr std::int32_t invalid = 0x2200;

class cql_limits : public emulator_test {};

TEST_F(cql_limits, keys_are_neither_empty_nor_longer_than_a_length_can_say) {
  run("CREATE TABLE ks.pair (a text, b text, c text, PRIMARY KEY ((a, b), c))");
  const prepared single = prepare("INSERT INTO ks.person (id) VALUES (?)");
  const prepared composite = prepare("INSERT INTO ks.pair (a, b, c) VALUES (?, ?, ?)");
  const prepared read = prepare("SELECT name FROM ks.person WHERE id = ?");
  const std::string longest(65'535, 'x');
  EXPECT_TRUE(client.execute(single, {longest}).ok());
  EXPECT_EQ(client.execute(read, {longest}).rows.size(), 1U);
  const std::vector<std::tuple<reply, std::string>> refused{
      {client.execute(single, {""}), "Key may not be empty"},
      {client.execute(read, {""}), "Key may not be empty"},
      {client.execute(single, {longest + "x"}), "Key length of 65536 is longer than maximum of 65535"},
      {client.execute(composite, {longest, "", "c"}), "Key length of 65541 is longer than maximum of 65535"},
      {client.execute(composite, {std::string(70'000, 'x'), "", "c"}),
       "Key length of 70006 is longer than maximum of 65535"},
      {client.execute(composite, {"a", "b", longest + "x"}), "The sum of all clustering columns is too long"},
      {client.execute(single, {std::nullopt}), "Invalid null value in condition for column id"},
  };
  for (const auto& [answer, text] : refused) {
    EXPECT_EQ(answer.error, invalid);
    EXPECT_NE(answer.message.find(text), std::string::npos) << answer.message << " instead of " << text;
  }
  EXPECT_TRUE(client.execute(composite, {"", "", "c"}).ok()) << "components may be empty";
  EXPECT_EQ(client.batch({{single, {"ok"}}, {single, {""}}}).message, "Key may not be empty");
  EXPECT_EQ(one("SELECT count(*) FROM ks.person"), bigint_cell(1)) << "a refused batch writes nothing";
}

TEST_F(cql_limits, text_is_utf8) {
  const prepared insert = prepare("INSERT INTO ks.person (id, name) VALUES (?, ?)");
  for (const std::string bad :
       {"\xc3\x28", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80", "a\xe2\x82"}) {
    const reply refused = client.execute(insert, {"a", bad});
    EXPECT_EQ(refused.error, invalid);
    EXPECT_EQ(refused.message, "String didn't validate.");
    EXPECT_EQ(client.execute(insert, {bad, "a"}).error, invalid);
  }
  EXPECT_TRUE(client.execute(insert, {"a", "\xf0\x9f\x98\x80"}).ok());
}

TEST_F(cql_limits, collections_beyond_a_guardrail_are_refused) {
  const auto guarded = start({.collection_bytes_max = 64, .collection_items_max = 3});
  ASSERT_TRUE(
      guarded->execute("CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', "
                       "'replication_factor': 1}"));
  ASSERT_TRUE(
      guarded->execute("CREATE TABLE ks.bag (id int PRIMARY KEY, f frozen<list<text>>, l list<text>)"));
  cql_client guest(guarded->port());
  guest.start();
  const auto list = [](int items, std::size_t bytes) {
    std::string out = int_cell(items);
    for (int i = 0; i < items; ++i) out += long_text(std::string(bytes, 'x'));
    return out;
  };
  for (const std::string column : {"f", "l"}) {
    const prepared insert = guest.prepare("INSERT INTO ks.bag (id, " + column + ") VALUES (1, ?)").statement;
    EXPECT_TRUE(guest.execute(insert, {list(3, 1)}).ok());
    const reply many = guest.execute(insert, {list(4, 1)});
    EXPECT_EQ(many.error, invalid);
    EXPECT_EQ(many.message, "Guardrail items_per_collection violated: Detected collection " + column +
                                " in table ks.bag with 4 items, this exceeds the failure threshold of 3.");
    const reply large = guest.execute(insert, {list(1, 57)});
    EXPECT_EQ(large.error, invalid);
    EXPECT_EQ(large.message, "Guardrail collection_size violated: Detected collection " + column +
                                 " in table ks.bag of size 65, this exceeds the failure threshold of 64.");
    EXPECT_EQ(guest.batch({{insert, {list(4, 1)}}}).error, invalid);
  }
}

TEST_F(cql_limits, batches_of_every_type_apply_to_each_table) {
  const prepared person = prepare("INSERT INTO ks.person (id, age) VALUES (?, ?)");
  const prepared visit = prepare("INSERT INTO ks.visit (visitor, at) VALUES (?, ?)");
  for (const std::uint8_t type : {std::uint8_t{0}, std::uint8_t{1}}) {
    const std::string id = std::to_string(type);
    EXPECT_EQ(client.batch({{person, {id, int_cell(1)}}, {visit, {id, bigint_cell(2)}}}, 5, type).kind, 1);
    EXPECT_EQ(one("SELECT age FROM ks.person WHERE id = '" + id + "'"), int_cell(1));
    EXPECT_EQ(one("SELECT at FROM ks.visit WHERE visitor = '" + id + "'"), bigint_cell(2));
  }
  EXPECT_EQ(client.batch({{person, {"2", int_cell(1)}}}, {}, 2).error, invalid) << "no counters";
  EXPECT_EQ(client.batch({}, {}, 3).error, 0x000A) << "no such type";
  EXPECT_EQ(client.batch({}, {}, 0).kind, 1) << "an empty batch does nothing";
}

}  // namespace
}  // namespace millrace::emulators::test
