// Statements against what a server would say about them, and against answers of a store without a server.
#include <deque>
#include <memory>

#include <gtest/gtest.h>

#include <millrace/cql/batch.h>
#include <millrace/cql/statement.h>
#include <millrace/runtime/loop.h>
#include <millrace/stream/all.h>
#include <millrace/stream/must.h>

#include "calls.h"

namespace millrace::cql {
namespace {

using columns = std::vector<statements::column>;

struct profile {
  std::string_view segment;
  std::optional<double> score;
};

class rows_in_memory final : public stream::rows_owner {
 public:
  static int live;
  rows_in_memory(byte_buffer bytes, std::uint32_t rows, bool more) : bytes_(std::move(bytes)) {
    cells = bytes_;
    row_count = rows;
    has_more_pages = more;
    ++live;
  }

 private:
  ~rows_in_memory() { --live; }
  void destroy() noexcept override { delete this; }
  byte_buffer bytes_;
};
int rows_in_memory::live = 0;

// Answers each request with the next prepared answer, on request of the test.
class scripted_store final : public stream::store {
 public:
  std::deque<result<stream::rows_ref>> answers;
  std::vector<std::string> sent;  // cells in hexadecimal
  std::vector<std::optional<std::int64_t>> timestamps;

  result<void> prepare(statements::statement_declaration&) override { return {}; }
  void submit(stream::store_request& request) override {
    sent.push_back(to_hex(request.cells));
    timestamps.push_back(request.write_timestamp_us);
    waiting_.push_back(&request);
  }
  std::size_t in_flight() const noexcept override { return waiting_.size(); }
  void answer_all() {
    while (!waiting_.empty()) {
      stream::store_request& request = *waiting_.front();
      waiting_.pop_front();
      request.answer.emplace(std::move(answers.front()));
      answers.pop_front();
      request.on_complete(request);
    }
  }

 private:
  std::deque<stream::store_request*> waiting_;
};

class statement_test : public ::testing::Test {
 protected:
  statement_test() { run_.write_time = 1'000; }

  statements::declarations declared_;
  statements::declaration_scope collecting_{declared_};
  manual_clock clock_;
  runtime::loop loop_{clock_};
  scripted_store store_;
  execution_of_test run_{loop_, store_};
  stream::context context_{run_};

  // One answer: rows of cells written as hexadecimal.
  void answer_with(const std::string& hex, std::uint32_t rows, bool more = false) {
    store_.answers.emplace_back(stream::rows_ref(new rows_in_memory(*from_hex(hex), rows, more)));
  }
  template <typename T>
  T finish(runtime::task<T> call) {
    finished_flag done;
    call.start(loop_, done);
    store_.answer_all();
    loop_.run_pending();
    EXPECT_TRUE(done.finished);
    return call.take();
  }
  static std::string why(const result<void>& checked) {
    return checked ? "fits" : checked.error().to_string();
  }
};

TEST_F(statement_test, registers_itself_with_the_processor_under_construction) {
  const statement<void(int)> insert("INSERT INTO ks.visit (a) VALUES (?)");
  ASSERT_EQ(declared_.statements.size(), 1U);
  EXPECT_EQ(declared_.statements[0]->name(), "insert visit");
}

TEST_F(statement_test, fits_when_number_names_and_types_agree) {
  statement<profile(std::string_view)> select(
      "SELECT segment, score FROM visitor_profile WHERE visitor_id = ?");
  EXPECT_EQ(why(select.check({{"visitor_id", "text"}}, {{"segment", "text"}, {"score", "double"}})), "fits");
}

TEST_F(statement_test, names_the_column_and_both_types_when_they_differ) {
  statement<profile(std::string_view)> select(
      "SELECT segment, score FROM visitor_profile WHERE visitor_id = ?");
  EXPECT_EQ(
      why(select.check({{"visitor_id", "text"}}, {{"segment", "text"}, {"score", "int"}})),
      "db_type_mismatch: statement 'select visitor_profile': column 'score' is int in the database, and "
      "its C++ type std::optional<double> is for double");
  EXPECT_EQ(why(select.check({{"visitor_id", "uuid"}}, {{"segment", "text"}, {"score", "double"}})),
            "db_type_mismatch: statement 'select visitor_profile': parameter 'visitor_id' is uuid in the "
            "database, and its C++ type std::string_view is for text or ascii");
}

TEST_F(statement_test, marks_the_processor_as_running_when_its_answer_arrives) {
  statement<void(int)> insert("INSERT INTO ks.visit (a) VALUES (?)");
  store_.answers.emplace_back(stream::rows_ref());
  EXPECT_TRUE(finish(insert(context_, 1)));
  EXPECT_EQ(run_.resumptions, 1);
}

TEST_F(statement_test, names_both_column_counts_when_they_differ) {
  statement<profile(std::string_view)> select("SELECT segment FROM visitor_profile WHERE visitor_id = ?");
  EXPECT_EQ(why(select.check({{"visitor_id", "text"}}, {{"segment", "text"}})),
            "db_type_mismatch: statement 'select visitor_profile': the database has 1 column (segment text), "
            "the C++ type 2 columns");
  EXPECT_EQ(
      why(select.check({}, {{"segment", "text"}, {"score", "double"}})),
      "db_type_mismatch: statement 'select visitor_profile': the database has 0 parameters, the C++ type "
      "1 parameter");
}

TEST_F(statement_test, columns_in_another_order_than_the_fields_are_refused) {
  struct names {
    std::string first;
    std::string last;
  };
  statement<names(std::int32_t)> select("SELECT last, first FROM people WHERE id = ?");
  EXPECT_EQ(why(select.check({{"id", "int"}}, {{"last", "text"}, {"first", "text"}})),
            "db_type_mismatch: statement 'select people': column 'last' is in the position of field 'first': "
            "select the columns in the order of the fields, or name it AS first");
}

TEST_F(statement_test, void_statements_yield_no_rows) {
  statement<void(std::int32_t)> select("SELECT a FROM t WHERE id = ?");
  EXPECT_EQ(why(select.check({{"id", "int"}}, {{"a", "text"}})),
            "db_type_mismatch: statement 'select t': it returns rows (a text), and its C++ result is void");
}

TEST_F(statement_test, select_star_is_refused_and_count_star_is_not) {
  for (const char* star : {"SELECT * FROM t", "select\n*\nfrom t", "SELECT a, * FROM t", "SELECT *FROM t"}) {
    statement<profile()> select(star);
    EXPECT_EQ(select.check({}, {{"segment", "text"}, {"score", "double"}}).error().code(), errc::db_invalid)
        << star;
  }
  statement<std::int64_t()> count("SELECT count(*) FROM t WHERE a = '*' AND b > 2 * 3");
  EXPECT_EQ(why(count.check({}, {{"count", "bigint"}})), "fits");
  statement<void()> update("UPDATE t SET a = '*' WHERE b = 1");
  EXPECT_EQ(why(update.check({}, {})), "fits");
}

TEST_F(statement_test, encodes_its_arguments_in_order) {
  const statement<void(std::int32_t, std::string_view, std::optional<std::int32_t>)> insert("INSERT INTO t");
  store_.answers.emplace_back(stream::rows_ref());
  EXPECT_TRUE(finish(insert(context_, 1, "a", std::nullopt)));
  EXPECT_EQ(store_.sent, std::vector<std::string>{"00000004000000010000000161ffffffff"});
  EXPECT_EQ(store_.timestamps[0], std::nullopt);
}

TEST_F(statement_test, at_the_records_write_time_a_deletion_comes_before_a_write) {
  const statements::statement_options timed{.written = statements::write_time::record};
  const statement<void(std::int32_t)> insert("INSERT INTO t (k) VALUES (?)", timed);
  const statement<void(std::int32_t)> remove("DELETE FROM t WHERE k = ?", timed);
  store_.answers.emplace_back(stream::rows_ref());
  store_.answers.emplace_back(stream::rows_ref());
  EXPECT_TRUE(finish(remove(context_, 1)));
  EXPECT_TRUE(finish(insert(context_, 1)));
  EXPECT_EQ(store_.timestamps, (std::vector<std::optional<std::int64_t>>{1'000, 1'001}));
}

TEST_F(statement_test, at_the_records_write_time_only_repeatable_changes_in_place_are_accepted) {
  const auto verdict = [](std::string_view cql, const statements::column& by) {
    statement<void(std::vector<std::string>, std::string_view)> update(
        cql, {.written = statements::write_time::record});
    return why(update.check({by, {"k", "text"}}, {}));
  };
  EXPECT_EQ(verdict("UPDATE t SET s = s + ? WHERE k = ?", {"s", "set<text>"}), "fits");
  EXPECT_EQ(verdict("UPDATE t SET l = l + ? WHERE k = ?", {"l", "list<text>"}),
            "config_invalid: statement 'update t': column 'l' changes in place by a list<text>, which a "
            "replay would "
            "repeat; omit write_time::record, or write the whole column");
  statement<void(std::int64_t, std::string_view)> count("UPDATE t SET n = n + ? WHERE k = ?",
                                                        {.written = statements::write_time::record});
  EXPECT_EQ(count.check({{"n", "counter"}, {"k", "text"}}, {}).error().code(), errc::config_invalid);
}

TEST_F(statement_test, a_change_in_place_that_a_repetition_makes_again_must_say_so) {
  const auto verdict = [](std::string_view cql, const statements::column& by,
                          const statements::statement_options& options = {}) {
    statement<void(std::vector<std::string>, std::string_view)> update(cql, options);
    return why(update.check({by, {"k", "text"}}, {}));
  };
  EXPECT_EQ(verdict("UPDATE t SET s = s + ? WHERE k = ?", {"s", "set<text>"}), "fits");
  EXPECT_EQ(verdict("UPDATE t SET l = l + ? WHERE k = ?", {"l", "list<text>"}),
            "config_invalid: statement 'update t': column 'l' changes in place by a list<text>, which a "
            "repetition of "
            "the record or the request would do again; declare it with .idempotent = false, or write the "
            "whole column");
  EXPECT_EQ(verdict("UPDATE t SET l = l + ? WHERE k = ?", {"l", "list<text>"}, {.idempotent = false}),
            "fits");
  const auto counted = [](const statements::statement_options& options) {
    statement<void(std::int64_t, std::string_view)> count("UPDATE t SET n = n + ? WHERE k = ?", options);
    return why(count.check({{"n", "counter"}, {"k", "text"}}, {}));
  };
  EXPECT_NE(counted({}), "fits");
  EXPECT_NE(counted({.idempotent = true}), "fits");
  EXPECT_EQ(counted({.idempotent = false}), "fits");
}

TEST_F(statement_test, carries_a_write_timestamp) {
  const statement<void()> insert("INSERT INTO t");
  store_.answers.emplace_back(stream::rows_ref());
  EXPECT_TRUE(finish(insert.written_at(timestamp_micros(microseconds(77)), context_)));
  EXPECT_EQ(store_.timestamps[0], 77);
}

TEST_F(statement_test, a_row_keeps_the_memory_of_its_views_alive) {
  statement<profile()> select("SELECT segment, score FROM t");
  answer_with(
      "00000004676f6c64"
      "000000083ff0000000000000",
      1);
  {
    auto found = finish(select(context_));
    ASSERT_TRUE(found && *found);
    std::optional<row<profile>> kept = std::move(*found);
    EXPECT_EQ(rows_in_memory::live, 1);
    EXPECT_EQ((*kept)->segment, "gold");
    EXPECT_EQ((**kept).score, 1.0);
  }
  EXPECT_EQ(rows_in_memory::live, 0);
}

TEST_F(statement_test, a_missing_row_is_not_an_error) {
  statement<profile()> select("SELECT segment, score FROM t");
  answer_with("", 0);
  store_.answers.emplace_back(stream::rows_ref());
  for (int k = 0; k < 2; ++k) {
    auto found = finish(select(context_));
    ASSERT_TRUE(found);
    EXPECT_FALSE(found->has_value());
  }
}

TEST_F(statement_test, a_second_row_for_a_single_row_result_is_an_error) {
  statement<std::int32_t()> select("SELECT a FROM t");
  answer_with(
      "0000000400000001"
      "0000000400000002",
      2);
  EXPECT_EQ(finish(select(context_)).error().code(), errc::db_unexpected_rows);
  answer_with("0000000400000001", 1, true);
  EXPECT_EQ(finish(select(context_)).error().code(), errc::db_unexpected_rows);
}

TEST_F(statement_test, many_rows_are_returned_in_order) {
  statement<std::vector<std::int32_t>()> select("SELECT a FROM t");
  answer_with(
      "0000000400000001"
      "0000000400000002",
      2);
  auto found = finish(select(context_));
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 2U);
  EXPECT_EQ((*found)[1], 2);
  answer_with("0000000400000001", 1, true);
  EXPECT_EQ(finish(select(context_)).error().code(), errc::limit_exceeded);
}

TEST_F(statement_test, values_that_do_not_fit_are_an_error_that_names_the_column) {
  statement<profile()> select("SELECT segment, score FROM t");
  ASSERT_EQ(why(select.check({}, {{"segment", "text"}, {"score", "double"}})), "fits");
  answer_with(
      "ffffffff"
      "ffffffff",
      1);
  EXPECT_EQ(finish(select(context_)).error().to_string(),
            "unresolvable: statement 'select t': column 'segment' is null, and the C++ type is not "
            "std::optional");
  answer_with(
      "00000001"
      "61"
      "0000000161",
      1);
  EXPECT_EQ(finish(select(context_)).error().to_string(),
            "unresolvable: statement 'select t': column 'score' is not a value of its type");
  answer_with("0000000161", 1);
  EXPECT_EQ(finish(select(context_)).error().to_string(),
            "db_protocol: statement 'select t': the answer is truncated before column 'score'");
}

TEST_F(statement_test, a_failure_of_the_store_is_the_failure_of_the_call) {
  statement<profile()> select("SELECT segment, score FROM t");
  store_.answers.emplace_back(error(errc::db_timeout, "late"));
  EXPECT_EQ(finish(select(context_)).error().to_string(), "db_timeout: late");
}

TEST_F(statement_test, every_answer_must_be_looked_at) {
  statement<void(int)> insert("INSERT INTO ks.visit (a) VALUES (?)");
  statement<std::int64_t(int)> count("SELECT count(*) FROM ks.visit WHERE a = ?");
  statement<pages<std::int64_t>(int)> select("SELECT b FROM ks.visit WHERE a = ?");
  const auto ignore_all = [&] {
    {
      const auto written = finish(insert(context_, 1));
    }
    {
      const auto counted = finish(count(context_, 1));
    }
    auto all = select(context_, 1);
    {
      const auto page = finish(all.next());
    }
    batch both(context_);
    EXPECT_TRUE(both.add(insert, 1));
    {
      const auto run = finish(both.run());
    }
  };
  for (int i = 0; i < 4; ++i) store_.answers.emplace_back(stream::rows_ref());
  ignore_all();
  const std::vector<std::string> all{"insert visit", "select visit", "select visit", "insert visit"};
  EXPECT_EQ(run_.ignored, all) << "whether they succeed";
  for (int i = 0; i < 4; ++i) store_.answers.emplace_back(error(errc::db_timeout));
  run_.ignored.clear();
  ignore_all();
  EXPECT_EQ(run_.ignored, all) << "or fail";
}

TEST_F(statement_test, must_yields_the_value_of_every_kind_of_call) {
  statement<void(int)> insert("INSERT INTO ks.visit (a) VALUES (?)");
  statement<std::int64_t(int)> select("SELECT b FROM ks.visit WHERE a = ?");
  statement<std::vector<std::int64_t>(int)> select_all("SELECT b FROM ks.visit WHERE a = ?");
  statement<pages<std::int64_t>(int)> select_pages("SELECT b FROM ks.visit WHERE a = ?");
  const auto process = [](stream::context ctx, auto* write, auto* one, auto* many,
                          auto* paged) -> runtime::task<std::string> {
    co_await stream::must((*write)(ctx, 1));
    const std::optional<row<std::int64_t>> found = co_await stream::must((*one)(ctx, 1));
    const rows<std::int64_t> all = co_await stream::must((*many)(ctx, 1));
    auto pages_of_it = (*paged)(ctx, 1);
    const rows<std::int64_t> page = co_await stream::must(pages_of_it.next());
    batch both(ctx);
    static_cast<void>(both.add(*write, 1));
    co_await stream::must(both.run());
    const auto [first, nothing] = co_await stream::must(stream::all((*one)(ctx, 1), (*write)(ctx, 1)));
    co_return std::to_string(**found) + " " + std::to_string(all.size()) + " " + std::to_string(page.size()) +
        " " + std::to_string(**first);
  };
  store_.answers.emplace_back(stream::rows_ref());
  answer_with(
      "00000008"
      "0000000000000007",
      1);
  answer_with(
      "00000008"
      "0000000000000007"
      "00000008"
      "0000000000000008",
      2);
  answer_with(
      "00000008"
      "0000000000000007",
      1);
  store_.answers.emplace_back(stream::rows_ref());
  answer_with(
      "00000008"
      "0000000000000009",
      1);
  store_.answers.emplace_back(stream::rows_ref());
  EXPECT_EQ(finish(process(context_, &insert, &select, &select_all, &select_pages)), "7 2 1 9");
  EXPECT_TRUE(store_.answers.empty());
  EXPECT_TRUE(run_.ignored.empty());
}

TEST(fields, are_counted_named_and_reached) {
  struct everything {
    std::optional<std::string> a;
    std::vector<std::optional<std::int32_t>> list;
    std::map<std::string, double> map;
    uuid id;
    std::string_view last_one;
  };
  static_assert(field_count<everything> == 5);
  static_assert(field_names<everything>[1] == "list" && field_names<everything>[4] == "last_one");
  static_assert(row_struct<profile> && !row_struct<int> && !row_struct<std::string>);
  everything all;
  std::get<4>(fields_of(all)) = "x";
  EXPECT_EQ(all.last_one, "x");
}

}  // namespace
}  // namespace millrace::cql
