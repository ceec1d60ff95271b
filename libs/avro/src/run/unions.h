// The operations of run() that read unions; included in its middle by interpreter.cc only.

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
CASE(optional_owned_string) : {
  READ_INDEX(index, 2U, why_bad_branch);
  auto& owner = *reinterpret_cast<std::optional<std::string>*>(base + pc->dst);
  if (index * 2 == pc->aux) {
    owner.reset();
  } else {
    if (!owner) owner.emplace();
    READ_OWNED_TEXT(*owner, pc->b != 0);
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
      p += 1 + ((std::uint64_t{2} * pc->b) & (0U - is_full));
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
