// The operations of run() that skip; included in its middle by interpreter.cc only.

CASE(skip_loop) : {
any_loop:
  lp = &loops[pc->a];
  PUSH(opened);
  f = opened;
  if (lp->plain && p != end && (*p & 0x81U) == 0) [[likely]] {
    const std::uint64_t count = *p >> 1U;
    if (count * lp->wire_bytes_min < static_cast<std::uint64_t>(end - p)) [[likely]] {
      ++p;
      if (count == 0) goto close_loop;
      f->run = count;
      f->in_block = 0;
      f->block_end = nullptr;
      NEXT();
    }
  }
  goto open_loop;
}
CASE(skip_texts) : {
  // What is more than one block, or ends too early, is skipped once more, by `skip_loop`, which knows why.
  if (p != end && (*p & 0x81U) == 0) [[likely]] {
    lp = &loops[pc->a];
    const std::uint64_t count = *p >> 1U;
    if (count == 0) {
      ++p;
      pc = ops + lp->end;
      DISPATCH();
    }
    const std::uint8_t* const next = skip_lengths(p + 1, end, roomy, count * pc->b);
    if (next != nullptr && top != frames_end) [[likely]] {
      p = next;
      pc = ops + lp->end;
      DISPATCH();
    }
  }
  goto any_loop;
}
CASE(skip_entries) : {
  if (p != end && (*p & 0x81U) == 0) [[likely]] {
    lp = &loops[pc->a];
    const std::uint64_t count = *p >> 1U;
    if (count == 0) {
      ++p;
      pc = ops + lp->end;
      DISPATCH();
    }
    const entries_skipped skipped = skip_entries(p + 1, end, roomy, count, *(pc + 2), branches);
    if (top != frames_end) [[likely]] {
      p = skipped.next;
      if (skipped.left == 0 && p != end && *p == 0) [[likely]] {
        ++p;
        pc = ops + lp->end;
        DISPATCH();
      }
      PUSH(opened);
      f = opened;
      f->run = skipped.left;
      f->in_block = 0;
      f->block_end = nullptr;
      if (skipped.left == 0) goto next_block;
      NEXT();
    }
  }
  goto any_loop;
}
CASE(skip_entry) : {
  f = top - 1;
  const entries_skipped skipped = skip_entries(p, end, roomy, f->run, *(pc + 1), branches);
  p = skipped.next;
  f->run = skipped.left;
  lp = &loops[pc->a];
  if (skipped.left == 0) goto end_of_run;
  READ_LENGTH(size);
  p += size;
  NEXT();
}
CASE(skip_optional_text) : {
  if (p < roomy && (p[0] & 0xFDU) == 0) [[likely]] {
    const std::uint64_t is_full = static_cast<std::uint64_t>(p[0] ^ pc->aux) >> 1U;
    const std::uint64_t size = short_count(p[1]) & (0U - is_full);
    if (size <= short_text_bytes) [[likely]] {
      p += 1 + is_full + size;
      pc += 3;
      DISPATCH();
    }
  }
  goto any_branch;
}
CASE(skip_optional_fixed) : {
  if (p < roomy && (p[0] & 0xFDU) == 0) [[likely]] {
    const std::uint64_t is_full = static_cast<std::uint64_t>(p[0] ^ pc->aux) >> 1U;
    p += 1 + (pc->dst & (0U - is_full));
    pc += 3;
    DISPATCH();
  }
  goto any_branch;
}
CASE(skip_optional_ints) : {
  if (p < roomy && (p[0] & 0xFDU) == 0) [[likely]] {
    const std::uint64_t is_full = static_cast<std::uint64_t>(p[0] ^ pc->aux) >> 1U;
    if (two_bytes_each(load<std::uint64_t>(p + 1), pc->dst, 0U - is_full)) [[likely]] {
      p += 1 + ((std::uint64_t{2} * pc->dst) & (0U - is_full));
      pc += 3;
      DISPATCH();
    }
  }
  goto any_branch;
}
CASE(skip_fixed) : {
  NEED(pc->a);
  p += pc->a;
  NEXT();
}
CASE(skip_int) : {
  for (std::uint32_t i = 0; i < pc->a; ++i) {
    READ_INT(value);
    static_cast<void>(value);
  }
  NEXT();
}
CASE(skip_long) : {
  for (std::uint32_t i = 0; i < pc->a; ++i) {
    if (p < roomy && *p >= 0x80) {
      const short_number number = read_short_number(p, strict);
      if (number.bytes != 0) [[likely]] {
        ADVANCE(number.bytes);
        continue;
      }
    }
    READ_VARINT(value);
    static_cast<void>(value);
  }
  NEXT();
}
CASE(skip_bytes) : {
  for (std::uint32_t i = 0; i < pc->a; ++i) {
    const std::uint64_t short_size = p < roomy ? short_count(p[0]) : no_short_count;
    if (short_size <= short_text_bytes) [[likely]] {
      p += 1 + short_size;
      continue;
    }
    READ_LENGTH(size);
    p += size;
  }
  NEXT();
}
CASE(skip_scalar) : {
  if (end - p > 8 && p[0] < 2 * pc->b && (p[0] & 0x81U) == 0) [[likely]] {
    const scalar_shape& shape = branches[pc->a + (p[0] >> 1U)].shape;
    const std::uint64_t used = scalar_bytes(p, shape);
    if (used - 1 < static_cast<std::uint64_t>(end - p)) [[likely]] {
      p += used;
      pc = ops + shape.after;
      DISPATCH();
    }
  }
  goto any_branch;
}
CASE(skip_enum) : {
  READ_INDEX(index, pc->b, why_bad_symbol);
  static_cast<void>(index);
  NEXT();
}
