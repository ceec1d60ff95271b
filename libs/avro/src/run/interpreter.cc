// The loop that runs a plan. One function, so that the position in the message, the current base and the
// current operation stay in registers; computed goto, because each operation then predicts its own successor
// (measured: 12 to 26 % over a switch). This file alone is compiled at -O3.
#include <algorithm>
#include <new>
#include <optional>
#include <string>
#include <string_view>

#include "plan/code.h"
#include "plan/steps.h"
#include "run/steps.h"
#include "run/utf8.h"
#include "run/uuid_text.h"
#include "run/wire_read.h"

namespace millrace::avro {

const char* why_bad_varint(const std::uint8_t* p, const std::uint8_t* end, bool strict) noexcept {
  for (int i = 0; i < 10; ++i, ++p) {
    if (p == end) return why_truncated;
    if (*p < 0x80) return strict && *p == 0 ? why_padded_varint : why_long_varint;
  }
  return why_long_varint;
}

#if defined(__GNUC__) && !defined(__clang__)
[[gnu::optimize("no-crossjumping")]]  // which merges the tails of operations, at the cost of a jump for each
#endif
std::size_t
run(const plan_code& code, bytes_view in, arena& memory, void* out, fault& failed) {
  static const void* const labels[] = {
#define MILLRACE_AVRO_LABEL(name) &&do_##name,
      MILLRACE_AVRO_OPCODES(MILLRACE_AVRO_LABEL)
#undef MILLRACE_AVRO_LABEL
  };
  const auto* const begin = reinterpret_cast<const std::uint8_t*>(in.data());
  const std::uint8_t* p = begin;
  const std::uint8_t* low = begin;  // first byte that may be read
  const std::uint8_t* end = begin + in.size();
  const std::uint8_t* roomy =
      in.size() > roomy_bytes ? end - roomy_bytes : begin;  // before it: room to look ahead
  const std::uint8_t* message_p = nullptr;                  // kept while a default is decoded
  const std::uint8_t* message_end = nullptr;
  auto* base = static_cast<std::byte*>(out);
  const op* const ops = code.ops.data();
  const op* pc = ops;
  const loop* const loops = code.loops.data();
  const std::int32_t* const symbols = code.symbols.data();
  const branch_target* const branches = code.branches.data();
  const bool strict = code.options.strict;
  const bool validate = code.options.validate_utf8;
  const limits& limit = code.options.limits;
  auto zero_bytes_left = limit.zero_byte_items_max;
  auto output_left = static_cast<std::int64_t>(
      std::min<std::uint64_t>(limit.output_bytes_base + limit.output_bytes_per_byte * in.size(), INT64_MAX));
  __attribute__((uninitialized)) frame frames[frames_max];  // 8 KiB that most records never touch
  frame* top = frames;
  const frame* const frames_end = frames + std::min(limit.depth_max, frames_max);
  errc failed_code = errc::malformed;
  const char* why = nullptr;
  const loop* lp = nullptr;
  frame* f = nullptr;

  DISPATCH();

  CASE(end) : return static_cast<std::size_t>(p - begin);
  CASE(ret) : {
    const frame& from = *--top;
    base = from.base;
    pc = from.resume;
    DISPATCH();
  }
  CASE(jump) : {
    pc = ops + pc->a;
    DISPATCH();
  }
  CASE(call) : {
    PUSH(record);
    record->resume = pc + 1;
    base += pc->dst;
    pc = ops + pc->a;
    DISPATCH();
  }
  CASE(point) : {
    const point_target& target = code.points[pc->b];
    CHARGE(target.size);
    void* const object = memory.allocate(target.size, target.align);
    if (object == nullptr) FAIL(errc::limit_exceeded, why_too_large);
    if (target.operations != nullptr) target.operations->construct(object, 1);
    store(base + pc->dst, object);
    PUSH(record);
    record->resume = pc + 1;
    base = static_cast<std::byte*>(object);
    pc = ops + pc->a;
    DISPATCH();
  }
  CASE(unresolvable) : FAIL(errc::unresolvable, why_no_branch);
  CASE(null_pointer) : {
    store<const void*>(base + pc->dst, nullptr);
    NEXT();
  }
  CASE(set_tag) : {
    base[pc->dst] = static_cast<std::byte>(pc->a);
    NEXT();
  }
  CASE(emplace) : {
    code.types[pc->b]->operations.emplace(base + pc->dst, pc->a);
    NEXT();
  }
  CASE(constant) : {
    std::memcpy(base + pc->dst, code.images[pc->a], pc->b);
    NEXT();
  }
  CASE(enter_default) : {
    message_p = p;
    message_end = end;
    const bytes_view value = code.defaults[pc->a];
    p = reinterpret_cast<const std::uint8_t*>(value.data());
    low = p;
    end = p + value.size();
    roomy = p;
    NEXT();
  }
  CASE(leave_default) : {
    p = message_p;
    low = begin;
    end = message_end;
    roomy = in.size() > roomy_bytes ? end - roomy_bytes : begin;
    NEXT();
  }

  CASE(boolean) : {
    NEED(1);
    if (*p > 1) [[unlikely]]
      FAIL(errc::malformed, why_bad_boolean);
    base[pc->dst] = static_cast<std::byte>(*p++);
    NEXT();
  }
  CASE(int32) : {
    if (p < roomy && (p[0] & p[1]) >= 0x80) {
      const short_number number = read_short_number(p, strict);
      if (number.bytes - 1 < 5 && number.value <= UINT32_MAX) [[likely]] {
        store(base + pc->dst, static_cast<std::int32_t>(zigzag(number.value)));
        ADVANCE(number.bytes);
        NEXT();
      }
    }
    READ_INT(value);
    store(base + pc->dst, value);
    NEXT();
  }
  CASE(int64) : {
    if (p < roomy && *p >= 0x80) {
      const short_number number = read_short_number(p, strict);
      if (number.bytes != 0) [[likely]] {
        store(base + pc->dst, zigzag(number.value));
        ADVANCE(number.bytes);
        NEXT();
      }
    }
    READ_VARINT(raw);
    store(base + pc->dst, zigzag(raw));
    NEXT();
  }
  CASE(int32_to_int64) : {
    READ_INT(value);
    store(base + pc->dst, static_cast<std::int64_t>(value));
    NEXT();
  }
  CASE(int32_to_float32) : {
    READ_INT(value);
    store(base + pc->dst, static_cast<float>(value));
    NEXT();
  }
  CASE(int32_to_float64) : {
    READ_INT(value);
    store(base + pc->dst, static_cast<double>(value));
    NEXT();
  }
  CASE(int64_to_float32) : {
    READ_VARINT(raw);
    store(base + pc->dst, static_cast<float>(zigzag(raw)));
    NEXT();
  }
  CASE(int64_to_float64) : {
    READ_VARINT(raw);
    store(base + pc->dst, static_cast<double>(zigzag(raw)));
    NEXT();
  }
  CASE(float32) : {
    NEED(4);
    std::memcpy(base + pc->dst, p, 4);
    p += 4;
    NEXT();
  }
  CASE(float64) : {
    NEED(8);
    std::memcpy(base + pc->dst, p, 8);
    p += 8;
    NEXT();
  }
  CASE(float32_to_float64) : {
    NEED(4);
    store(base + pc->dst, static_cast<double>(load<float>(p)));
    p += 4;
    NEXT();
  }
  CASE(string) : {
  any_string:
    if (p < roomy) [[likely]] {
      const std::uint64_t size = short_count(p[0]);
      if (size <= short_text_bytes) [[likely]] {
        const std::uint8_t* const text = p + 1;
        if (!short_text_starts_ascii(text, size) && !is_utf8_slow(text, size)) [[unlikely]]
          FAIL(errc::invalid_utf8, why_no_utf8);
        new (base + pc->dst) std::string_view(reinterpret_cast<const char*>(text), size);
        p = text + size;
        NEXT();
      }
    }
    READ_LENGTH(size);
    CHECK_TEXT(p, size);
    new (base + pc->dst) std::string_view(reinterpret_cast<const char*>(p), size);
    p += size;
    NEXT();
  }
  CASE(string_unchecked) : {
    READ_LENGTH(size);
    new (base + pc->dst) std::string_view(reinterpret_cast<const char*>(p), size);
    p += size;
    NEXT();
  }
  CASE(bytes) : {
    READ_LENGTH(size);
    new (base + pc->dst) bytes_view(reinterpret_cast<const std::byte*>(p), size);
    p += size;
    NEXT();
  }
  CASE(owned_string) : {
    READ_OWNED_TEXT(*reinterpret_cast<std::string*>(base + pc->dst), true);
    NEXT();
  }
  CASE(owned_string_unchecked) : {
    READ_OWNED_TEXT(*reinterpret_cast<std::string*>(base + pc->dst), false);
    NEXT();
  }
  CASE(owned_bytes) : {
    READ_LENGTH(size);
    CHARGE(size);
    const auto* bytes = reinterpret_cast<const std::byte*>(p);
    reinterpret_cast<byte_buffer*>(base + pc->dst)->assign(bytes, bytes + size);
    p += size;
    NEXT();
  }
  CASE(fixed) : {
    NEED(pc->a);
    if (pc->a == 16) {  // without a call: UUIDs, addresses, hashes
      std::memcpy(base + pc->dst, p, 16);
    } else {
      std::memcpy(base + pc->dst, p, pc->a);
    }
    p += pc->a;
    NEXT();
  }
  CASE(uuid_text) : {
    READ_LENGTH(size);
    if (size != uuid_text_bytes || !parse_uuid(p, base + pc->dst)) [[unlikely]]
      FAIL(errc::malformed, why_bad_uuid);
    p += uuid_text_bytes;
    NEXT();
  }
  CASE(decimal) : {
    READ_LENGTH(size);
    store_decimal(base + pc->dst, p, size, static_cast<std::int32_t>(pc->b));
    p += size;
    NEXT();
  }
  CASE(decimal_fixed) : {
    NEED(pc->a);
    store_decimal(base + pc->dst, p, pc->a, static_cast<std::int32_t>(pc->b));
    p += pc->a;
    NEXT();
  }
  CASE(big_decimal) : {
    READ_LENGTH(outer);
    const std::uint8_t* const outer_end = p + outer;
    READ_LENGTH(size);
    if (p + size > outer_end) [[unlikely]]
      FAIL(errc::malformed, why_bad_decimal);
    const std::uint8_t* const digits = p;
    p += size;
    READ_INT(scale);
    if (p != outer_end) [[unlikely]]
      FAIL(errc::malformed, why_bad_decimal);
    store_decimal(base + pc->dst, digits, size, scale);
    NEXT();
  }
  CASE(enum8) : {
    READ_INDEX(index, pc->b, why_bad_symbol);
    const std::int32_t value = symbols[pc->a + index];
    if (value == no_symbol) [[unlikely]]
      FAIL(errc::unresolvable, why_no_symbol);
    store(base + pc->dst, static_cast<std::uint8_t>(value));
    NEXT();
  }
  CASE(enum16) : {
    READ_INDEX(index, pc->b, why_bad_symbol);
    const std::int32_t value = symbols[pc->a + index];
    if (value == no_symbol) [[unlikely]]
      FAIL(errc::unresolvable, why_no_symbol);
    store(base + pc->dst, static_cast<std::uint16_t>(value));
    NEXT();
  }
  CASE(enum32) : {
    READ_INDEX(index, pc->b, why_bad_symbol);
    const std::int32_t value = symbols[pc->a + index];
    if (value == no_symbol) [[unlikely]]
      FAIL(errc::unresolvable, why_no_symbol);
    store(base + pc->dst, value);
    NEXT();
  }

#include "run/collections.h"
#include "run/skips.h"
#include "run/unions.h"

  CASE(set_type) : {
    store(base + pc->dst, code.nodes[pc->a]);
    NEXT();
  }
  CASE(fixed_view) : {
    NEED(pc->a);
    new (base + pc->dst) bytes_view(reinterpret_cast<const std::byte*>(p), pc->a);
    p += pc->a;
    NEXT();
  }
  CASE(record_open) : {
    PUSH(opened);
    CHARGE(code.points[pc->b].size);
    base = open_record(code.points[pc->b], memory, base + pc->dst);
    if (base == nullptr) FAIL(errc::limit_exceeded, why_too_large);
    NEXT();
  }
  CASE(record_close) : {
    base = (--top)->base;
    NEXT();
  }
  CASE(record_call) : {
    PUSH(record);
    record->resume = pc + 1;
    CHARGE(code.points[pc->b].size);
    base = open_record(code.points[pc->b], memory, base + pc->dst);
    if (base == nullptr) FAIL(errc::limit_exceeded, why_too_large);
    pc = ops + pc->a;
    DISPATCH();
  }
  CASE(raw_bytes) : {
    CHARGE(end - p);
    if (!take_raw(*pc, p, end, base + pc->dst)) [[unlikely]]
      FAIL(errc::invalid_utf8, why_no_utf8);
    p = end;
    NEXT();
  }

bad_varint:
  why = why_bad_varint(p, end, strict);
  failed_code = code_of(why);
fail:
  failed.code = failed_code;
  failed.why = why;
  failed.offset =
      static_cast<std::size_t>((message_p != nullptr && end != begin + in.size() ? message_p : p) - begin);
  failed.pc = static_cast<std::uint32_t>(pc - ops);
  return 0;
}

}  // namespace millrace::avro
