// The loop that runs a plan. One function, so that the position in the message, the current base and the
// current operation stay in registers; computed goto, because each operation then predicts its own successor
// (measured: 12 to 26 % over a switch). This file alone is compiled at -O3.
#include <algorithm>
#include <new>
#include <string_view>

#include "plan_code.h"
#include "plan_steps.h"
#include "run_steps.h"
#include "utf8.h"
#include "uuid_text.h"
#include "wire_read.h"

namespace millrace::avro {

const char* why_bad_varint(const std::uint8_t* p, const std::uint8_t* end, bool strict) noexcept {
  for (int i = 0; i < 10; ++i, ++p) {
    if (p == end) return why_truncated;
    if (*p < 0x80) return strict && *p == 0 ? why_padded_varint : why_long_varint;
  }
  return why_long_varint;
}

std::size_t run(const plan_code& code, bytes_view in, arena& memory, void* out, fault& failed) {
  static const void* const labels[] = {
#define MILLRACE_AVRO_LABEL(name) &&do_##name,
      MILLRACE_AVRO_OPCODES(MILLRACE_AVRO_LABEL)
#undef MILLRACE_AVRO_LABEL
  };
  const auto* const begin = reinterpret_cast<const std::uint8_t*>(in.data());
  const std::uint8_t* p = begin;
  const std::uint8_t* low = begin;  // first byte that may be read
  const std::uint8_t* end = begin + in.size();
  const std::uint8_t* roomy = in.size() > roomy_bytes ? end - roomy_bytes : begin;  // before it: room to look ahead
  const std::uint8_t* message_p = nullptr;  // kept while a default is decoded
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
    READ_LENGTH(size);
    CHECK_TEXT(p, size);
    CHARGE(size);
    reinterpret_cast<std::string*>(base + pc->dst)->assign(reinterpret_cast<const char*>(p), size);
    p += size;
    NEXT();
  }
  CASE(owned_string_unchecked) : {
    READ_LENGTH(size);
    CHARGE(size);
    reinterpret_cast<std::string*>(base + pc->dst)->assign(reinterpret_cast<const char*>(p), size);
    p += size;
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

  CASE(optional) : {
    READ_INDEX(index, 2U, why_bad_branch);
    const bool full = index * 2 != pc->aux;
    base[pc->dst] = static_cast<std::byte>(full);
    pc = full ? pc + 1 : ops + pc->a;
    DISPATCH();
  }
  CASE(optional_string) : {
    // Without a branch on null: a null is a string of no bytes that takes no length.
    if (p < roomy && (p[0] & 0xFDU) == 0) [[likely]] {
      const std::uint64_t is_full = static_cast<std::uint64_t>(p[0] ^ pc->aux) >> 1U;
      const std::uint64_t size = short_count(p[1]) & (0U - is_full);
      const std::uint8_t* const text = p + 1 + is_full;
      if (size <= short_text_bytes) [[likely]] {
        if (pc->b != 0 && !short_text_starts_ascii(text, size) && !is_utf8_slow(text, size)) [[unlikely]]
          FAIL(errc::invalid_utf8, why_no_utf8);
        base[pc->dst] = static_cast<std::byte>(is_full);
        new (base + pc->a) std::string_view(reinterpret_cast<const char*>(text), size);
        p = text + size;
        NEXT();
      }
    }
    READ_INDEX(index, 2U, why_bad_branch);
    const bool full = index * 2 != pc->aux;
    base[pc->dst] = static_cast<std::byte>(full);
    if (full) {
      READ_LENGTH(size);
      if (pc->b != 0 && !is_utf8(p, size, low, end)) [[unlikely]]
        FAIL(errc::invalid_utf8, why_no_utf8);
      new (base + pc->a) std::string_view(reinterpret_cast<const char*>(p), size);
      p += size;
    }
    NEXT();
  }
  CASE(optional_ints) : {
    if (end - p > 8 && (p[0] & 0xFDU) == 0) [[likely]] {
      const std::uint64_t is_full = static_cast<std::uint64_t>(p[0] ^ pc->aux) >> 1U;
      const auto word = load<std::uint64_t>(p + 1);
      if (two_bytes_each(word, pc->b, 0U - is_full)) [[likely]] {
        store_two_byte_ints(word, pc->b, base + pc->a);
        base[pc->dst] = static_cast<std::byte>(is_full);
        p += 1 + ((2 * pc->b) & (0U - is_full));
        NEXT();
      }
      const std::uint8_t* const next = read_short_ints(p + 1, 0U - is_full, pc->b, base + pc->a);
      if (next != nullptr) [[likely]] {
        base[pc->dst] = static_cast<std::byte>(is_full);
        p = next;
        NEXT();
      }
    }
    READ_INDEX(index, 2U, why_bad_branch);
    const bool full = index * 2 != pc->aux;
    base[pc->dst] = static_cast<std::byte>(full);
    for (std::uint32_t i = 0; full && i < pc->b; ++i) {
      READ_INT(value);
      store(base + pc->a + i * sizeof value, value);
    }
    NEXT();
  }
  CASE(optional_fixed) : {
    if (end - p > 8 && (p[0] & 0xFDU) == 0) [[likely]] {
      const std::uint64_t is_full = static_cast<std::uint64_t>(p[0] ^ pc->aux) >> 1U;
      if (pc->b == 8) {
        std::memcpy(base + pc->a, p + 1, 8);
      } else {
        std::memcpy(base + pc->a, p + 1, 4);
      }
      base[pc->dst] = static_cast<std::byte>(is_full);
      p += 1 + (pc->b & (0U - is_full));
      NEXT();
    }
    READ_INDEX(index, 2U, why_bad_branch);
    const bool full = index * 2 != pc->aux;
    base[pc->dst] = static_cast<std::byte>(full);
    if (full) {
      NEED(pc->b);
      std::memcpy(base + pc->a, p, pc->b);
      p += pc->b;
    }
    NEXT();
  }
  CASE(scalar_variant) : {
    if (end - p > 8 && p[0] < 2 * pc->b && (p[0] & 0x81U) == 0) [[likely]] {
      const branch_target& target = branches[pc->a + (p[0] >> 1U)];
      const scalar read = read_scalar(p, target.shape);
      if (read.good && read.used <= static_cast<std::uint64_t>(end - p)) [[likely]] {
        const std::uint8_t* const text = p + 2;
        if (validate) CHECK_TEXT(text, read.size);
        base[pc->dst] = static_cast<std::byte>(target.tag);
        std::byte* const value = base + pc->dst - pc->aux;
        store(value, read.first);
        store(value + 8, text);
        p += read.used;
        pc = ops + target.shape.after;
        DISPATCH();
      }
    }
    goto any_variant;
  }
  CASE(variant) : {
  any_variant:
    READ_INDEX(index, pc->b, why_bad_branch);
    const branch_target& target = branches[pc->a + index];
    base[pc->dst] = static_cast<std::byte>(target.tag);
    pc = ops + target.pc;
    DISPATCH();
  }
  CASE(branch) : {
  any_branch:
    READ_INDEX(index, pc->b, why_bad_branch);
    pc = ops + branches[pc->a + index].pc;
    DISPATCH();
  }

  CASE(array) : {
    lp = &loops[pc->a];
    // One block with its count in one byte is what most writers send.
    if (p != end && (*p & 0x81U) == 0) [[likely]] {
      const std::uint64_t count = *p >> 1U;
      const std::uint64_t bytes = count * lp->stride;
      if (count == 0) {
        ++p;
        store(base + lp->dst, two_words{nullptr, 0});
        pc = ops + lp->end;
        DISPATCH();
      }
      if (lp->plain && count * lp->wire_bytes_min < static_cast<std::uint64_t>(end - p) &&
          static_cast<std::int64_t>(bytes) <= output_left) [[likely]] {
        PUSH(opened);
        ++p;
        output_left -= static_cast<std::int64_t>(bytes);
        base = static_cast<std::byte*>(memory.allocate(bytes, lp->align));
        if (base == nullptr) FAIL(errc::limit_exceeded, why_too_large);
        opened->items = base;
        opened->done = opened->capacity = opened->run = count;
        opened->in_block = 0;
        opened->block_end = nullptr;
        NEXT();
      }
    }
    PUSH(opened);
    opened->items = nullptr;
    f = opened;
    goto open_loop;
  }
  CASE(string_array) : {
    lp = &loops[pc->a];
    if (p != end && (*p & 0x81U) == 0) [[likely]] {
      const std::uint64_t count = *p >> 1U;
      const std::uint64_t bytes = count * lp->stride;
      if (count == 0) {
        ++p;
        store(base + lp->dst, two_words{nullptr, 0});
        pc = ops + lp->end;
        DISPATCH();
      }
      if (static_cast<std::int64_t>(bytes) <= output_left && top != frames_end) [[likely]] {
        // No branch on a count of 0: it is what ends the items, too.
        ++p;
        output_left -= static_cast<std::int64_t>(bytes);
        auto* const items = static_cast<std::byte*>(memory.allocate(bytes, lp->align));
        if (items == nullptr) FAIL(errc::limit_exceeded, why_too_large);
        ++pc;  // `strings`, whose path names the items
        const strings_read read = read_strings(p, end, low, roomy, items, items + bytes);
        p = read.next;
        if (read.item == items + bytes && p != end && *p == 0) [[likely]] {
          ++p;
          store(base + lp->dst, two_words{items, count});
          NEXT();
        }
        PUSH(opened);
        opened->items = items;
        opened->done = opened->capacity = count;
        opened->in_block = 0;
        opened->block_end = nullptr;
        base = read.item;
        DISPATCH();
      }
    }
    PUSH(opened);
    opened->items = nullptr;
    f = opened;
    goto open_loop;
  }
  CASE(entry_array) : {
    lp = &loops[pc->a];
    if (p != end && (*p & 0x81U) == 0) [[likely]] {
      const std::uint64_t count = *p >> 1U;
      const std::uint64_t bytes = count * lp->stride;
      if (count == 0) {
        ++p;
        store(base + lp->dst, two_words{nullptr, 0});
        pc = ops + lp->end;
        DISPATCH();
      }
      if (static_cast<std::int64_t>(bytes) <= output_left && count * 2 < static_cast<std::uint64_t>(end - p) &&
          top != frames_end) [[likely]] {
        ++p;
        output_left -= static_cast<std::int64_t>(bytes);
        auto* const items = static_cast<std::byte*>(memory.allocate(bytes, lp->align));
        if (items == nullptr) FAIL(errc::limit_exceeded, why_too_large);
        const entries_read read = read_entries(p, roomy, items, *lp, count, *(pc + 2), branches);
        p = read.next;
        if (read.left == 0 && p != end && *p == 0) [[likely]] {
          ++p;
          store(base + lp->dst, two_words{items, count});
          pc = ops + lp->end;
          DISPATCH();
        }
        PUSH(opened);
        opened->items = items;
        opened->done = opened->capacity = count;
        opened->run = read.left;
        opened->in_block = 0;
        opened->block_end = nullptr;
        base = read.item;
        f = opened;
        if (read.left == 0) goto next_block;
        ++pc;
        goto any_string;
      }
    }
    PUSH(opened);
    opened->items = nullptr;
    f = opened;
    goto open_loop;
  }
  CASE(vector) : {
    lp = &loops[pc->a];
    PUSH(opened);
    opened->items = nullptr;
    f = opened;
    goto open_owner;
  }
  CASE(owned_map) : {
    lp = &loops[pc->a];
    PUSH(opened);
    opened->items = base + lp->dst;
    lp->operations->clear(opened->items);
    f = opened;
    goto open_owner;
  }
  CASE(map_key) : {
    READ_LENGTH(size);
    if (!is_utf8(p, size, low, end) && validate) [[unlikely]]
      FAIL(errc::invalid_utf8, why_no_utf8);
    CHARGE(size);
    const frame& owner = *(top - 1);
    base = loops[pc->a].operations->insert(owner.items, {reinterpret_cast<const char*>(p), size});
    p += size;
    NEXT();
  }
  CASE(strings) : {
    f = top - 1;
    lp = &loops[pc->a];
    for (const std::byte* const behind = f->items + f->done * lp->stride; base != behind;) {
      READ_LENGTH(size);
      CHECK_TEXT(p, size);
      new (base) std::string_view(reinterpret_cast<const char*>(p), size);
      base += sizeof(std::string_view);
      p += size;
    }
    if (f->in_block != 0) goto refill;
    goto next_block;
  }
  CASE(entry) : {
    f = top - 1;
    lp = &loops[pc->a];
    const entries_read read = read_entries(p, roomy, base, *lp, f->run, *(pc + 1), branches);
    p = read.next;
    base = read.item;
    f->run = read.left;
    if (read.left == 0) goto end_of_run;
    goto any_string;
  }
  CASE(next) : {
    f = top - 1;
    if (--f->run != 0) {
      base += pc->dst;
      pc = ops + pc->b;
      DISPATCH();
    }
    lp = &loops[pc->a];
  end_of_run:
    if (f->in_block != 0) goto refill;
    if (p != end && *p == 0 && f->block_end == nullptr) [[likely]] {
      ++p;
      goto close_loop;
    }
    goto next_block;
  }

open_owner:
  if (p != end && (*p & 0x81U) == 0 && lp->plain) [[likely]] {
    const std::uint64_t count = *p >> 1U;
    if (count * lp->wire_bytes_min < static_cast<std::uint64_t>(end - p)) [[likely]] {
      ++p;
      f->done = count;
      if (count == 0) goto close_loop;
      CHARGE(count * lp->stride);
      if (lp->kind == loop_kind::vector) base = f->items = lp->operations->resize(base + lp->dst, count);
      f->run = count;
      f->in_block = 0;
      f->block_end = nullptr;
      NEXT();
    }
  }
open_loop:
  f->done = 0;
  f->capacity = 0;
  f->in_block = 0;
  f->block_end = nullptr;
next_block: {
  if (f->block_end != nullptr && p != f->block_end) [[unlikely]]
    FAIL(errc::malformed, why_bad_block);
  READ_VARINT(raw);
  if (raw == 0) goto close_loop;
  std::uint64_t count = raw >> 1U;
  f->block_end = nullptr;
  if ((raw & 1U) != 0) {  // negative: a count, then the block's size in bytes
    ++count;
    READ_VARINT(raw_size);
    const std::uint64_t size = raw_size >> 1U;
    if ((raw_size & 1U) != 0) FAIL(errc::malformed, why_bad_block);
    if (strict || lp->kind == loop_kind::skip) {
      if (size > static_cast<std::uint64_t>(end - p)) FAIL(errc::truncated, why_truncated);
      if (strict) f->block_end = p + size;
    }
    if (lp->kind == loop_kind::skip && !strict && lp->wire_bytes_min != 0) {
      // Jump, when so many items can be in so many bytes.
      if (count > size || count * lp->wire_bytes_min > size) FAIL(errc::malformed, why_bad_block);
      p += size;
      goto next_block;
    }
  }
  const auto left = static_cast<std::uint64_t>(end - p);
  if (lp->wire_bytes_min == 0) {
    if (count > zero_bytes_left) [[unlikely]]
      FAIL(errc::limit_exceeded, why_too_many);
    zero_bytes_left -= count;
  } else if (count > left || count * lp->wire_bytes_min > left) [[unlikely]] {
    FAIL(errc::truncated, why_truncated);
  }
  if (lp->kind == loop_kind::skip) {
    if (lp->wire_bytes < 0) {
      f->run = count;
      pc = ops + lp->body;
      DISPATCH();
    }
    const auto each = static_cast<std::uint64_t>(lp->wire_bytes);
    if (each != 0 && count > left / each) FAIL(errc::truncated, why_truncated);
    p += count * each;
    goto next_block;
  }
  f->in_block = count;
}
refill: {
  std::uint64_t count = f->in_block;
  if (lp->kind == loop_kind::array) {
    if (f->done == f->capacity && grow(*f, *lp, memory, output_left) == nullptr) [[unlikely]] {
      FAIL(errc::limit_exceeded, why_too_large);
    }
    count = std::min(count, f->capacity - f->done);
    base = f->items + f->done * lp->stride;
  } else {
    count = std::min(count, reserve_items_max);
    CHARGE(count * lp->stride);
    if (lp->kind == loop_kind::vector) {
      f->items = lp->operations->resize(f->base + lp->dst, f->done + count);
      base = f->items + f->done * lp->stride;
    }
  }
  f->in_block -= count;
  f->done += count;
  f->run = count;
  pc = ops + lp->body;
  DISPATCH();
}
close_loop: {
  base = f->base;
  --top;
  if (lp->kind == loop_kind::array) store(base + lp->dst, two_words{f->items, f->done});
  if (lp->kind == loop_kind::vector && f->done == 0) lp->operations->resize(base + lp->dst, 0);
  pc = ops + lp->end;
  DISPATCH();
}

#include "run_skips.h"

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
