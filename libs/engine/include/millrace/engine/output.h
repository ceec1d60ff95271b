// output<T>: a topic that a processor produces to, declared as a member. A value leaves in the Confluent wire
// format, with the id under which its schema was registered at start-up.
//
// Example, at namespace scope:
//
//   #include <millrace/engine/processor.h>
//   #include <millrace/simulation/parcel.h>
//
//   class forward final : public engine::processor<engine::parcel> {
//    public:
//     runtime::task<stream::outcome> process(engine::record<engine::parcel> parcel, stream::context ctx) override {
//       ctx.emit(forwarded_, "key", *parcel);
//       co_return stream::outcome::done();
//     }
//
//    private:
//     engine::output<engine::parcel> forwarded_{"forwarded"};
//   };
//
// Threads: the worker's thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <millrace/base/bytes.h>
#include <millrace/engine/value.h>
#include <millrace/stream/context.h>

namespace millrace::engine {

// The typed form of statements::output_declaration.
template <class T>
class output final : public statements::output_declaration {
 public:
  using value_type = T;

  // `name` is the topic, unless the configuration maps it to another.
  explicit output(std::string name) : output_declaration(std::move(name)) {}

  // Appends the encoding of `value`.
  // Errors: those of value_traits<T>::encode(), for a value that the schema cannot hold.
  [[nodiscard]] result<void> encode(const T& value, byte_buffer& into) const {
    return value_traits<T>::encode(value, into);
  }
  [[nodiscard]] std::string_view schema_text() const noexcept override {
    return value_traits<T>::schema_text();
  }
};

}  // namespace millrace::engine
