// Kinds of statements and answers on a server: pages, batches of a partition, options, the cache of
// statements.
#include <set>

#include "session_fixture.h"

namespace millrace::cql {
namespace {

struct event {
  std::int32_t n;
  std::string_view note;
};

statements::statement_options with_page_rows(std::uint32_t rows) {
  statements::statement_options options;
  options.page_rows = rows;
  return options;
}

class answers : public session_test {
 protected:
  void add_events(std::int32_t day, int from, int to) {
    for (int n = from; n < to; ++n) {
      ASSERT_TRUE(server_->execute("INSERT INTO app.event (day, n, note) VALUES (" + std::to_string(day) +
                                   ", " + std::to_string(n) + ", 'note')"));
    }
  }
  std::uint64_t selects() const { return server_->counters().of(operation::select); }

  statement<pages<event>(std::int32_t)> read_day_{"SELECT n, note FROM event WHERE day = ?",
                                                  with_page_rows(10)};
};

TEST_F(answers, pages_come_one_after_the_other_until_the_end) {
  ASSERT_TRUE(store_->prepare(read_day_));
  add_events(1, 0, 25);
  const std::uint64_t before = selects();
  pages<event> all = read_day_(context(), 1);
  std::vector<std::size_t> sizes;
  int next = 0;
  while (true) {
    const auto page = finish(all.next());
    ASSERT_EQ(why(page), "ok");
    if (page->empty()) break;
    sizes.push_back(page->size());
    EXPECT_EQ(selects() - before, sizes.size()) << "a page is requested when it is needed";
    for (const event& each : *page) {
      EXPECT_EQ(each.n, next++);
      EXPECT_EQ(each.note, "note");
    }
  }
  EXPECT_EQ(sizes, (std::vector<std::size_t>{10, 10, 5}));
  EXPECT_TRUE(all.finished());
  EXPECT_TRUE(finish(all.next())->empty()) << "the end stays the end";
}

TEST_F(answers, a_retained_page_keeps_its_memory) {
  ASSERT_TRUE(store_->prepare(read_day_));
  add_events(1, 0, 20);
  pages<event> all = read_day_(context(), 1);
  const auto first = finish(all.next());
  const auto second = finish(all.next());
  ASSERT_TRUE(first && second);
  EXPECT_EQ((*first)[9].n, 9);
  EXPECT_EQ((*first)[9].note, "note");
  EXPECT_EQ((*second)[0].n, 10);
}

TEST_F(answers, a_failed_page_is_requested_again) {
  ASSERT_TRUE(store_->prepare(read_day_));
  add_events(1, 0, 15);
  pages<event> all = read_day_(context(), 1);
  ASSERT_EQ(finish(all.next())->size(), 10U);
  server_->inject({.kind = fault_kind::overloaded, .on = operation::select, .times = 1});
  EXPECT_EQ(finish(all.next()).error().code(), errc::db_overloaded);
  const auto rest = finish(all.next());
  ASSERT_EQ(why(rest), "ok");
  ASSERT_EQ(rest->size(), 5U);
  EXPECT_EQ((*rest)[0].n, 10);
}

TEST_F(answers, an_expired_paging_state_is_an_error_and_a_new_stream_starts_from_the_first_page) {
  ASSERT_TRUE(store_->prepare(read_day_));
  add_events(1, 0, 15);
  pages<event> all = read_day_(context(), 1);
  ASSERT_EQ(finish(all.next())->size(), 10U);
  constexpr std::int32_t protocol_error = 0x000A;
  const auto expired = server_->inject({.kind = fault_kind::custom,
                                        .on = operation::select,
                                        .code = protocol_error,
                                        .message = "Invalid value for the paging state"});
  const auto refused = finish(all.next());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::db_unavailable) << "the statement itself is valid";
  EXPECT_NE(refused.error().message().find("paging state"), std::string::npos) << refused.error().to_string();
  server_->clear(expired);
  pages<event> again = read_day_(context(), 1);
  EXPECT_EQ(finish(again.next())->size(), 10U);
  EXPECT_EQ(finish(again.next())->size(), 5U);
}

TEST_F(answers, pages_without_rows_are_not_the_end) {
  ASSERT_TRUE(store_->prepare(read_day_));
  add_events(1, 0, 15);
  server_->inject({.kind = fault_kind::empty_page, .on = operation::select, .times = 3});
  pages<event> all = read_day_(context(), 1);
  const auto first = finish(all.next());
  ASSERT_EQ(why(first), "ok");
  EXPECT_EQ(first->size(), 10U);
  server_->inject({.kind = fault_kind::empty_page, .on = operation::select, .times = 3});
  EXPECT_EQ(finish(all.next())->size(), 5U);
  server_->inject({.kind = fault_kind::empty_page, .on = operation::select, .times = 3});
  EXPECT_EQ(finish(select_day_(context(), 1))->size(), 15U) << "joined pages too";
}

TEST_F(answers, pages_continue_after_a_server_restart) {
  ASSERT_TRUE(store_->prepare(read_day_));
  add_events(1, 0, 15);
  pages<event> all = read_day_(context(), 1);
  ASSERT_EQ(finish(all.next())->size(), 10U);
  server_->forget_prepared();
  server_->drop_connections();
  std::size_t rest = 0;
  const instant give_up = loop_.time().now() + timeout;
  while (rest == 0 && loop_.time().now() < give_up) {
    const auto page = finish(all.next());
    if (page) rest = page->size();
  }
  EXPECT_EQ(rest, 5U);
}

TEST_F(answers, no_row_is_a_stream_that_ends_at_once) {
  ASSERT_TRUE(store_->prepare(read_day_));
  pages<event> all = read_day_(context(), 77);
  const auto none = finish(all.next());
  ASSERT_EQ(why(none), "ok");
  EXPECT_TRUE(none->empty());
}

TEST_F(answers, one_row_of_thousands_fetches_two_rows) {
  statement<std::int32_t(std::int32_t)> one("SELECT n FROM event WHERE day = ?");
  ASSERT_TRUE(store_->prepare(one));
  add_events(1, 0, 500);
  const std::uint64_t before = server_->counters().bytes_out;
  EXPECT_EQ(finish(one(context(), 1)).error().code(), errc::db_unexpected_rows);
  EXPECT_LT(server_->counters().bytes_out - before, 500U);
}

TEST_F(answers, a_batch_is_one_request) {
  batch all(context());
  for (std::int32_t n = 0; n < 50; ++n) ASSERT_TRUE(all.add(insert_event_, 3, n, "together"));
  EXPECT_EQ(all.size(), 50U);
  ASSERT_EQ(why(finish(all.run())), "ok");
  EXPECT_EQ(all.size(), 0U);
  EXPECT_EQ(server_->counters().of(operation::batch), 1U);
  EXPECT_EQ(server_->counters().batched_rows, 50U);
  const auto written = finish(select_day_(context(), 3));
  ASSERT_EQ(why(written), "ok");
  EXPECT_EQ(written->size(), 50U);
  ASSERT_EQ(why(finish(all.run())), "ok");
  EXPECT_EQ(server_->counters().of(operation::batch), 1U) << "an empty batch sends no request";
}

TEST_F(answers, a_batch_of_two_partitions_is_refused_before_it_is_sent) {
  batch all(context());
  ASSERT_TRUE(all.add(insert_event_, 3, 1, ""));
  ASSERT_TRUE(all.add(insert_event_, 4, 1, ""));
  const auto refused = finish(all.run());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::db_invalid);
  EXPECT_NE(refused.error().message().find("not that of the first"), std::string::npos);
  EXPECT_EQ(server_->counters().of(operation::batch), 0U);
  EXPECT_EQ(all.size(), 2U);
}

TEST_F(answers, a_batch_whose_partition_is_not_a_parameter_is_refused) {
  statement<void(std::int32_t)> fixed("INSERT INTO event (day, n) VALUES (7, ?)");
  ASSERT_TRUE(store_->prepare(fixed));
  batch all(context());
  ASSERT_TRUE(all.add(fixed, 1));
  EXPECT_EQ(finish(all.run()).error().code(), errc::db_invalid);
}

TEST_F(answers, a_full_batch_refuses_further_statements) {
  batch many(context());
  std::int32_t n = 0;
  while (many.add(insert_event_, 3, n, "")) ++n;
  EXPECT_EQ(static_cast<std::size_t>(n), batch_statements_max);
  batch large(context());
  const std::string note(10'000, 'x');
  n = 0;
  while (large.add(insert_event_, 3, n, note)) ++n;
  EXPECT_EQ(n, 4);
  EXPECT_LE(large.bytes(), batch_bytes_max);
  ASSERT_EQ(why(finish(large.run())), "ok");
}

TEST_F(answers, the_newest_timestamp_wins_in_batches_too) {
  const auto write = [&](std::int64_t us, std::string_view note) {
    batch one(context());
    ASSERT_TRUE(one.add(insert_event_, 3, 1, note));
    one.written_at(timestamp_micros(microseconds(us)));
    ASSERT_EQ(why(finish(one.run())), "ok");
  };
  write(2'000, "newer");
  write(1'000, "older");
  pages<event> all = read_day_(context(), 3);
  ASSERT_TRUE(store_->prepare(read_day_));
  const auto page = finish(all.next());
  ASSERT_EQ(why(page), "ok");
  EXPECT_EQ((*page)[0].note, "newer");
}

TEST_F(answers, a_failed_batch_is_unchanged_and_may_be_executed_again) {
  batch all(context());
  ASSERT_TRUE(all.add(insert_event_, 3, 1, "x"));
  server_->inject({.kind = fault_kind::write_timeout, .on = operation::batch, .times = 1});
  EXPECT_EQ(finish(all.run()).error().code(), errc::db_timeout);
  EXPECT_EQ(all.size(), 1U);
  EXPECT_EQ(why(finish(all.run())), "ok");
}

TEST_F(answers, unprepared_statements_of_a_batch_are_prepared_again) {
  batch all(context());
  ASSERT_TRUE(all.add(insert_event_, 3, 1, "x"));
  server_->forget_prepared();
  EXPECT_EQ(why(finish(all.run())), "ok");
}

TEST_F(answers, an_endlessly_unprepared_batch_ends_at_its_deadline) {
  statement<void(std::int32_t, std::int32_t)> insert("INSERT INTO event (day, n) VALUES (?, ?)",
                                                     with_timeout(milliseconds(100)));
  ASSERT_TRUE(store_->prepare(insert));
  server_->inject({.kind = fault_kind::unprepared, .on = operation::batch});
  batch all(context());
  ASSERT_TRUE(all.add(insert, 3, 1));
  EXPECT_FALSE(finish(all.run()));
  EXPECT_EQ(session_->stats().in_flight, 0U);
}

TEST_F(answers, unknown_consistencies_are_refused_at_start_up) {
  statements::statement_options options;
  options.serial_consistency = "QUORUM";
  statement<void(std::int32_t, std::int32_t)> wrong_serial("INSERT INTO event (day, n) VALUES (?, ?)",
                                                           options);
  const auto refused = store_->prepare(wrong_serial);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::config_invalid);
  EXPECT_NE(refused.error().message().find("expected SERIAL or LOCAL_SERIAL"), std::string::npos);
  options.serial_consistency = "local_serial";
  options.consistency = "quorum";
  statement<void(std::int32_t, std::int32_t)> right("INSERT INTO event (day, n) VALUES (?, ?)", options);
  EXPECT_TRUE(store_->prepare(right));
}

TEST_F(answers, equal_statements_are_prepared_once_and_counted) {
  const std::uint64_t before = session_->stats().prepared;
  statement<void(std::int32_t, std::int32_t)> first("INSERT INTO event (day, n) VALUES (?, ?)");
  statement<void(std::int32_t, std::int32_t)> second("INSERT INTO event (day, n) VALUES (?, ?)");
  ASSERT_TRUE(store_->prepare(first));
  ASSERT_TRUE(store_->prepare(second));
  EXPECT_EQ(session_->stats().prepared, before + 1);
  EXPECT_GE(registry_.take_snapshot().value("millrace_statements_prepared"), 2.0);
}

TEST_F(answers, statements_in_use_are_never_evicted_and_unused_ones_are) {
  session_options small = options_for(*server_);
  small.prepared_max = 2;
  auto opened = session::open(small);
  ASSERT_TRUE(opened);
  const auto prepare = [&](stream::store& into, const std::string& cql) {
    statement<void(std::int32_t, std::int32_t)> one(cql);
    const auto prepared = into.prepare(one);
    return prepared ? "ok" : std::string(to_string(prepared.error().code()));
  };
  auto store = std::move(*(*opened)->attach(loop_, {}, nullptr));
  EXPECT_EQ(prepare(*store, "INSERT INTO event (day, n) VALUES (?, ?)"), "ok");
  EXPECT_EQ(prepare(*store, "DELETE FROM event WHERE day = ? AND n = ?"), "ok");
  EXPECT_EQ(prepare(*store, "UPDATE event SET note = 'x' WHERE day = ? AND n = ?"), "limit_exceeded");
  store.reset();
  store = std::move(*(*opened)->attach(loop_, {}, nullptr));
  EXPECT_EQ(prepare(*store, "UPDATE event SET note = 'x' WHERE day = ? AND n = ?"), "ok");
  EXPECT_EQ((*opened)->stats().prepared, 2U);
}

}  // namespace
}  // namespace millrace::cql
