// output<T>: a topic that a processor produces to, declared as a member and used as
// `ctx.emit(enriched_, key, value)`. The value leaves in Confluent wire format with the id under which its
// schema was registered at start-up.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <millrace/base/bytes.h>
#include <millrace/engine/value.h>
#include <millrace/stream/context.h>

namespace millrace::engine {

template <class T>
class output final : public statements::output_declaration {
 public:
  using value_type = T;

  // `name` is the topic, unless the configuration maps it to another.
  explicit output(std::string name) : output_declaration(std::move(name)) {}

  // Appends the encoding of `value`; the error of a value that its schema cannot hold.
  [[nodiscard]] result<void> encode(const T& value, byte_buffer& into) const {
    return value_traits<T>::encode(value, into);
  }
  [[nodiscard]] std::string_view schema_text() const noexcept override {
    return value_traits<T>::schema_text();
  }
};

}  // namespace millrace::engine
