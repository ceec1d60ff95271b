#include <gtest/gtest.h>

#include <millrace/avro/plan.h>
#include <millrace/workload/navigation_schema.h>
#include <millrace/workload/visit_generator.h>

#include "navigation.avsc.h"

namespace millrace::workload {
namespace {

TEST(VisitGenerator, TheDatumDecodesToTheExpectedVisit) {
  const visit_generator generator(42);
  const auto schema = avro::schema::parse(navigation_schema());
  ASSERT_TRUE(schema.ok()) << schema.error().to_string();
  const auto decode = avro::decoder<tracking::Navigation>::compile(*schema);
  ASSERT_TRUE(decode.ok()) << decode.error().to_string();
  avro::arena memory;
  tracking::Navigation visit;
  for (std::uint64_t index = 0; index < 500; ++index) {
    memory.reset();
    std::string datum;
    const expected_visit expected = generator.make(index, &datum);
    const auto decoded = decode->decode_exactly(as_bytes(datum), memory, visit);
    ASSERT_TRUE(decoded.ok()) << index << ": " << decoded.error().to_string();
    EXPECT_EQ(visit.visitor_id, expected.visitor_id);
    EXPECT_EQ(visit.event_id, expected.event_id);
    EXPECT_EQ(visit.partner_id, expected.partner_id);
    EXPECT_EQ(visit.page.url, expected.url);
    EXPECT_EQ(visit.products.size(), static_cast<std::size_t>(expected.products));
    ASSERT_EQ(static_cast<bool>(visit.geo), expected.country.has_value());
    if (visit.geo) {
      EXPECT_EQ(visit.geo->country, *expected.country);
    }
  }
}

TEST(VisitGenerator, AnEventIdLeadsBackToItsIndexUnderTheSameSeedOnly) {
  const visit_generator generator(42);
  const visit_generator other(43);
  for (std::uint64_t index = 0; index < 500; ++index) {
    const uuid id = generator.make(index).event_id;
    EXPECT_EQ(generator.index_of(id), index);
    EXPECT_EQ(other.index_of(id), std::nullopt);
  }
}

TEST(VisitGenerator, OneVisitorInTenHasNoProfile) {
  int unknown = 0;
  for (std::uint32_t visitor = 0; visitor < 10'000; ++visitor) unknown += profile_of(visitor).known ? 0 : 1;
  EXPECT_NEAR(unknown, 1'000, 200);
}

}  // namespace
}  // namespace millrace::workload
