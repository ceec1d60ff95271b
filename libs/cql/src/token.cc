#include "token.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "bound_reader.h"

namespace millrace::cql {
namespace {

constexpr std::uint64_t c1 = 0x87c37b91114253d5ULL;
constexpr std::uint64_t c2 = 0x4cf5ad432745937fULL;

std::uint64_t mixed(std::uint64_t k) noexcept {
  k ^= k >> 33U;
  k *= 0xff51afd7ed558ccdULL;
  k ^= k >> 33U;
  k *= 0xc4ceb9fe1a85ec53ULL;
  return k ^ k >> 33U;
}

std::uint64_t little_endian(const std::byte* from) noexcept {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t value = 0;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// The bytes of the tail are signed, which is Cassandra's own variant of the hash.
std::uint64_t tail(const std::byte* from, std::size_t count) noexcept {
  std::uint64_t value = 0;
  for (std::size_t k = 0; k < count; ++k) {
    // Extends the sign.
    const std::uint64_t byte = (std::to_integer<std::uint64_t>(from[k]) ^ 0x80U) - 0x80U;
    value ^= byte << (8U * k);
  }
  return value;
}

constexpr std::size_t block_bytes = 16;
constexpr std::size_t half_bytes = 8;

// The bytes of the value at `index`. Values before it may be null or unset: a write of columns has its key last.
std::optional<bytes_view> part_at(bytes_view values, std::size_t index) noexcept {
  bound_reader reader(values);
  bound_value value;
  for (std::size_t k = 0; k <= index; ++k) {
    if (!reader.next(value)) return std::nullopt;
  }
  if (value.is != bound_value::state::value) return std::nullopt;
  return value.bytes;
}

}  // namespace

std::int64_t murmur3_token(bytes_view key) noexcept {
  std::uint64_t h1 = 0;
  std::uint64_t h2 = 0;
  const std::byte* at = key.data();
  for (std::size_t left = key.size(); left >= block_bytes; left -= block_bytes, at += block_bytes) {
    h1 ^= std::rotl(little_endian(at) * c1, 31) * c2;
    h1 = (std::rotl(h1, 27) + h2) * 5 + 0x52dce729;
    h2 ^= std::rotl(little_endian(at + half_bytes) * c2, 33) * c1;
    h2 = (std::rotl(h2, 31) + h1) * 5 + 0x38495ab5;
  }
  const std::size_t rest = key.size() % block_bytes;
  if (rest > half_bytes) h2 ^= std::rotl(tail(at + half_bytes, rest - half_bytes) * c2, 33) * c1;
  if (rest > 0) h1 ^= std::rotl(tail(at, std::min(rest, half_bytes)) * c1, 31) * c2;
  h1 ^= key.size();
  h2 ^= key.size();
  h1 += h2;
  h2 += h1;
  h1 = mixed(h1) + mixed(h2);
  // The smallest token is the ring's beginning and belongs to no key.
  const auto token = static_cast<std::int64_t>(h1);
  return token == std::numeric_limits<std::int64_t>::min() ? std::numeric_limits<std::int64_t>::max() : token;
}

bool key_of(const std::vector<std::uint16_t>& indexes, bytes_view values, byte_buffer& key) {
  key.clear();
  if (indexes.size() == 1) {
    const auto part = part_at(values, indexes.front());
    if (part) key.assign(part->begin(), part->end());
    return part.has_value();
  }
  for (const std::uint16_t index : indexes) {
    const auto part = part_at(values, index);
    if (!part || part->size() > std::numeric_limits<std::uint16_t>::max()) return false;
    key.push_back(static_cast<std::byte>(part->size() >> 8U));
    key.push_back(static_cast<std::byte>(part->size() & 0xFFU));
    key.insert(key.end(), part->begin(), part->end());
    key.push_back(std::byte{0});
  }
  return !indexes.empty();
}

std::optional<std::int64_t> token_of(const std::vector<std::uint16_t>& indexes, bytes_view values,
                                     byte_buffer& scratch) {
  if (indexes.size() == 1) {  // nothing needs to be joined
    const auto part = part_at(values, indexes.front());
    if (!part) return std::nullopt;
    return murmur3_token(*part);
  }
  if (!key_of(indexes, values, scratch)) return std::nullopt;
  return murmur3_token(scratch);
}

}  // namespace millrace::cql
