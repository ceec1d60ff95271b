// A vocabulary for tests: schemas from text, data from parts, structs of one field.
#pragma once

#include <gtest/gtest.h>

#include <millrace/avro/json.h>
#include <millrace/avro/plan.h>

namespace millrace::avro {

[[nodiscard]] inline schema schema_from(std::string_view text, const parse_options& options = {}) {
  auto parsed = schema::parse(text, options);
  EXPECT_TRUE(parsed.ok()) << text << "\n" << (parsed ? "" : parsed.error().message());
  return std::move(parsed).value();
}

[[nodiscard]] inline byte_buffer hex(std::string_view text) { return from_hex(text).value(); }

// Avro's encodings, so that a case reads as what is on the wire.
[[nodiscard]] inline std::string varint(std::int64_t value) {
  std::string out;
  std::uint64_t rest = (static_cast<std::uint64_t>(value) << 1U) ^ static_cast<std::uint64_t>(value >> 63);
  for (; rest >= 0x80; rest >>= 7U) out.push_back(static_cast<char>(rest | 0x80U));
  out.push_back(static_cast<char>(rest));
  return out;
}
[[nodiscard]] inline std::string text(std::string_view value) {
  return varint(static_cast<std::int64_t>(value.size())) + std::string(value);
}
template <class T>
[[nodiscard]] std::string raw(T value) {
  std::string out(sizeof value, '\0');
  std::memcpy(out.data(), &value, sizeof value);
  return out;
}

// Decodes into a T; the message, the arena and the decoder live as long as the result.
template <class T>
struct decoded {
  std::string message;
  arena memory;
  std::optional<decoder<T>> plan;
  T value{};
  std::size_t used = 0;
  std::optional<error> failure;

  [[nodiscard]] errc code() const { return failure ? failure->code() : errc::internal; }
  [[nodiscard]] bool ok() const { return !failure.has_value(); }
  [[nodiscard]] std::string why() const { return failure ? failure->to_string() : "decoded"; }
};

// One exact heap copy of the message, so that a read past its end is seen by the sanitizer.
template <class T>
[[nodiscard]] std::unique_ptr<decoded<T>> decode_as(std::string_view writer, std::string message,
                                                    const plan_options& options = {},
                                                    const schema* reader = nullptr) {
  auto out = std::make_unique<decoded<T>>();
  out->message = std::move(message);
  out->message.shrink_to_fit();
  parse_options lenient;
  lenient.limits = options.limits;
  const schema from = schema_from(writer, lenient);
  auto compiled =
      reader != nullptr ? decoder<T>::compile(from, *reader, options) : decoder<T>::compile(from, options);
  if (!compiled) {
    out->failure = compiled.error();
    return out;
  }
  out->plan = *std::move(compiled);
  auto used = out->plan->decode(as_bytes(out->message), out->memory, out->value);
  if (used) {
    out->used = *used;
  } else {
    out->failure = used.error();
  }
  return out;
}
template <class T>
[[nodiscard]] std::unique_ptr<decoded<T>> resolve_as(std::string_view writer, std::string_view reader,
                                                     std::string message, const plan_options& options = {}) {
  const schema to = schema_from(reader);
  return decode_as<T>(writer, std::move(message), options, &to);
}

// The compile error of a pair that can never resolve.
template <class T>
[[nodiscard]] error refused_as(std::string_view writer, std::string_view reader,
                               const plan_options& options = {}) {
  auto compiled = decoder<T>::compile(schema_from(writer), schema_from(reader), options);
  EXPECT_FALSE(compiled.ok()) << writer << " → " << reader;
  return compiled ? error(errc::internal) : compiled.error();
}

[[nodiscard]] inline std::string string_of(const byte_buffer& bytes) { return std::string(as_text(bytes)); }

}  // namespace millrace::avro
