// Properties that hold for every type: what is encoded is decoded, and no cell, however broken, is more than
// an error.
#include <array>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/cql/composite.h>

namespace millrace::cql {
namespace {

using source = std::mt19937_64;  // the same on every machine

constexpr int rounds = 400;

struct place {
  std::optional<std::string> name;
  std::optional<std::vector<std::int32_t>> numbers;
};
bool operator==(const place& a, const place& b) { return a.name == b.name && a.numbers == b.numbers; }
bool operator==(const udt<place>& a, const udt<place>& b) { return *a == *b; }

// Small numbers, large ones and the ends of the range.
template <typename Int>
Int number(source& from) {
  const std::uint64_t bits = from();
  switch (from() % 4) {
    case 0:
      return static_cast<Int>(bits % 5);
    case 1:
      return std::numeric_limits<Int>::min();
    case 2:
      return std::numeric_limits<Int>::max();
  }
  return static_cast<Int>(bits >> (from() % (8 * sizeof(Int))));
}
std::string text(source& from) {
  std::string out(from() % 20, ' ');
  for (char& c : out) c = static_cast<char>('a' + from() % 26);
  return out;
}

template <typename T>
struct random_value;
template <std::integral T>
struct random_value<T> {
  static T make(source& from) { return number<T>(from); }
};
template <>
struct random_value<bool> {
  static bool make(source& from) { return from() % 2 == 0; }
};
template <std::floating_point T>
struct random_value<T> {
  static T make(source& from) { return static_cast<T>(number<std::int64_t>(from)) / T{3}; }
};
template <>
struct random_value<std::string> {
  static std::string make(source& from) { return text(from); }
};
template <>
struct random_value<byte_buffer> {
  static byte_buffer make(source& from) {
    byte_buffer out(from() % 30);
    for (std::byte& b : out) b = static_cast<std::byte>(from());
    return out;
  }
};
template <>
struct random_value<timestamp> {
  static timestamp make(source& from) { return timestamp(milliseconds(number<std::int64_t>(from))); }
};
template <>
struct random_value<std::chrono::sys_days> {
  static std::chrono::sys_days make(source& from) {
    return std::chrono::sys_days(std::chrono::days(number<std::int32_t>(from)));
  }
};
template <>
struct random_value<nanoseconds> {
  static nanoseconds make(source& from) {
    return nanoseconds(static_cast<std::int64_t>(from() % 86'400'000'000'000ULL));
  }
};
template <>
struct random_value<uuid> {
  static uuid make(source& from) {
    uuid out;
    for (std::byte& b : out.bytes) b = static_cast<std::byte>(from());
    return out;
  }
};
template <>
struct random_value<inet_address> {
  static inet_address make(source& from) {
    inet_address out;
    out.size = from() % 2 == 0 ? 4 : 16;
    for (std::size_t k = 0; k < out.size; ++k) out.bytes[k] = static_cast<std::byte>(from());
    return out;
  }
};
template <>
struct random_value<varint> {
  static varint make(source& from) { return {number<std::int64_t>(from)}; }
};
template <>
struct random_value<duration> {
  static duration make(source& from) {
    return {number<std::int32_t>(from), number<std::int32_t>(from), number<std::int64_t>(from)};
  }
};
template <typename T>
struct random_value<std::optional<T>> {
  static std::optional<T> make(source& from) {
    if (from() % 3 == 0) return std::nullopt;
    return random_value<T>::make(from);
  }
};
template <typename T>
struct random_value<std::vector<T>> {
  static std::vector<T> make(source& from) {
    std::vector<T> out;
    for (std::size_t k = from() % 5; k > 0; --k) out.push_back(random_value<T>::make(from));
    return out;
  }
};
template <typename T>
struct random_value<std::set<T>> {
  static std::set<T> make(source& from) {
    std::set<T> out;
    for (std::size_t k = from() % 5; k > 0; --k) out.insert(random_value<T>::make(from));
    return out;
  }
};
template <typename K, typename V>
struct random_value<std::map<K, V>> {
  static std::map<K, V> make(source& from) {
    std::map<K, V> out;
    for (std::size_t k = from() % 5; k > 0; --k)
      out.emplace(random_value<K>::make(from), random_value<V>::make(from));
    return out;
  }
};
template <typename T, std::size_t N>
struct random_value<std::array<T, N>> {
  static std::array<T, N> make(source& from) {
    std::array<T, N> out{};
    for (T& element : out) element = random_value<T>::make(from);
    return out;
  }
};
template <typename... T>
struct random_value<std::tuple<T...>> {
  static std::tuple<T...> make(source& from) { return {random_value<T>::make(from)...}; }
};
template <>
struct random_value<udt<place>> {
  static udt<place> make(source& from) {
    // CQL keeps an empty collection as null, and null as an empty one.
    auto numbers = random_value<std::vector<std::int32_t>>::make(from);
    numbers.push_back(1);
    return place{random_value<std::optional<std::string>>::make(from), std::move(numbers)};
  }
};

template <typename T>
class codec_property : public ::testing::Test {};

using every_type =
    ::testing::Types<bool, std::int8_t, std::int16_t, std::int32_t, std::int64_t, float, double, std::string,
                     byte_buffer, timestamp, std::chrono::sys_days, nanoseconds, uuid, inet_address, varint,
                     duration, std::optional<std::int32_t>, std::optional<std::string>,
                     std::vector<std::string>, std::vector<std::vector<std::int16_t>>, std::set<std::int64_t>,
                     std::map<std::string, double>, std::map<std::int32_t, std::set<uuid>>,
                     std::array<float, 5>, std::array<std::string, 3>, std::array<std::array<bool, 2>, 2>,
                     std::array<duration, 2>,
                     std::tuple<std::int32_t, std::optional<std::string>, std::optional<uuid>>, udt<place>,
                     std::vector<udt<place>>, std::map<std::string, std::tuple<std::optional<std::int32_t>>>>;
TYPED_TEST_SUITE(codec_property, every_type);

TYPED_TEST(codec_property, encoded_values_decode_to_the_same) {
  source from(1);
  for (int round = 0; round < rounds; ++round) {
    const TypeParam value = random_value<TypeParam>::make(from);
    cell_buffer cells;
    codec<TypeParam>::encode(cells, value);
    cell_reader reader(cells.view());
    std::optional<bytes_view> cell;
    ASSERT_TRUE(reader.next(cell));
    ASSERT_TRUE(reader.rest().empty());
    TypeParam back{};
    ASSERT_EQ(codec<TypeParam>::decode(cell, back), cell_fault::none);
    ASSERT_EQ(back, value);
  }
}

// Decodes from memory of exactly that size, so that a sanitizer sees a read beyond it.
template <typename T>
cell_fault decode_alone(bytes_view bytes) {
  const byte_buffer memory(bytes.begin(), bytes.end());
  T value{};
  return codec<T>::decode(bytes_view(memory), value);
}

template <typename T>
byte_buffer bytes_of(const T& value) {
  cell_buffer cells;
  codec<T>::encode(cells, value);
  cell_reader reader(cells.view());
  std::optional<bytes_view> cell;
  EXPECT_TRUE(reader.next(cell));
  return cell ? byte_buffer(cell->begin(), cell->end()) : byte_buffer();
}

TYPED_TEST(codec_property, a_truncated_or_changed_cell_is_a_value_or_an_error_and_never_a_crash) {
  source from(2);
  int refused = 0;
  for (int round = 0; round < rounds; ++round) {
    byte_buffer bytes = bytes_of(random_value<TypeParam>::make(from));
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      if (decode_alone<TypeParam>(bytes_view(bytes).first(length)) != cell_fault::none) ++refused;
    }
    if (bytes.empty()) continue;
    bytes[from() % bytes.size()] = static_cast<std::byte>(from());
    if (decode_alone<TypeParam>(bytes) != cell_fault::none) ++refused;
    bytes.resize(bytes.size() + 1 + from() % 8);
    if (decode_alone<TypeParam>(bytes) != cell_fault::none) ++refused;
  }
  // Text and blobs of any length are values.
  constexpr bool any_bytes = std::is_same_v<TypeParam, std::string> ||
                             std::is_same_v<TypeParam, byte_buffer> ||
                             std::is_same_v<TypeParam, std::optional<std::string>>;
  if (!any_bytes) {
    EXPECT_GT(refused, 0);
  }
}

TYPED_TEST(codec_property, random_bytes_are_a_value_or_an_error_and_never_a_crash) {
  source from(3);
  for (int round = 0; round < 20 * rounds; ++round) {
    byte_buffer bytes(from() % 40);
    // Small bytes make counts and lengths that nearly fit.
    const std::uint64_t modulus = from() % 2 == 0 ? 256 : 5;
    for (std::byte& b : bytes) b = static_cast<std::byte>(from() % modulus);
    static_cast<void>(decode_alone<TypeParam>(bytes));
  }
}

}  // namespace
}  // namespace millrace::cql
