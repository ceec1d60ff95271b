// The operations of run() that read arrays and maps, and the ends of their loops; included in its middle by
// interpreter.cc only.

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
CASE(owned_strings) : {
  f = top - 1;
  lp = &loops[pc->a];
  for (const std::byte* const behind = f->items + f->done * lp->stride; base != behind;) {
    READ_OWNED_TEXT(*reinterpret_cast<std::string*>(base), pc->b != 0);
    base += sizeof(std::string);
  }
  if (f->in_block != 0) goto refill;
  goto next_block;
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
  f = opened;
  f->revisit = nullptr;
  if (p != end && (*p & 0x81U) == 0 && (*p >> 1U) - 1U < revisited_entries_max &&
      lp->operations->count(f->items) == *p >> 1U) {
    f->revisit = static_cast<map_revisit*>(memory.allocate(sizeof(map_revisit), alignof(map_revisit)));
  }
  if (f->revisit != nullptr) {
    *f->revisit = {p, output_left, zero_bytes_left, 0};
  } else {
    lp->operations->clear(f->items);
  }
  goto open_owner;
}
CASE(map_key) : {
  READ_LENGTH(size);
  if (validate) CHECK_TEXT(p, size);
  CHARGE(size);
  f = top - 1;
  lp = &loops[pc->a];
  const std::string_view key(reinterpret_cast<const char*>(p), size);
  if (f->revisit != nullptr) {
    base = lp->operations->revisit(f->items, key, f->revisit->seen);
    if (base == nullptr) {
      p = f->revisit->start;
      output_left = f->revisit->output_left;
      zero_bytes_left = f->revisit->zero_bytes_left;
      f->revisit = nullptr;
      lp->operations->clear(f->items);
      --pc;  // `owned_map`
      base = f->base;
      goto open_owner;
    }
  } else {
    base = lp->operations->insert(f->items, key);
  }
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

open_owner : if (p != end && (*p & 0x81U) == 0 && lp->plain) [[likely]] {
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
open_loop : f->done = 0;
f->capacity = 0;
f->in_block = 0;
f->block_end = nullptr;
next_block : {
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
refill : {
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
close_loop : {
  base = f->base;
  --top;
  if (lp->kind == loop_kind::array) store(base + lp->dst, two_words{f->items, f->done});
  if (lp->kind == loop_kind::vector && f->done == 0) lp->operations->resize(base + lp->dst, 0);
  pc = ops + lp->end;
  DISPATCH();
}
