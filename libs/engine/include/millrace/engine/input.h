// input<T, K>: topics that a processor reads under one name, declared as a member. T is the struct of the values,
// the same as that of processor<T>; K is the type of the keys, and keys stay bytes without it.
//
// Example, at namespace scope:
//
//   #include <millrace/engine/processor.h>
//   #include <millrace/simulation/parcel.h>
//
//   class deliver final : public engine::processor<engine::parcel> {
//    public:
//     runtime::task<stream::outcome> process(engine::record<engine::parcel> parcel, stream::context) override {
//       const engine::parcel* address = parcels_.key(parcel);
//       if (address == nullptr) co_return stream::outcome::skipped("no address");
//       co_return stream::outcome::done();
//     }
//     runtime::task<stream::outcome> deleted(engine::deletion parcel, stream::context) override {
//       if (parcels_.key(parcel) == nullptr) co_return stream::outcome::skipped("no address");
//       co_return stream::outcome::done();
//     }
//
//    private:
//     engine::input<engine::parcel, engine::parcel> parcels_{"parcels"};
//   };
//
// The configuration names the topics and the format of each input (`inputs`). Several processors may read one
// input, and one processor several: it declares a member for each. A record is decoded once for all processors of
// its topic. The inputs of one processor have one K. A processor that declares no input reads the input `default`,
// whose topics are `kafka.topics`.
//
// Threads: the worker's thread. A declaration is constructed with its processor.
// Errors: what does not fit, such as an input without topics, prevents the start (input_options.h).
#pragma once

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <millrace/engine/record.h>
#include <millrace/engine/value.h>
#include <millrace/statement/declarations.h>

namespace millrace::engine {

// The part of an input that does not depend on its types.
class input_base : public statements::input_declaration {
 public:
  // The identity of the type of the values.
  [[nodiscard]] virtual const value_format& value_type() const noexcept = 0;
  // The identity of the type of the keys; nullptr: they stay bytes.
  [[nodiscard]] virtual const value_format* key_type() const noexcept = 0;
  // The format that reads the keys from an encoding; nullptr when there is none. Has a key_type().
  [[nodiscard]] virtual const value_format* key_as(value_encoding encoding) const = 0;

 protected:
  using input_declaration::input_declaration;
  ~input_base() override = default;
};

template <class T, class K = void>
class input final : public input_base {
 public:
  // `name` is the name of the input in the configuration.
  explicit input(std::string name) : input_base(std::move(name)) {}

  // Returns the key of a record, or of a deletion, of this processor; nullptr: the key is null. It lives as long as
  // the handle.
  [[nodiscard]] const K* key(const record_handle& subject) const noexcept
    requires(!std::is_void_v<K>)
  {
    return static_cast<const K*>(subject.decoded_key());
  }

  [[nodiscard]] const value_format& value_type() const noexcept override { return value_traits<T>::format(); }
  [[nodiscard]] const value_format* key_type() const noexcept override {
    if constexpr (std::is_void_v<K>) {
      return nullptr;
    } else {
      return &value_traits<K>::format();
    }
  }
  [[nodiscard]] const value_format* key_as(value_encoding encoding) const override {
    if constexpr (std::is_void_v<K>) {
      static_cast<void>(encoding);
      return nullptr;
    } else {
      return format_as<K>(encoding);
    }
  }
};

}  // namespace millrace::engine
