// The interface of user code: a processor, and the list of processors that an application runs.
//
// Example, at namespace scope:
//
//   #include <millrace/simulation/parcel.h>
//
//   class weigh final : public engine::processor<engine::parcel> {
//    public:
//     runtime::task<stream::outcome> process(engine::record<engine::parcel> parcel, stream::context ctx) override {
//       if (parcel->number <= 0) co_return stream::outcome::skipped("empty");
//       if (ctx.attempt() > 3) co_return stream::outcome::dead_letter("too heavy");
//       co_return stream::outcome::done();
//     }
//     // Optional: for records without a value.
//     runtime::task<stream::outcome> deleted(engine::deletion parcel, stream::context) override {
//       if (!parcel.key()) co_return stream::outcome::skipped("nothing is deleted");
//       co_return stream::outcome::done();
//     }
//   };
//
//   const engine::processor_set all{engine::make<weigh>()};
//
// Filters: a processor that overrides wants() is asked about each record before it is decoded (filter.h).
// Tombstones: a record without a value is passed to deleted(), under the same rules as a record to process():
// order, retries, dead letters, emits. A processor that does not override it passes the record over. When no
// processor of the application overrides it, tombstones are skipped by rule (engine_options::tombstones).
// Inputs: a processor reads the topics of `kafka.topics`, or those of the inputs that it declares (input.h).
// Threads: each worker has its own instance of every processor, which only that worker's thread uses.
// process() and deleted() run concurrently with themselves and each other at every co_await.
// Errors: an error of an attempt is classified by classify(), whose default is the product's table
// (stream::disposition_of()): retry, dead letter, or stop.
// Failure: an exception that leaves process(), before or after a wait, is the error errc::processor_threw of
// that attempt. The coroutine unwinds, nothing that it emitted is produced, and the attempt is retried within
// the bounds of `engine.retry`; then the record goes to the dead-letter topic with the name of the exception.
// Other records are not affected. Statements that were answered before have taken effect.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include <millrace/base/result.h>
#include <millrace/engine/filter.h>
#include <millrace/engine/input.h>
#include <millrace/engine/policy.h>
#include <millrace/engine/record.h>
#include <millrace/engine/value.h>
#include <millrace/runtime/task.h>
#include <millrace/stream/context.h>
#include <millrace/stream/outcome.h>

namespace millrace::engine {

// The part of a processor that does not depend on the struct that it reads.
class processor_base {
 public:
  processor_base() = default;
  processor_base(const processor_base&) = delete;
  processor_base& operator=(const processor_base&) = delete;
  virtual ~processor_base() = default;

  // The `processor` label of metrics and a header of dead-letter records. Unique within an application.
  // Default: the name of the class.
  [[nodiscard]] virtual std::string_view name() const { return class_name_; }

  // The identity of the struct that this processor reads, and its usual format.
  [[nodiscard]] virtual const value_format& read_format() const noexcept = 0;
  // The format that reads the struct from an encoding; nullptr when there is none.
  [[nodiscard]] virtual const value_format* read_format_as(value_encoding encoding) const {
    static_cast<void>(encoding);
    return &read_format();
  }
  // Calls process() on a record whose value is the struct of read_format().
  [[nodiscard]] virtual runtime::task<stream::outcome> run(held_record& held, stream::context ctx) = 0;
  // Works on a tombstone: the key of `subject` was deleted. The default skips it.
  virtual runtime::task<stream::outcome> deleted(deletion subject, stream::context ctx);

  // Chooses the reaction to an error of an attempt: one that process() or deleted() returned or ended with, an
  // exception (errc::processor_threw), an answer that was not looked at (errc::answer_ignored), or the end of
  // `engine.attempt_timeout` (errc::timed_out). The default is the product's table.
  //
  //   stream::reaction classify(const error& cause) const override {
  //     if (cause.code() == errc::db_unexpected_rows) return stream::reaction::skip;
  //     return processor_base::classify(cause);
  //   }
  //
  // Not called for an error of which stream::may_be_classified() is false: the engine stops. Not called for
  // emits: a record that the broker refuses for ever makes its record a dead letter, others are sent again.
  // A reaction `retry` is bounded like any other; an error of the database costs no attempt (retry_policy).
  // Failure: an exception that leaves classify() is counted and logged like one of process(), and the product's
  // table decides.
  [[nodiscard]] virtual stream::reaction classify(const error& cause) const;

  // Returns whether this processor wants a record, which is not decoded yet. Called once per record, before
  // decoding, for a processor that overrides it; the filters of the configuration are asked before. The answer must
  // depend on the record alone, so that a replay decides the same. See filter.h for what follows.
  //
  //   bool wants(const engine::raw_record& record) const override { return !record.header("x-test"); }
  //
  // Failure: an exception sends the record to the dead-letter topic (errc::processor_threw), for all processors.
  [[nodiscard]] virtual bool wants(const raw_record& record) const;

  // False: a tombstone need not be passed to deleted(); wants() need not be asked.
  [[nodiscard]] bool takes_deletions() const noexcept { return takes_deletions_; }
  [[nodiscard]] bool filters_records() const noexcept { return filters_records_; }

  // Sets the name of the class, and whether it overrides deleted() and wants(); make() does. A processor that another
  // factory makes takes deletions and is asked.
  void set_class_name(std::string name) { class_name_ = std::move(name); }
  void set_takes_deletions(bool takes) noexcept { takes_deletions_ = takes; }
  void set_filters_records(bool filters) noexcept { filters_records_ = filters; }

 private:
  std::string class_name_;
  bool takes_deletions_ = true;
  bool filters_records_ = true;
};

// The base class of a processor that reads T.
template <class T>
class processor : public processor_base {
 public:
  using value_type = T;

  virtual runtime::task<stream::outcome> process(record<T> subject, stream::context ctx) = 0;

  [[nodiscard]] const value_format& read_format() const noexcept final { return value_traits<T>::format(); }
  [[nodiscard]] const value_format* read_format_as(value_encoding encoding) const final {
    return format_as<T>(encoding);
  }
  [[nodiscard]] runtime::task<stream::outcome> run(held_record& held, stream::context ctx) final {
    return process(record<T>(held), ctx);
  }
};

// Makes one worker's instance. An exception that it throws prevents the start.
using processor_factory = std::function<std::unique_ptr<processor_base>()>;
// All processors of an application, in the order in which they start on a record.
using processor_set = std::vector<processor_factory>;

namespace internal {
// "example::enrich_visits" → "enrich_visits".
[[nodiscard]] std::string class_name(const std::type_info& type);

// Whether P or a base of it declares deleted(). One that is not public, or overloaded, cannot be named here.
template <class P>
[[nodiscard]] consteval bool overrides_deleted() {
  if constexpr (requires { &P::deleted; }) {
    return !std::is_same_v<decltype(&P::deleted), decltype(&processor_base::deleted)>;
  } else {
    return true;
  }
}

// The same of wants().
template <class P>
[[nodiscard]] consteval bool overrides_wants() {
  if constexpr (requires { &P::wants; }) {
    return !std::is_same_v<decltype(&P::wants), decltype(&processor_base::wants)>;
  } else {
    return true;
  }
}

// While an exception is caught: throws it again with the class whose constructor threw it, for build().
[[noreturn]] void throw_named(const std::type_info& type);
}  // namespace internal

// Returns a factory of P. `arguments` are copied and passed to the constructor of every instance.
template <class P, class... Arguments>
[[nodiscard]] processor_factory make(Arguments... arguments) {
  static_assert(std::is_base_of_v<processor_base, P>,
                "make<P>(): P is a class that derives from millrace::processor<T>");
  static_assert(
      !std::is_abstract_v<P>,
      "make<P>(): P does not define task<outcome> process(record<T>, context) override; both parameters "
      "are values");
  static_assert(
      std::is_abstract_v<P> || std::is_constructible_v<P, const Arguments&...>,
      "make<P>(arguments...): P has no public constructor for these arguments, of which every worker's "
      "instance gets a copy");
  return [... kept = std::move(arguments)]() -> std::unique_ptr<processor_base> {
    try {
      auto made = std::make_unique<P>(kept...);
      made->set_class_name(internal::class_name(typeid(P)));
      made->set_takes_deletions(internal::overrides_deleted<P>());
      made->set_filters_records(internal::overrides_wants<P>());
      return made;
    } catch (...) {
      internal::throw_named(typeid(P));
    }
  };
}

// One worker's processors, with the statements, inputs, outputs and metrics that they declared.
struct processors {
  std::vector<std::unique_ptr<processor_base>> all;
  // The inputs that each declared; none: it reads the input `default`. In the order of `all`.
  std::vector<std::vector<const input_base*>> inputs;
  statements::declarations declared;
  std::vector<bool> uses_database;  // declared a statement; in the order of `all`
  // The services that they declared, each name once, in the order of service_declaration::number(); and the numbers
  // of each processor's, in the order of `all`.
  std::vector<std::string> services;
  std::vector<std::vector<std::uint8_t>> uses_services;
  bool uses_write_time = false;  // a statement is declared with write_time::record

  // A processor overrides deleted().
  [[nodiscard]] bool take_deletions() const noexcept;
};

// Constructs every processor. Returns errc::config_invalid when there is none, when there are more than
// processors_max, when two have the same name, when two of one input read different structs that no record name
// distinguishes, when an input is not of the struct of its processor, when a metric breaks a rule
// (statement/metric.h), when a write that a repetition changes does not say so (statement/declarations.h), when the
// name of a service breaks its rule (statement/service.h), when there are more than services_max, and when a factory
// throws or returns nullptr.
inline constexpr std::size_t processors_max = 32;
inline constexpr std::size_t services_max = 32;
[[nodiscard]] result<processors> build(const processor_set& factories);
// The same without the processors of which a policy says that they are not enabled: they are constructed, asked for
// their names and destroyed, and what they declare is forgotten. Returns errc::config_invalid also when a policy names
// no processor, with the nearest name, when two policies have the same name, and when no processor is left.
[[nodiscard]] result<processors> build(const processor_set& factories,
                                       const std::vector<processor_policy>& policies);

}  // namespace millrace::engine
