// Generated page views of the schema data/navigation.avsc. Each is a pure function of a seed and an index, so
// that the verifier computes the expected results again, without the code that produced them. The generator
// encodes Avro by hand and does not use libs/avro.
//
// Every function is thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <millrace/base/values.h>

namespace millrace::workload {

struct visit_profile {
  std::string segment;
  double score = 0;
  bool known = false;  // false: the visitor has no row in visitor_profile
};
// The profile of a visitor. One visitor in ten has none.
[[nodiscard]] visit_profile profile_of(std::uint32_t visitor);

// The values that the three processors derive from one record.
struct expected_visit {
  std::uint64_t index = 0;
  std::uint32_t visitor = 0;
  std::string visitor_id;
  std::int64_t event_time_ms = 0;
  uuid event_id;
  std::int32_t partner_id = 0;
  std::uint32_t kind = 0;
  std::string url;
  std::optional<std::string> country;
  std::int32_t products = 0;
  std::int64_t basket_cents = 0;
};

[[nodiscard]] std::string_view kind_name(std::uint32_t kind);

class visit_generator {
 public:
  explicit visit_generator(std::uint64_t seed) noexcept : seed_(seed) {}

  // The record of an index. `value`, unless nullptr, is replaced by its Avro datum, without framing.
  [[nodiscard]] expected_visit make(std::uint64_t index, std::string* value = nullptr) const;
  // The index of an event id; nullopt when this generator does not produce the id.
  [[nodiscard]] std::optional<std::uint64_t> index_of(const uuid& event_id) const noexcept;

 private:
  std::uint64_t seed_;
};

}  // namespace millrace::workload
