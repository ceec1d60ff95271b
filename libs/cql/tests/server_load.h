// A closed loop of writers and readers against a real server, as an engine would work: errors of disposition retry are
// tried again, any other one ends the loop and is remembered.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <millrace/cql/composite.h>
#include <millrace/cql/statement.h>
#include <millrace/runtime/scope.h>
#include <millrace/runtime/wait.h>
#include <millrace/stream/outcome.h>

#include "calls.h"

namespace millrace::cql {

struct load_place {
  std::string street;
  std::int32_t number = 0;
};

struct load_row {
  std::string text;
  std::vector<udt<load_place>> places;
};

// Writes rows 0, 1, 2, ... of one table and reads those that were acknowledged. The table is made before. The statements
// name no keyspace: it is the session's.
class server_load {
 public:
  static constexpr std::int64_t writers = 8;

  server_load(runtime::loop& loop, execution_of_test& run)
      : loop_(loop), run_(run), all_(loop, 2 * writers) {}

  void begin() {
    for (std::int64_t k = 0; k < writers; ++k) {
      all_.spawn(write(this, k));
      all_.spawn(read(this));
    }
  }
  void end() { stopping_ = true; }
  [[nodiscard]] bool ended() const noexcept { return all_.live() == 0; }
  // A DROP takes the rows; those that are submitted from now on count.
  void begin_life() {
    ++life_;
    acknowledged_.clear();
  }
  // From now on no statement may succeed.
  void expect_refusals() { refuses_ = true; }

  [[nodiscard]] static std::string text_of(std::int64_t id) { return "text " + std::to_string(id * 7'919); }
  [[nodiscard]] const std::vector<std::int64_t>& rows() const noexcept { return acknowledged_; }
  [[nodiscard]] const std::vector<std::string>& wrong() const noexcept { return wrong_; }
  [[nodiscard]] const std::map<errc, std::uint64_t>& errors() const noexcept { return errors_; }
  void forget_errors() { errors_.clear(); }

  statement<void(std::int64_t, std::string_view, std::vector<udt<load_place>>)> insert{
      "INSERT INTO load (id, text, places) VALUES (?, ?, ?)"};
  statement<load_row(std::int64_t)> select{"SELECT text, places FROM load WHERE id = ?"};

 private:
  // Whether the loop goes on.
  bool takes(const error& why) {
    ++errors_[why.code()];
    if (stream::disposition_of(why.code()) == stream::disposition::retry) return true;
    if (refuses_ && why.code() == errc::db_type_mismatch) return true;
    wrong_.push_back(why.to_string());
    return false;
  }
  void expect_row(std::int64_t id, std::uint32_t life, const std::optional<row<load_row>>& found) {
    if (!found) {
      if (life == life_) wrong_.push_back("row " + std::to_string(id) + " is lost");
      return;
    }
    const load_row& is = **found;
    const bool good = is.text == text_of(id) && is.places.size() == 2 && is.places[1]->number == id % 1'000;
    if (!good) wrong_.push_back("row " + std::to_string(id) + " is another one");
  }

  static runtime::task<void> write(server_load* of, std::int64_t first) {
    for (std::int64_t id = first; !of->stopping_; id += writers) {
      const std::string text = text_of(id);
      const load_place place{"Main", static_cast<std::int32_t>(id % 1'000)};
      const std::vector<udt<load_place>> places(2, udt<load_place>(place));
      bool written = false;
      while (!written && !of->stopping_) {
        const std::uint32_t life = of->life_;
        const bool refuses = of->refuses_;
        const auto answer = co_await of->insert(stream::context(of->run_), id, text, places);
        written = static_cast<bool>(answer);
        if (written && refuses) of->wrong_.emplace_back("a row of the old type was written");
        if (written && life == of->life_) of->acknowledged_.push_back(id);
        if (written) continue;
        if (!of->takes(answer.error())) co_return;
        co_await runtime::sleep_for(of->loop_, milliseconds(10));
      }
    }
  }
  static runtime::task<void> read(server_load* of) {
    for (std::size_t turn = 0; !of->stopping_; turn += 7'919) {
      if (of->acknowledged_.empty()) {
        co_await runtime::sleep_for(of->loop_, milliseconds(10));
        continue;
      }
      const std::int64_t id = of->acknowledged_[turn % of->acknowledged_.size()];
      const std::uint32_t life = of->life_;
      const bool refuses = of->refuses_;
      const auto found = co_await of->select(stream::context(of->run_), id);
      if (found) {
        if (refuses) of->wrong_.emplace_back("a row of the new type was read as one of the old");
        of->expect_row(id, life, *found);
        continue;
      }
      if (!of->takes(found.error())) co_return;
      co_await runtime::sleep_for(of->loop_, milliseconds(10));
    }
  }
  runtime::loop& loop_;
  execution_of_test& run_;
  runtime::scope all_;
  std::vector<std::int64_t> acknowledged_;  // of this life of the table
  std::uint32_t life_ = 0;
  std::vector<std::string> wrong_;
  std::map<errc, std::uint64_t> errors_;
  bool stopping_ = false;
  bool refuses_ = false;
};

}  // namespace millrace::cql
