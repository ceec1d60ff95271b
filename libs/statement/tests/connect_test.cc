// Start-up: writes and the lookups they invalidate, and writes that a replay would not repeat.
#include <deque>

#include <gtest/gtest.h>

#include <millrace/statement/declarations.h>

namespace millrace::statements {
namespace {

class any_statement final : public statement_declaration {
 public:
  using statement_declaration::statement_declaration;
  result<void> check(const std::vector<column>&, const std::vector<column>&) override { return {}; }
};

class any_lookup final : public lookup_declaration {
 public:
  any_lookup(std::string name, std::string cql)
      : lookup_declaration(std::move(name)), select_(std::move(cql)) {}
  [[nodiscard]] const statement_declaration& statement() const noexcept override { return select_; }
  [[nodiscard]] const lookup_options& declared() const noexcept override { return options_; }
  result<void> open(lookup_room&, const lookup_options&) override { return {}; }

 private:
  any_statement select_;
  lookup_options options_;
};

class connect_test : public ::testing::Test {
 protected:
  any_statement& write(std::string cql, statement_options options = {}) {
    return statements_.emplace_back(std::move(cql), std::move(options));
  }
  void lookup(std::string name, std::string cql) { lookups_.emplace_back(std::move(name), std::move(cql)); }
  std::string why() {
    const auto connected = connect(declared_, board_);
    return connected ? "fits" : connected.error().message();
  }

  declarations declared_;
  declaration_scope collecting_{declared_};
  invalidation_board board_;
  std::deque<any_statement> statements_;
  std::deque<any_lookup> lookups_;
};

TEST_F(connect_test, AWriteInvalidatesTheKeyOfItsParameters) {
  lookup("prices", "SELECT price FROM price WHERE shop = ? AND item = ?");
  const any_statement& insert =
      write("INSERT INTO price (item, price, shop) VALUES (?, ?, ?)", {.invalidates = {"prices"}});
  ASSERT_EQ(why(), "fits");
  invalidation_inbox inbox(board_.channel("prices"));
  const byte_buffer cells = *from_hex("00000001 69  00000002 7070  00000001 73");
  insert.written(cells);
  std::string key;
  inbox.read([&](bytes_view told) { key = to_hex(told); }, [] {});
  EXPECT_EQ(key,
            "0000000173"
            "0000000169")
      << "in the order of the lookup: shop, item";
  insert.written(bytes_view(cells).first(3));  // torn: lists the declared lookups, and breaks nothing
}

TEST_F(connect_test, AWriteToTheTableOfALookupMustDeclareInvalidation) {
  lookup("profiles", "SELECT segment FROM ks.profile WHERE id = ?");
  write("UPDATE profile SET segment = ? WHERE id = ?");
  EXPECT_EQ(
      why(),
      "statement 'update profile': it writes table 'profile', which lookup 'profiles' caches: "
      "declare "
      "it with .invalidates = {\"profiles\"}, or {no_lookup} if outdated rows may be used until they expire");
}

TEST_F(connect_test, AWriteMayDeclareThatItInvalidatesNothing) {
  lookup("profiles", "SELECT segment FROM profile WHERE id = ?");
  write("UPDATE profile SET segment = ? WHERE id = ?", {.invalidates = {no_lookup}});
  EXPECT_EQ(why(), "fits");
}

TEST_F(connect_test, AnUnknownLookupIsRefusedAndTheDeclaredOnesAreListed) {
  lookup("profiles", "SELECT segment FROM profile WHERE id = ?");
  write("UPDATE profile SET segment = ? WHERE id = ?", {.invalidates = {"profile"}});
  EXPECT_EQ(
      why(),
      "statement 'update profile': its `invalidates` has 'profile', expected one of the lookups: profiles");
}

TEST_F(connect_test, AWriteOfAnotherTableIsRefused) {
  lookup("profiles", "SELECT segment FROM profile WHERE id = ?");
  write("UPDATE visit SET segment = ? WHERE id = ?", {.invalidates = {"profiles"}});
  EXPECT_EQ(why(),
            "statement 'update visit': it writes table 'visit', and lookup 'profiles' reads 'profile'");
}

TEST_F(connect_test, AWriteWithoutTheWholeKeyIsRefused) {
  lookup("prices", "SELECT price FROM price WHERE shop = ? AND item = ?");
  write("DELETE FROM price WHERE shop = ?", {.invalidates = {"prices"}});
  EXPECT_EQ(
      why(),
      "statement 'delete price': it binds no parameter to column 'item', which is part of the key of lookup "
      "'prices': the row that it invalidates is unknown");
}

struct refused_write {
  const char* cql;
  const char* because;
};
class refused_write_test : public connect_test, public ::testing::WithParamInterface<refused_write> {};

TEST_P(refused_write_test, IsNotRepeatableAtTheRecordsWriteTime) {
  write(GetParam().cql, {.written = write_time::record});
  EXPECT_NE(why().find(GetParam().because), std::string::npos) << why();
}

INSTANTIATE_TEST_SUITE_P(
    all, refused_write_test,
    ::testing::Values(refused_write{"SELECT a FROM t WHERE k = ?", "for INSERT, UPDATE and DELETE"},
                      refused_write{"BEGIN BATCH INSERT INTO t (a) VALUES (?) APPLY BATCH",
                                    "for INSERT, UPDATE and DELETE"},
                      refused_write{"INSERT INTO t (a) VALUES (?) USING TIMESTAMP ?", "exclude each other"},
                      refused_write{"INSERT INTO t (a) VALUES (?) IF NOT EXISTS", "conditional write"},
                      refused_write{"UPDATE t SET a = ? WHERE k = ? IF a = ?", "conditional write"},
                      refused_write{"INSERT INTO t (a, at) VALUES (?, now())",
                                    "now() would yield another value"},
                      refused_write{"UPDATE t SET c = c + 1 WHERE k = ?", "changes in place"},
                      refused_write{"UPDATE t SET l = l + ['x'] WHERE k = ?", "changes in place"}));

TEST_F(connect_test, WritesOfOneTableMustUseTheSameWriteTime) {
  write("INSERT INTO t (k, a) VALUES (?, ?)", {.written = write_time::record});
  write("DELETE FROM ks.t WHERE k = ?");
  EXPECT_EQ(
      why(),
      "statement 'delete t': it writes table 'ks.t' at the server's time, and statement 'insert t' at the "
      "record's write time: the later record would lose whenever the engine lags; use "
      "write_time::record for both");
}

TEST_F(connect_test, RepeatableWritesAreAccepted) {
  const statement_options timed{.written = write_time::record};
  write("INSERT INTO t (k, a) VALUES (?, ?) USING TTL 600", timed);
  write("UPDATE t SET s = s + {'x'}, m['y'] = ? WHERE k = ?", timed);
  write("DELETE FROM t WHERE k = ?", timed);
  write("INSERT INTO other (k) VALUES (?)");
  EXPECT_EQ(why(), "fits");
}

TEST_F(connect_test, AWriteThatIsNotIdempotentHasNoWriteTime) {
  write("INSERT INTO t (k) VALUES (?)", {.idempotent = false, .written = write_time::record});
  EXPECT_NE(why().find("declared as not idempotent"), std::string::npos);
}

struct repeated_write {
  const char* cql;
  const char* because;  // "": it may be repeated
};
class repeated_write_test : public connect_test, public ::testing::WithParamInterface<repeated_write> {};

TEST_P(repeated_write_test, SaysThatItIsNotIdempotentWhenARepetitionChangesIt) {
  write(GetParam().cql);
  const std::string verdict = why();
  if (std::string_view(GetParam().because).empty()) {
    EXPECT_EQ(verdict, "fits");
    return;
  }
  EXPECT_NE(verdict.find(GetParam().because), std::string::npos) << verdict;
  EXPECT_NE(verdict.find(".idempotent = false"), std::string::npos) << verdict;
  statements_.clear();
  declared_.statements.clear();
  write(GetParam().cql, {.idempotent = false});
  EXPECT_EQ(why(), "fits");
}

INSTANTIATE_TEST_SUITE_P(
    all, repeated_write_test,
    ::testing::Values(repeated_write{"INSERT INTO t (k, at) VALUES (?, now())",
                                     "statement 'insert t': now() yields"},
                      repeated_write{"INSERT INTO t (k, id) VALUES (?, uuid())", "uuid() yields"},
                      repeated_write{"UPDATE t SET at = toTimestamp(now()) WHERE k = ?", "now() yields"},
                      repeated_write{"UPDATE t SET c = c + 1 WHERE k = ?", "column 'c' changes in place"},
                      repeated_write{"UPDATE t SET c = c - 1 WHERE k = ?", "column 'c' changes in place"},
                      repeated_write{"UPDATE t SET l = l + ['x'] WHERE k = ?", "column 'l' changes in place"},
                      repeated_write{"UPDATE t SET l = ['x'] + l WHERE k = ?", "column 'l' changes in place"},
                      repeated_write{"UPDATE t SET s = s + {'x'} WHERE k = ?", ""},
                      repeated_write{"UPDATE t SET m['x'] = ? WHERE k = ?", ""},
                      repeated_write{"UPDATE t SET m[1] = ? WHERE k = ?", ""},
                      repeated_write{"UPDATE t SET c = c + ? WHERE k = ?", ""},  // its type decides
                      repeated_write{"SELECT k FROM t WHERE at < now() ALLOW FILTERING", ""},
                      repeated_write{"INSERT INTO t (k, now) VALUES (?, ?)", ""}));

TEST_F(connect_test, AnotherValueMayBeDeclaredHarmlessAndAnotherCountMayNot) {
  write("INSERT INTO t (k, seen) VALUES (?, now())", {.idempotent = true});
  EXPECT_EQ(why(), "fits");
  write("UPDATE hits SET n = n + 1 WHERE k = ?", {.idempotent = true});
  EXPECT_NE(why().find("column 'n' changes in place"), std::string::npos);
}

TEST_F(connect_test, AStatementIsIdempotentUnlessItSaysOtherwise) {
  EXPECT_TRUE(write("INSERT INTO t (k) VALUES (?)").idempotent());
  EXPECT_TRUE(write("INSERT INTO t (k) VALUES (?)", {.idempotent = true}).idempotent());
  EXPECT_FALSE(write("INSERT INTO t (k) VALUES (?)", {.idempotent = false}).idempotent());
}

TEST(LookupOptions, ContradictoryOptionsAreRefused) {
  EXPECT_TRUE(check(lookup_options{}));
  EXPECT_FALSE(check(lookup_options{.ttl = milliseconds(-1)}));
  EXPECT_FALSE(check(lookup_options{.when_late = miss_policy::retry}));
  EXPECT_FALSE(check(lookup_options{.on_miss = miss_policy::retry, .retry_delay = milliseconds(0)}));
  const auto masked = check(lookup_options{.negative_ttl = seconds(5), .on_miss = miss_policy::retry});
  ASSERT_FALSE(masked);
  EXPECT_EQ(masked.error().message(),
            "`negative_ttl` is longer than `retry_delay`: a retry would read the cached miss");
}

}  // namespace
}  // namespace millrace::statements
