#include <cstdint>
#include <memory>

#include <millrace/engine/raw_value.h>

namespace millrace::engine {
namespace {

class empty_plan final : public value_plan {};

// The number of bytes that continue a character which begins with `lead`; -1: it begins none.
int continuation_of(std::uint8_t lead) noexcept {
  if (lead < 0x80) return 0;
  if (lead >= 0xC2 && lead <= 0xDF) return 1;
  if (lead >= 0xE0 && lead <= 0xEF) return 2;
  return lead >= 0xF0 && lead <= 0xF4 ? 3 : -1;
}

// Excludes overlong forms, surrogates and what is beyond U+10FFFF by the second byte (RFC 3629).
bool may_follow(std::uint8_t lead, std::uint8_t second) noexcept {
  const std::uint8_t least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const std::uint8_t most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  return second >= least && second <= most;
}

bool is_utf8(bytes_view bytes) noexcept {
  for (std::size_t i = 0; i < bytes.size();) {
    const auto lead = std::to_integer<std::uint8_t>(bytes[i]);
    const int more = continuation_of(lead);
    if (more < 0 || bytes.size() - i <= static_cast<std::size_t>(more)) return false;
    for (int k = 1; k <= more; ++k) {
      const auto next = std::to_integer<std::uint8_t>(bytes[i + static_cast<std::size_t>(k)]);
      if (k == 1 ? !may_follow(lead, next) : next < 0x80 || next > 0xBF) return false;
    }
    i += 1 + static_cast<std::size_t>(more);
  }
  return true;
}

class bytes_slot final : public value_slot {
 public:
  [[nodiscard]] result<std::size_t> decode(const value_plan&, bytes_view body) override {
    value_ = body;
    return body.size();
  }
  [[nodiscard]] const void* value() const noexcept override { return &value_; }

 private:
  bytes_view value_;
};

class text_slot final : public value_slot {
 public:
  [[nodiscard]] result<std::size_t> decode(const value_plan&, bytes_view body) override {
    if (!is_utf8(body)) return error(errc::invalid_utf8, "the text is not UTF-8");
    value_ = as_text(body);
    return body.size();
  }
  [[nodiscard]] const void* value() const noexcept override { return &value_; }

 private:
  std::string_view value_;
};

template <class Slot>
class raw_format final : public value_format {
 public:
  explicit raw_format(std::string_view type_name) : type_name_(type_name) {}
  [[nodiscard]] std::string_view type_name() const noexcept override { return type_name_; }
  [[nodiscard]] std::unique_ptr<value_slot> make_slot() const override { return std::make_unique<Slot>(); }
  [[nodiscard]] result<std::shared_ptr<const value_plan>> compile(
      const stream::schema_document&) const override {
    return std::shared_ptr<const value_plan>(std::make_shared<empty_plan>());
  }

 private:
  std::string_view type_name_;
};

}  // namespace

std::string_view to_string(value_encoding encoding) noexcept {
  switch (encoding) {
    case value_encoding::avro:
      return "avro";
    case value_encoding::json:
      return "json";
    case value_encoding::bytes:
      return "bytes";
    case value_encoding::text:
      return "text";
  }
  return "avro";
}

const value_format& bytes_format() {
  static const raw_format<bytes_slot> instance("millrace::bytes_view");
  return instance;
}

const value_format& text_format() {
  static const raw_format<text_slot> instance("std::string_view");
  return instance;
}

}  // namespace millrace::engine
