// output<T>: a topic that a processor produces to, declared as a member. A value leaves in the Confluent wire
// format, with the id under which its schema was registered at start-up. The key is text or bytes; that of
// output<T, K> is a K, which leaves in the same format under a schema of its own.
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
//       ctx.emit(by_parcel_, *parcel, *parcel);  // a typed key
//       co_return stream::outcome::done();
//     }
//
//    private:
//     engine::output<engine::parcel> forwarded_{"forwarded"};
//     engine::output<engine::parcel, engine::parcel> by_parcel_{"by-parcel"};
//   };
//
// Threads: the worker's thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <millrace/avro/framing.h>
#include <millrace/base/bytes.h>
#include <millrace/engine/value.h>
#include <millrace/stream/context.h>

namespace millrace::engine {

// The keys of an output: text or bytes, which need nothing, or a type of their own.
template <class K>
class output_keys : public statements::output_declaration {
 public:
  using key_type = K;

  // Encodes a key with its frame. The view is valid until the next call.
  // Errors: those of value_traits<K>::encode(), for a key that the schema cannot hold.
  [[nodiscard]] result<bytes_view> encode_key(const K& key) const {
    encoded_.clear();
    if (key_schema_id() >= 0) avro::append_frame(key_schema_id(), encoded_);
    if (auto done = value_traits<K>::encode(key, encoded_); !done) return done.error();
    return bytes_view(encoded_);
  }
  [[nodiscard]] std::string_view key_schema_text() const noexcept override {
    return value_traits<K>::schema_text();
  }

 protected:
  using output_declaration::output_declaration;
  ~output_keys() = default;

 private:
  mutable byte_buffer encoded_;  // reused
};
template <>
class output_keys<void> : public statements::output_declaration {
 protected:
  using output_declaration::output_declaration;
  ~output_keys() = default;
};

// The typed form of statements::output_declaration.
template <class T, class K = void>
class output final : public output_keys<K> {
 public:
  using value_type = T;

  // `name` is the topic, unless the configuration maps it to another.
  explicit output(std::string name) : output_keys<K>(std::move(name)) {}

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
