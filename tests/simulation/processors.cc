#include "processors.h"

#include <stdexcept>
#include <string>

#include <millrace/engine/output.h>
#include <millrace/runtime/wait.h>
#include <millrace/simulation/parcel.h>
#include <millrace/simulation/simulated_store.h>

#include "member.h"
#include "visit.h"

namespace scenario {

using namespace millrace;

namespace {

class statement final : public statements::statement_declaration {
 public:
  explicit statement(std::string_view cql, statements::write_time written = statements::write_time::server)
      : statement_declaration(std::string(cql), {.written = written}) {}
  result<void> check(const std::vector<statements::column>&,
                     const std::vector<statements::column>&) override {
    return {};
  }
};

std::string key_of(const engine::record_handle& v) {
  const std::optional<bytes_view> key = v.key();
  return key ? std::string(as_text(*key)) : std::string();
}

// Not of the standard library.
struct refusal {};

void throw_at_once(std::string_view word, stream::context ctx) {
  if (word == words::throws_at_once || (word == words::stumbles_at_once && ctx.attempt() == 1))
    throw refusal();
}
void throw_late(std::string_view word, stream::context ctx) {
  if (word == words::throws_late || (word == words::stumbles_late && ctx.attempt() == 1))
    throw std::out_of_range("no such visit");
}

// Notes when an attempt begins and ends.
class noting : public engine::processor<visit> {
 public:
  explicit noting(member* owner) : owner_(*owner) {}

  runtime::task<stream::outcome> process(engine::record<visit> v, stream::context ctx) final {
    owner_.note(happening::work_began, v->number, name(), key_of(v));
    if (v->word == words::skip) {
      owner_.note(happening::work_ended, v->number, name(), key_of(v));
      co_return stream::outcome::skipped("by rule");
    }
    try {
      const stream::outcome out = co_await work(v, ctx);
      const bool failed = out.what() == stream::outcome::kind::failed;
      owner_.note(failed ? happening::work_failed : happening::work_ended, v->number, name(), key_of(v));
      co_return out;
    } catch (...) {
      owner_.note(happening::work_failed, v->number, name(), key_of(v));
      throw;
    }
  }

 protected:
  virtual runtime::task<stream::outcome> work(engine::record<visit> v, stream::context ctx) = 0;

  member& owner_;
};

// SELECT, INSERT a row of its own, and INSERT the newest row of its key at the record's write time; the same for
// a tombstone, which is passed on.
class writing final : public noting {
 public:
  using noting::noting;

  runtime::task<stream::outcome> deleted(engine::deletion v, stream::context ctx) override {
    const std::int64_t number = number_of(v.partition(), v.offset());
    const std::string key = key_of(v);
    owner_.note(happening::work_began, number, name(), key);
    const stream::outcome out = co_await erase(number, key, ctx);
    const bool failed = out.what() == stream::outcome::kind::failed;
    owner_.note(failed ? happening::work_failed : happening::work_ended, number, name(), key);
    co_return out;
  }

 private:
  runtime::task<stream::outcome> erase(std::int64_t number, std::string_view key, stream::context ctx) {
    ctx.erase(gone_, key);
    simulation::execute find(ctx, select_, {simulation::cell(number)});
    const result<stream::rows_ref> found = co_await find;
    if (!found) co_return found.error();
    co_return co_await write(number, key, ctx);
  }

  runtime::task<stream::outcome> write(std::int64_t number, std::string_view key, stream::context ctx) {
    simulation::execute one(ctx, visit_, {simulation::cell(number)});
    const result<stream::rows_ref> visited = co_await one;
    if (!visited) co_return visited.error();
    simulation::execute latest(ctx, latest_, {simulation::cell(key), simulation::cell(number)},
                               ctx.write_time_us() + 1);
    const result<stream::rows_ref> updated = co_await latest;
    if (!updated) co_return updated.error();
    co_return stream::outcome::done();
  }

  runtime::task<stream::outcome> work(engine::record<visit> v, stream::context ctx) override {
    throw_at_once(v->word, ctx);
    simulation::execute find(ctx, select_, {simulation::cell(v->number)});
    const result<stream::rows_ref> found = co_await find;
    if (!found) co_return found.error();
    throw_late(v->word, ctx);
    if (v->word == words::bad) co_return stream::outcome::dead_letter("bad");
    if (v->word == words::hangs && ctx.attempt() == 1 && owner_.may_hang()) co_await owner_.hang();
    const std::string key = key_of(v);
    co_return co_await write(v->number, key, ctx);
  }

  statement select_{select_profile};
  statement visit_{insert_visit};
  statement latest_{insert_latest, statements::write_time::record};
  engine::output<engine::parcel> gone_{"gone"};
};

class emitting final : public noting {
 public:
  using noting::noting;

 private:
  runtime::task<stream::outcome> work(engine::record<visit> v, stream::context ctx) override {
    ctx.emit(sent_, key_of(v), {v->number, v->word});
    emit_more(v, ctx);
    throw_at_once(v->word, ctx);
    simulation::execute find(ctx, select_, {simulation::cell(v->number)});
    const result<stream::rows_ref> found = co_await find;
    if (!found) co_return found.error();
    throw_late(v->word, ctx);
    if (v->word == words::sleeps && owner_.may_hang()) {
      const seconds length(1 + v->number % 30);
      // With and without the engine's cancellation.
      if (v->number % 2 == 0) {
        co_await runtime::sleep_for(ctx.loop(), length);
      } else {
        const bool slept = co_await ctx.sleep_for(length);
        if (!slept) co_return error(errc::cancelled);
      }
    }
    co_return stream::outcome::done();
  }

  void emit_more(const engine::record<visit>& v, stream::context ctx) {
    if (v->word != words::emits_many && v->word != words::emits_too_many) return;
    const std::size_t most = owner_.emits_max() + (v->word == words::emits_many ? 0 : 1);
    for (std::size_t i = 1; i < most; ++i) ctx.emit(more_, key_of(v), {v->number, v->word});
  }

  statement select_{select_profile};
  engine::output<engine::parcel> sent_{"sent"};
  engine::output<engine::parcel> more_{"more"};
};

}  // namespace

engine::processors build_processors(member& owner) {
  return std::move(*engine::build({engine::make<writing>(&owner), engine::make<emitting>(&owner)}));
}

}  // namespace scenario
