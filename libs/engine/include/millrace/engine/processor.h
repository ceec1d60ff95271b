// What the user writes: a processor, and the list of them that an application runs.
//
//   class enrich_visits final : public engine::processor<tracking::navigation> {
//     runtime::task<stream::outcome> process(engine::record<tracking::navigation> nav,
//                                            stream::context ctx) override { ... co_return
//                                            stream::outcome::done(); }
//   };
//   engine::processor_set all{engine::make<enrich_visits>(), engine::make<last_seen>()};
//
// Each worker has its own instance of every processor, touched by that worker's thread only; process() runs
// concurrently with itself at every co_await. Returning an error leaves the decision to the engine: retry,
// dead letter, or stop (stream::disposition_of).
//
// An exception that leaves process(), before or after a wait, is the error errc::processor_threw of that
// attempt: the coroutine unwinds, nothing that it emitted is produced, the attempt is retried within the
// bounds of engine.retry, and then the record is a dead letter that names the exception. Other records do not
// notice. Statements that were answered before have taken place.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include <millrace/base/result.h>
#include <millrace/engine/record.h>
#include <millrace/engine/value.h>
#include <millrace/runtime/task.h>
#include <millrace/stream/context.h>
#include <millrace/stream/outcome.h>

namespace millrace::engine {

class processor_base {
 public:
  processor_base() = default;
  processor_base(const processor_base&) = delete;
  processor_base& operator=(const processor_base&) = delete;
  virtual ~processor_base() = default;

  // The `processor` label of metrics and the header of dead letters; unique within an application. Default:
  // the class name.
  [[nodiscard]] virtual std::string_view name() const { return class_name_; }

  // Of the struct this processor reads.
  [[nodiscard]] virtual const value_format& input() const noexcept = 0;
  // Calls process() on a record whose value is of input().
  [[nodiscard]] virtual runtime::task<stream::outcome> run(held_record& held, stream::context ctx) = 0;

  void set_class_name(std::string name) { class_name_ = std::move(name); }

 private:
  std::string class_name_;
};

template <class T>
class processor : public processor_base {
 public:
  using value_type = T;

  virtual runtime::task<stream::outcome> process(record<T> subject, stream::context ctx) = 0;

  [[nodiscard]] const value_format& input() const noexcept final { return value_traits<T>::format(); }
  [[nodiscard]] runtime::task<stream::outcome> run(held_record& held, stream::context ctx) final {
    return process(record<T>(held), ctx);
  }
};

// Makes one worker's instance. May throw: the application does not start then.
using processor_factory = std::function<std::unique_ptr<processor_base>()>;
// All processors of an application, in the order in which they start on a record.
using processor_set = std::vector<processor_factory>;

namespace internal {
// "example::enrich_visits" → "enrich_visits".
[[nodiscard]] std::string class_name(const std::type_info& type);

// While an exception is caught: throws it again with the class whose constructor threw it, for build().
[[noreturn]] void throw_named(const std::type_info& type);
}  // namespace internal

// `arguments` are copied, and given to the constructor of every instance.
template <class P, class... Arguments>
[[nodiscard]] processor_factory make(Arguments... arguments) {
  static_assert(std::is_base_of_v<processor_base, P>, "P is a engine::processor<T>");
  return [... kept = std::move(arguments)]() -> std::unique_ptr<processor_base> {
    try {
      auto made = std::make_unique<P>(kept...);
      made->set_class_name(internal::class_name(typeid(P)));
      return made;
    } catch (...) {
      internal::throw_named(typeid(P));
    }
  };
}

// One worker's processors, with the statements and outputs they declared.
struct processors {
  std::vector<std::unique_ptr<processor_base>> all;
  statements::declarations declared;
  std::vector<bool> uses_database;  // declared a statement; as `all`
  bool uses_write_time = false;     // a statement is declared with write_time::record
};

// Constructs every processor. errc::config_invalid when there is none, more than processors_max, two share a
// name, they read different structs, or a factory throws or makes none.
inline constexpr std::size_t processors_max = 32;
[[nodiscard]] result<processors> build(const processor_set& factories);

}  // namespace millrace::engine
