// A record that a test reads as the struct that was emitted: emitted<T>() of processor_runner and of
// harness::application_runner.
//
// Example prelude:
//
//   #include <millrace/simulation/parcel.h>
//
// Example:
//
//   byte_buffer body;
//   if (const auto written = engine::value_traits<engine::parcel>::encode({7, "tea"}, body); !written) return written.error();
//   const auto read = simulation::decode_record<engine::parcel>("parcel", body);
//   if (!read) return read.error();
//   invariant((*read)->number == 7 && (*read)->word == "tea", "the value that was written");
//
// Threads: plain values.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <millrace/base/assert.h>
#include <millrace/base/bytes.h>
#include <millrace/base/result.h>
#include <millrace/base/values.h>
#include <millrace/engine/value.h>
#include <millrace/stream/schemas.h>

namespace millrace::simulation {

// A record with a value of type T. Copies share the value; the views inside it live as long as the last copy.
template <class T>
struct typed_record {
  std::optional<std::string> key = {};  // nullopt: null
  std::vector<std::pair<std::string, std::optional<std::string>>> headers = {};
  std::optional<timestamp> created = {};       // nullopt: the time at which it was produced
  std::optional<std::int32_t> partition = {};  // nullopt: the key decides
  std::shared_ptr<const T> value = {};         // nullptr: a tombstone

  // The value; a tombstone has none, which breaks an invariant.
  [[nodiscard]] const T& operator*() const {
    invariant(value != nullptr, "a tombstone has no value");
    return *value;
  }
  [[nodiscard]] const T* operator->() const { return &**this; }
  // The last header of that name; nullopt when it is absent or null.
  [[nodiscard]] std::optional<std::string> header(std::string_view name) const {
    std::optional<std::string> found;
    for (const auto& [each, text] : headers) {
      if (each == name) found = text;
    }
    return found;
  }
};

// Reads a value that was written with `writer_schema`, without the frame of a wire format. Errors: those of
// engine::value_format::compile() and value_slot::decode(); errc::trailing_bytes when bytes follow the value.
template <class T>
[[nodiscard]] result<std::shared_ptr<const T>> decode_record(std::string_view writer_schema,
                                                             bytes_view body) {
  struct kept {
    byte_buffer bytes;  // which the value views
    std::shared_ptr<const engine::value_plan> plan;
    std::unique_ptr<engine::value_slot> slot;
  };
  const engine::value_format& format = engine::value_traits<T>::format();
  const auto plan = format.compile({std::string(writer_schema), {}});
  if (!plan) return plan.error();
  auto memory =
      std::make_shared<kept>(kept{byte_buffer(body.begin(), body.end()), *plan, format.make_slot()});
  const auto consumed = memory->slot->decode(**plan, memory->bytes);
  if (!consumed) return consumed.error();
  if (*consumed != body.size()) return error(errc::trailing_bytes, "bytes follow the value");
  const T* const value = static_cast<const T*>(memory->slot->value());
  return std::shared_ptr<const T>(std::move(memory), value);
}

}  // namespace millrace::simulation
