// A worker with a lookup and a database that answers on request of the test, in any order.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/cql/lookup.h>
#include <millrace/runtime/loop.h>

#include "calls.h"

namespace millrace::cql {

class bytes_answer final : public stream::rows_owner {
 public:
  bytes_answer(byte_buffer bytes, std::uint32_t rows) : bytes_(std::move(bytes)) {
    cells = bytes_;
    row_count = rows;
  }

 private:
  void destroy() noexcept override { delete this; }
  byte_buffer bytes_;
};

// Requests wait here until the test answers them.
class waiting_store final : public stream::store {
 public:
  ~waiting_store() override { EXPECT_TRUE(waiting.empty()); }
  result<void> prepare(statements::statement_declaration&) override { return {}; }
  void submit(stream::store_request& request) override { waiting.push_back(&request); }
  std::size_t in_flight() const noexcept override { return waiting.size(); }

  void answer(std::size_t which, result<stream::rows_ref> with) {
    stream::store_request& request = *waiting[which];
    waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(which));
    request.answer.emplace(std::move(with));
    request.on_complete(request);
  }
  std::vector<stream::store_request*> waiting;
};

// Memory of the process, as an account that can be made small.
class account_of_test final : public statements::byte_account {
 public:
  explicit account_of_test(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  bool try_hold(std::size_t bytes) noexcept override {
    if (held + bytes > bytes_max_) return false;
    held += bytes;
    return true;
  }
  void let_go(std::size_t bytes) noexcept override { held -= bytes; }
  std::size_t held = 0;

 private:
  std::size_t bytes_max_;
};

struct profile {
  std::string_view segment;
  std::int64_t score = 0;
};
inline constexpr std::string_view select_profile = "SELECT segment, score FROM profile WHERE id = ?";

inline stream::rows_ref no_row() { return stream::rows_ref(new bytes_answer({}, 0)); }
inline stream::rows_ref row_of(std::string_view segment, std::int64_t score) {
  cell_buffer cells;
  codec<std::string_view>::encode(cells, segment);
  codec<std::int64_t>::encode(cells, score);
  return stream::rows_ref(new bytes_answer(byte_buffer(cells.view().begin(), cells.view().end()), 1));
}

// One lookup that was begun: what it came to.
struct asked final : runtime::deferred {
  void run() override { finished = true; }
  std::optional<found<profile>> got;
  bool finished = false;
  runtime::task<void> task;
};

using profile_lookup = lookup<profile(std::string_view)>;

inline runtime::task<void> ask(const profile_lookup* of, stream::context ctx, std::string key, asked* into) {
  into->got.emplace(co_await (*of)(ctx, key));
}

// Processors of one worker: a lookup and the statement that writes its rows.
class worker_of_test {
 public:
  worker_of_test(const clock& time, statements::invalidation_board& board, statements::lookup_options options,
                 statements::byte_account* account = nullptr, profile fallback = {"none", 0})
      : loop(time),
        room{board, account},
        collecting_(declared),
        profiles("profiles", select_profile, std::move(options), fallback) {
    for (statements::lookup_declaration* each : declared.lookups) {
      const auto opened = each->open(room, each->declared());
      EXPECT_TRUE(opened) << opened.error().to_string();
    }
  }

  stream::context context() { return stream::context(run); }
  asked& begin(const std::string& key) {
    loop.run_pending();  // a turn begins, at the clock's time
    asked& made = *all_.emplace_back(std::make_unique<asked>());
    made.task = ask(&profiles, context(), key, &made);
    made.task.start(loop, made);
    loop.run_pending();
    return made;
  }
  // Answers the request that was sent first.
  void answer(result<stream::rows_ref> with) {
    ASSERT_FALSE(store.waiting.empty()) << "nothing was asked for";
    store.answer(0, std::move(with));
    loop.run_pending();
  }
  // Begins a lookup, answers its request if any, returns segment, "default" or the ending's reason.
  std::string look_up(const std::string& key, result<stream::rows_ref> with) {
    asked& made = begin(key);
    if (!made.finished) answer(std::move(with));
    std::string text = text_of(made);
    if (made.finished) made.got.reset();  // nothing holds the row any more
    return text;
  }
  static std::string text_of(const asked& of) {
    if (!of.finished) return "waiting";
    if (of.got->is_default()) return "default";
    if (*of.got) return std::string((*of.got)->segment);
    const stream::outcome ending = of.got->ending();
    return std::string(ending.cause()->message());
  }
  [[nodiscard]] statements::lookup_statistics statistics() const {
    return room.states.at("profiles")->statistics();
  }

  runtime::loop loop;
  waiting_store store;
  statements::lookup_room room;
  statements::declarations declared;

 private:
  statements::declaration_scope collecting_;

 public:
  execution_of_test run{loop, store};
  profile_lookup profiles;

 private:
  std::vector<std::unique_ptr<asked>> all_;
};

}  // namespace millrace::cql
