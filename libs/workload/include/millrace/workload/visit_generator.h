// Generated page views of the schema data/navigation.avsc. Each is a pure function of a seed and an index, so
// that the verifier computes the expected results again, without the code that produced them. The generator
// encodes Avro by hand and does not use libs/avro.
//
// Example:
//
//   const workload::visit_generator generator(7);
//   std::string datum;
//   const workload::expected_visit visit = generator.make(0, &datum);
//   invariant(generator.index_of(visit.event_id) == 0U, "the index can be read from the event id");
//
// Threads: every function may be called from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <millrace/base/values.h>

namespace millrace::workload {

// The contents of a row of visitor_profile.
struct visit_profile {
  std::string segment;
  double score = 0;
  bool known = false;  // false: the visitor has no row in visitor_profile
};
// Returns the profile of a visitor. One visitor in ten has none.
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

// Returns the symbol of a kind in the schema. `kind` must be that of an expected_visit.
[[nodiscard]] std::string_view kind_name(std::uint32_t kind);

// The records of one seed.
class visit_generator {
 public:
  explicit visit_generator(std::uint64_t seed) noexcept : seed_(seed) {}

  // Returns the record of an index. `value`, unless nullptr, is replaced by its Avro datum, without framing.
  [[nodiscard]] expected_visit make(std::uint64_t index, std::string* value = nullptr) const;
  // Returns the index of an event id; nullopt when this generator does not produce the id.
  [[nodiscard]] std::optional<std::uint64_t> index_of(const uuid& event_id) const noexcept;

 private:
  std::uint64_t seed_;
};

}  // namespace millrace::workload
