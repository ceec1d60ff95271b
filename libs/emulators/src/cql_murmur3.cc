#include "cql_murmur3.h"

#include <bit>
#include <cstring>
#include <limits>

namespace millrace::emulators::cql {
namespace {

constexpr std::uint64_t c1 = 0x87c37b91114253d5ULL;
constexpr std::uint64_t c2 = 0x4cf5ad432745937fULL;

constexpr std::uint64_t mix(std::uint64_t k) noexcept {
  k ^= k >> 33U;
  k *= 0xff51afd7ed558ccdULL;
  k ^= k >> 33U;
  k *= 0xc4ceb9fe1a85ec53ULL;
  return k ^ (k >> 33U);
}

constexpr std::uint64_t first(std::uint64_t k) noexcept { return std::rotl(k * c1, 31) * c2; }
constexpr std::uint64_t second(std::uint64_t k) noexcept { return std::rotl(k * c2, 33) * c1; }

std::uint64_t little_endian(const char* from) noexcept {
  std::uint64_t out = 0;
  for (unsigned i = 0; i < 8; ++i)
    out |= static_cast<std::uint64_t>(static_cast<unsigned char>(from[i])) << (8 * i);
  return out;
}

}  // namespace

std::array<std::uint64_t, 2> murmur3(std::string_view key) noexcept {
  std::uint64_t h1 = 0;
  std::uint64_t h2 = 0;
  std::string_view rest = key;
  for (; rest.size() >= 16; rest.remove_prefix(16)) {
    h1 = (std::rotl(h1 ^ first(little_endian(rest.data())), 27) + h2) * 5 + 0x52dce729;
    h2 = (std::rotl(h2 ^ second(little_endian(rest.data() + 8)), 31) + h1) * 5 + 0x38495ab5;
  }
  const auto signed_byte = [&rest](std::size_t i) {
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<signed char>(rest[i])));
  };
  std::uint64_t k2 = 0;
  for (std::size_t i = 8; i < rest.size(); ++i) k2 ^= signed_byte(i) << (8 * (i - 8));
  std::uint64_t k1 = 0;
  for (std::size_t i = 0; i < rest.size() && i < 8; ++i) k1 ^= signed_byte(i) << (8 * i);
  if (rest.size() > 8) h2 ^= second(k2);
  if (!rest.empty()) h1 ^= first(k1);
  h1 ^= key.size();
  h2 ^= key.size();
  h1 += h2;
  h2 += h1;
  h1 = mix(h1);
  h2 = mix(h2);
  h1 += h2;
  h2 += h1;
  return {h1, h2};
}

std::int64_t token_of(std::string_view partition_key) noexcept {
  const auto token = static_cast<std::int64_t>(murmur3(partition_key)[0]);
  return token == std::numeric_limits<std::int64_t>::min() ? std::numeric_limits<std::int64_t>::max() : token;
}

}  // namespace millrace::emulators::cql
