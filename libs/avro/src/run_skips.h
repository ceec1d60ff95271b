// The operations of run() that skip; included in its middle by interpreter.cc, and by nobody else.

CASE(skip_loop) : {
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
  lp = &loops[pc->a];
  PUSH(opened);
  f = opened;
  if (p != end && (*p & 0x81U) == 0) [[likely]] {
    std::uint64_t left = static_cast<std::uint64_t>(*p >> 1U) * pc->b;
    ++p;
    if (left == 0) goto close_loop;
    ++pc;  // its path names the items
    const lengths_skipped skipped = skip_lengths(p, end, left);
    p = skipped.next;
    for (left = skipped.left; left != 0; --left) {
      READ_LENGTH(size);
      p += size;
    }
    if (p != end && *p == 0) [[likely]] {
      ++p;
      goto close_loop;
    }
  }
  goto open_loop;
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
    READ_VARINT(value);
    static_cast<void>(value);
  }
  NEXT();
}
CASE(skip_bytes) : {
  for (std::uint32_t i = 0; i < pc->a; ++i) {
    READ_LENGTH(size);
    p += size;
  }
  NEXT();
}
CASE(skip_scalar) : {
  if (end - p > 8 && p[0] < 2 * pc->b && (p[0] & 0x81U) == 0) [[likely]] {
    const scalar_shape& shape = branches[pc->a + (p[0] >> 1U)].shape;
    const scalar read = read_scalar(p, shape);
    if (read.good && read.used <= static_cast<std::uint64_t>(end - p)) [[likely]] {
      p += read.used;
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
