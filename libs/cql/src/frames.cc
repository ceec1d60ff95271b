#include "frames.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include <millrace/base/assert.h>
#include <millrace/cql/cell.h>

namespace millrace::cql::frames {
namespace {

constexpr std::uint8_t version_request = 0x04;

// Flags of a frame, section 2.2.
constexpr std::uint8_t flag_tracing = 0x02;

// Flags of an execution, section 4.1.4.
constexpr std::uint8_t with_values = 0x01;
constexpr std::uint8_t without_metadata = 0x02;
constexpr std::uint8_t with_page_size = 0x04;
constexpr std::uint8_t with_paging_state = 0x08;
constexpr std::uint8_t with_serial_consistency = 0x10;
constexpr std::uint8_t with_timestamp = 0x20;

// Section 4.1.7.
constexpr std::uint8_t batch_logged = 0;
constexpr std::uint8_t batch_unlogged = 1;
constexpr std::uint8_t batch_prepared = 1;

constexpr std::uint16_t consistency_one = 1;

// Appends to a buffer without clearing the room before it is written. Small parts are gathered on the stack,
// so that a usual execution is appended in two or three pieces.
class writer {
 public:
  // Begins a frame.
  writer(byte_buffer& to, std::int16_t stream, opcode what, std::size_t body_bytes, std::uint8_t flags = 0)
      : to_(to) {
    invariant(body_bytes <= std::size_t{body_bytes_max}, "a request is not larger than a frame can be");
    const std::size_t after = to.size() + header_bytes + body_bytes;
    if (after > to.capacity()) to.reserve(std::max(after, 2 * to.capacity()));
    number(version_request);
    number(flags);
    number(stream);
    number(static_cast<std::uint8_t>(what));
    number(static_cast<std::int32_t>(body_bytes));
  }
  writer(const writer&) = delete;
  writer& operator=(const writer&) = delete;
  ~writer() { flush(); }

  template <typename T>
  void number(T value) {
    if (sizeof(T) > near_.size() - used_) flush();
    cql::internal::put_number(near_.data() + used_, value);
    used_ += sizeof(T);
  }
  void raw(bytes_view bytes) {
    if (bytes.size() > near_.size() - used_) {
      flush();
      to_.insert(to_.end(), bytes.begin(), bytes.end());
    } else if (!bytes.empty()) {
      std::memcpy(near_.data() + used_, bytes.data(), bytes.size());
      used_ += bytes.size();
    }
  }
  void short_bytes(bytes_view bytes) {
    invariant(bytes.size() <= std::numeric_limits<std::uint16_t>::max(), "its length has 16 bits");
    number(static_cast<std::uint16_t>(bytes.size()));
    raw(bytes);
  }
  void long_bytes(bytes_view bytes) {
    number(static_cast<std::int32_t>(bytes.size()));
    raw(bytes);
  }
  void string(std::string_view text) { short_bytes(as_bytes(text)); }

 private:
  void flush() {
    to_.insert(to_.end(), near_.begin(), near_.begin() + static_cast<std::ptrdiff_t>(used_));
    used_ = 0;
  }

  byte_buffer& to_;
  std::size_t used_ = 0;
  // Holds what is before the values of a usual execution. Small: the build clears what is on the stack.
  std::array<std::byte, 64> near_;
};

std::size_t body_of(const execution& what) noexcept {
  std::size_t size = sizeof(std::uint16_t) + what.id.size() + sizeof(what.consistency) + sizeof(std::uint8_t);
  if (what.metadata_id) size += sizeof(std::uint16_t) + what.metadata_id->size();
  if (what.value_count > 0) size += sizeof(what.value_count) + what.values.size();
  if (what.page_rows > 0) size += sizeof(what.page_rows);
  if (!what.paging_state.empty()) size += sizeof(std::int32_t) + what.paging_state.size();
  if (what.serial_consistency != 0) size += sizeof(what.serial_consistency);
  if (what.timestamp_us) size += sizeof(std::int64_t);
  return size;
}

std::uint8_t flags_of(const execution& what) noexcept {
  unsigned flags = 0;
  if (what.value_count > 0) flags |= with_values;
  if (!what.with_columns) flags |= without_metadata;
  if (what.page_rows > 0) flags |= with_page_size;
  if (!what.paging_state.empty()) flags |= with_paging_state;
  if (what.serial_consistency != 0) flags |= with_serial_consistency;
  if (what.timestamp_us) flags |= with_timestamp;
  return static_cast<std::uint8_t>(flags);
}

std::size_t body_of(const batch& what) noexcept {
  std::size_t size = sizeof(batch_unlogged) + sizeof(std::uint16_t) + sizeof(what.consistency) + 1;
  for (const batch_part& part : what.parts) {
    size += sizeof(batch_prepared) + sizeof(std::uint16_t) + part.id.size() + sizeof(part.value_count) +
            part.values.size();
  }
  if (what.serial_consistency != 0) size += sizeof(what.serial_consistency);
  if (what.timestamp_us) size += sizeof(std::int64_t);
  return size;
}

}  // namespace

header read_header(bytes_view from) noexcept {
  using cql::internal::number_at;
  return {.version = number_at<std::uint8_t>(from.data()),
          .flags = number_at<std::uint8_t>(from.data() + 1),
          .stream = number_at<std::int16_t>(from.data() + 2),
          .opcode = number_at<std::uint8_t>(from.data() + 4),
          .body_bytes = number_at<std::int32_t>(from.data() + 5)};
}

std::string_view consistency_name(std::uint16_t number) noexcept {
  return number < consistencies.size() ? consistencies[number] : "unknown";
}

void append_options(byte_buffer& to, std::int16_t stream) { writer(to, stream, opcode::options, 0); }

void append_startup(byte_buffer& to, std::int16_t stream,
                    const std::vector<std::pair<std::string, std::string>>& options) {
  std::size_t size = sizeof(std::uint16_t);
  for (const auto& [name, value] : options) size += 2 * sizeof(std::uint16_t) + name.size() + value.size();
  writer out(to, stream, opcode::startup, size);
  out.number(static_cast<std::uint16_t>(options.size()));
  for (const auto& [name, value] : options) {
    out.string(name);
    out.string(value);
  }
}

void append_credentials(byte_buffer& to, std::int16_t stream, std::string_view user,
                        std::string_view password) {
  const std::size_t size = user.size() + password.size() + 2;
  writer out(to, stream, opcode::auth_response, sizeof(std::int32_t) + size);
  out.number(static_cast<std::int32_t>(size));
  out.number(std::uint8_t{0});
  out.raw(as_bytes(user));
  out.number(std::uint8_t{0});
  out.raw(as_bytes(password));
}

void append_query(byte_buffer& to, std::int16_t stream, std::string_view text) {
  writer out(to, stream, opcode::query,
             sizeof(std::int32_t) + text.size() + sizeof(consistency_one) + sizeof(std::uint8_t));
  out.long_bytes(as_bytes(text));
  out.number(consistency_one);
  out.number(std::uint8_t{0});
}

void append_prepare(byte_buffer& to, std::int16_t stream, std::string_view text) {
  writer out(to, stream, opcode::prepare, sizeof(std::int32_t) + text.size());
  out.long_bytes(as_bytes(text));
}

void append_register(byte_buffer& to, std::int16_t stream) {
  constexpr std::string_view schema = "SCHEMA_CHANGE";
  writer out(to, stream, opcode::register_events, 2 * sizeof(std::uint16_t) + schema.size());
  out.number(std::uint16_t{1});
  out.string(schema);
}

void append_execute(byte_buffer& to, std::int16_t stream, const execution& what) {
  writer out(to, stream, opcode::execute, body_of(what), what.traced ? flag_tracing : std::uint8_t{0});
  out.short_bytes(what.id);
  if (what.metadata_id) out.short_bytes(*what.metadata_id);
  out.number(what.consistency);
  out.number(flags_of(what));
  if (what.value_count > 0) {
    out.number(what.value_count);
    out.raw(what.values);
  }
  if (what.page_rows > 0) out.number(what.page_rows);
  if (!what.paging_state.empty()) out.long_bytes(what.paging_state);
  if (what.serial_consistency != 0) out.number(what.serial_consistency);
  if (what.timestamp_us) out.number(*what.timestamp_us);
}

std::size_t size_of(const execution& what) noexcept { return header_bytes + body_of(what); }

void append_batch(byte_buffer& to, std::int16_t stream, const batch& what) {
  invariant(what.parts.size() <= std::numeric_limits<std::uint16_t>::max(), "their count has 16 bits");
  writer out(to, stream, opcode::batch, body_of(what), what.traced ? flag_tracing : std::uint8_t{0});
  out.number(what.logged ? batch_logged : batch_unlogged);
  out.number(static_cast<std::uint16_t>(what.parts.size()));
  for (const batch_part& part : what.parts) {
    out.number(batch_prepared);
    out.short_bytes(part.id);
    out.number(part.value_count);
    out.raw(part.values);
  }
  out.number(what.consistency);
  unsigned flags = 0;
  if (what.serial_consistency != 0) flags |= with_serial_consistency;
  if (what.timestamp_us) flags |= with_timestamp;
  out.number(static_cast<std::uint8_t>(flags));
  if (what.serial_consistency != 0) out.number(what.serial_consistency);
  if (what.timestamp_us) out.number(*what.timestamp_us);
}

std::size_t size_of(const batch& what) noexcept { return header_bytes + body_of(what); }

}  // namespace millrace::cql::frames
