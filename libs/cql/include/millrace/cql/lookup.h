// A lookup: a SELECT of one row by its key, declared as a member of a processor, whose answers are shared and
// cached.
//
// Example prelude:
//
//   struct profile {
//     std::string_view segment;
//     double score;
//   };
//
// Example, at namespace scope:
//
//   #include <millrace/stream/must.h>
//
//   class scoring {
//    public:
//     runtime::task<stream::outcome> score(stream::context ctx, std::string_view visitor) {
//       const auto found = co_await stream::must(profiles_(ctx, visitor));  // found<profile>
//       if (found->score < 0.5) co_return stream::outcome::skipped("low score");
//       co_return stream::outcome::done();
//     }
//
//    private:
//     cql::lookup<profile(std::string_view visitor)> profiles_{
//         "profiles", "SELECT segment, score FROM visitor_profile WHERE visitor_id = ?",
//         {.ttl = seconds(30), .on_miss = cql::miss_policy::use_default},
//         profile{"unknown", 0.0}};
//   };
//
// Sharing: while a key is requested, every other caller of that key waits for the same answer.
//
// Cache: one per worker and name. It holds rows and, separately, "there is no row", each for its own time;
// the least recently used entries are removed first. The limits are statements::lookup_options, in the code
// or in the configuration's `lookups`. The memory counts against `engine.memory_max`. A row is kept for at
// most options.ttl from its request on.
//
// No row: options.on_miss decides whether found<R> holds the default row, or no row and the outcome to
// return: skipped, dead letter, or deferred. stream::must() ends the attempt with that outcome, or with the error
// of a lookup that failed; `if (!found) co_return found.ending();` is the same by hand. A lookup that is ignored
// is harmless.
//
// Writes: a statement that names the lookup in statement_options::invalidates invalidates the row it wrote in
// every worker of the process, before its caller resumes. A lookup that begins after that never yields an
// earlier answer, neither a cached one nor one that was in flight. Writes of other processes are seen when
// the row expires. So is a write that failed and takes effect later.
//
// Lookups of one name in several processors share their cache and must be declared alike.
//
// Errors: those of a statement, for example errc::db_timeout. They reach every caller that waits for the
// request and are never cached.
// Threads: a lookup belongs to the worker of its processor; statistics() may be called from any thread.
#pragma once

#include <coroutine>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <millrace/cql/statement.h>
#include <millrace/statement/lookup.h>
#include <millrace/stream/outcome.h>

namespace millrace::cql {

using statements::lookup_options;
using statements::miss_policy;

namespace internal {

class lookup_cache;
struct lookup_flight;

struct lookup_waiter {
  std::coroutine_handle<> waiting;
  const result<stream::rows_ref>* answer = nullptr;
  lookup_waiter* next = nullptr;
};

// The begin of a lookup: an answer, or a request to wait for. A plain value; its receiver takes over the
// reference to `row`.
struct lookup_start {
  stream::rows_owner* row = nullptr;  // null: there is no row, or `flight` is set
  lookup_flight* flight = nullptr;
};

// The part of a lookup that does not depend on its signature.
class lookup_base : public statements::lookup_declaration {
 public:
  [[nodiscard]] const statements::lookup_options& declared() const noexcept final { return declared_; }
  [[nodiscard]] result<void> open(statements::lookup_room& room,
                                  const statements::lookup_options& options) final;
  // An error when the answer is no row of this lookup's type.
  [[nodiscard]] virtual result<void> readable(const stream::rows_ref& answer) const = 0;

 protected:
  lookup_base(std::string name, statements::lookup_options options)
      : lookup_declaration(std::move(name)), declared_(std::move(options)), options_(declared_) {}
  ~lookup_base() = default;

  [[nodiscard]] lookup_start begin(stream::context ctx, bytes_view key) const;
  static void wait(lookup_flight& flight, lookup_waiter& waiter, stream::context ctx);
  // The outcome for an absent row; nullopt: continue with the default row.
  [[nodiscard]] std::optional<stream::outcome> ending_of_miss(stream::context ctx) const;

 private:
  const statements::lookup_options declared_;
  statements::lookup_options options_;
  lookup_cache* cache_ = nullptr;
};

}  // namespace internal

template <typename Signature>
class lookup;

// A row, or the default row, or the outcome to return instead. It keeps the memory of its views; the views of
// a default row belong to the lookup.
template <row_type R>
class found {
 public:
  explicit found(row<R> held) : row_(std::move(held)) {}
  explicit found(const R& fallback) noexcept : default_(&fallback) {}
  explicit found(stream::outcome instead) : ending_(std::move(instead)) {}

  [[nodiscard]] explicit operator bool() const noexcept { return !ending_; }
  // True when it holds the default row.
  [[nodiscard]] bool is_default() const noexcept { return default_ != nullptr; }
  [[nodiscard]] const R& operator*() const& noexcept { return row_ ? **row_ : *default_; }
  [[nodiscard]] const R* operator->() const& noexcept { return &**this; }
  // A temporary has to get a name first: what is read from it would not outlive the expression.
  template <typename T = R>
  const T& operator*() const&& {
    return internal::of_temporary<T>();
  }
  template <typename T = R>
  const T* operator->() const&& {
    return &internal::of_temporary<T>();
  }
  // The outcome to return when it holds no row: an error, or that of options.on_miss.
  [[nodiscard]] stream::outcome ending() const {
    invariant(ending_.has_value(), "a lookup that found something ends nothing");
    return *ending_;
  }

 private:
  std::optional<row<R>> row_;
  const R* default_ = nullptr;
  std::optional<stream::outcome> ending_;
};

template <typename R, typename... Args>
class lookup<R(Args...)> final : public internal::lookup_base {
  static_assert(
      row_type<R>,
      "lookup<R(key...)>: R is a row by value: a struct of 1 to 32 fields, or a type with a CQL mapping; "
      "no reference, no std::vector");
  static_assert(sizeof...(Args) > 0, "lookup<R(key...)>: a lookup has a key");

 public:
  // Views in `default_row` must live as long as the lookup, as literals do.
  lookup(std::string_view name, std::string_view cql, statements::lookup_options options = {},
         R default_row = {})
      : lookup_base(std::string(name), options),
        select_(cql, std::move(options.statement)),
        default_(std::move(default_row)) {}

  class [[nodiscard]] call {
   public:
    call(const lookup& of, stream::context ctx, internal::lookup_start begun) noexcept
        : of_(of), ctx_(ctx), begun_(begun) {}
    [[nodiscard]] bool await_ready() const noexcept { return begun_.flight == nullptr; }
    void await_suspend(std::coroutine_handle<> waiting) {
      waiter_.waiting = waiting;
      wait(*begun_.flight, waiter_, ctx_);
    }
    [[nodiscard]] found<R> await_resume() {
      if (begun_.flight == nullptr) {
        const stream::rows_ref held(begun_.row);
        if (begun_.row != nullptr) begun_.row->release();  // what begin() had taken
        return of_.found_in(held, ctx_);
      }
      ctx_.resumed();
      ctx_.database_answered(of_.select_, *waiter_.answer ? nullptr : &waiter_.answer->error());
      if (!*waiter_.answer) return found<R>(stream::outcome(waiter_.answer->error()));
      return of_.found_in(**waiter_.answer, ctx_);
    }

   private:
    const lookup& of_;
    stream::context ctx_;
    internal::lookup_start begun_;
    internal::lookup_waiter waiter_;
  };

  // Begins a lookup; the result is to be awaited at once and yields found<R>. The arguments are encoded
  // before this returns.
  [[nodiscard]] call operator()(stream::context ctx, const std::remove_cvref_t<Args>&... args) const {
    cell_buffer key;
    (codec<std::remove_cvref_t<Args>>::encode(key, args), ...);
    return call(*this, ctx, begin(ctx, key.view()));
  }

  [[nodiscard]] const statements::statement_declaration& statement() const noexcept override {
    return select_;
  }
  [[nodiscard]] result<void> readable(const stream::rows_ref& answer) const override {
    auto read = select_.decoded(answer, static_cast<std::optional<row<R>>*>(nullptr));
    if (!read) return read.error();
    return {};
  }

 private:
  [[nodiscard]] found<R> found_in(const stream::rows_ref& answer, stream::context ctx) const {
    if (answer && answer->row_count > 0) {
      auto read = select_.decoded(answer, static_cast<std::optional<row<R>>*>(nullptr));
      if (!read) return found<R>(stream::outcome(read.error()));
      return found<R>(*std::move(*read));
    }
    if (auto ending = ending_of_miss(ctx)) return found<R>(*std::move(ending));
    return found<R>(default_);
  }

  cql::statement<R(Args...)> select_;
  const R default_;
};

}  // namespace millrace::cql
