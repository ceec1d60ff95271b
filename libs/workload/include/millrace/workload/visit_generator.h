// The demo's load: page views of the reference schema (examples/navigation/schemas/navigation.avsc), each a
// pure function of the seed and its index, so that what the application must have written can be computed
// again, independently of everything the application uses. The Avro bytes are written by hand here, not by
// libs/avro.
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
// The profile every visitor is given: one in ten has none.
[[nodiscard]] visit_profile profile_of(std::uint32_t visitor);

// What the three processors must make of one record.
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

  // `value`, when given, receives the Avro datum (without framing). Thread-safe.
  [[nodiscard]] expected_visit make(std::uint64_t index, std::string* value = nullptr) const;
  // The index an event id was made for; nullopt when it is none of this generator's.
  [[nodiscard]] std::optional<std::uint64_t> index_of(const uuid& event_id) const noexcept;

 private:
  std::uint64_t seed_;
};

}  // namespace millrace::workload
