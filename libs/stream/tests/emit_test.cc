#include <string>

#include <gtest/gtest.h>

#include <millrace/stream/emit.h>

namespace millrace::stream {
namespace {

using namespace std::chrono_literals;

class visits final : public statements::output_declaration {
 public:
  visits() : output_declaration("visits") {}
  [[nodiscard]] std::string_view schema_text() const noexcept override { return {}; }
};

class emit_check_test : public testing::Test {
 protected:
  [[nodiscard]] std::string refusal(const emit_request& request) const {
    const result<void> checked = check(request);
    return checked ? "" : checked.error().to_string();
  }

  statements::declarations declared;
  statements::declaration_scope scope{declared};
  visits to;
};

TEST(EmitKey, IsTextBytesTheKeyOfTheRecordOrNull) {
  const std::string text = "v1";
  const byte_buffer bytes{std::byte{1}, std::byte{2}};
  const std::optional<bytes_view> absent;
  EXPECT_EQ(as_text(*emit_key("v1").bytes()), "v1");
  EXPECT_EQ(as_text(*emit_key(text).bytes()), "v1");
  EXPECT_EQ(as_text(*emit_key(std::string_view(text)).bytes()), "v1");
  EXPECT_EQ(emit_key(bytes).bytes()->size(), 2U);
  EXPECT_EQ(emit_key(bytes_view(bytes)).bytes()->size(), 2U);
  EXPECT_EQ(emit_key(std::optional<bytes_view>(bytes)).bytes()->size(), 2U);
  EXPECT_EQ(emit_key("").bytes()->size(), 0U) << "an empty key is a key";
  EXPECT_FALSE(emit_key(absent).bytes());
  EXPECT_FALSE(emit_key(no_key).bytes());
}

TEST(EmitHeader, IsTextBytesOrNull) {
  const byte_buffer bytes{std::byte{1}, std::byte{2}};
  const emit_options options{.headers = {{"text", "web"}, {"bytes", bytes}, {"null", std::nullopt}}};
  EXPECT_EQ(as_text(*options.headers[0].value), "web");
  EXPECT_EQ(options.headers[1].value->size(), 2U);
  EXPECT_FALSE(options.headers[2].value);
}

TEST(EmitTimestamp, IsThatOfTheRecordTheTimeOfProductionOrAGivenOne) {
  const timestamp of_record{5s};
  EXPECT_EQ(emit_timestamp::of_record().resolved(of_record), of_record);
  EXPECT_EQ(emit_timestamp::now().resolved(of_record), std::nullopt);
  EXPECT_EQ(emit_timestamp(timestamp{7s}).resolved(of_record), timestamp{7s});
  EXPECT_EQ(emit_timestamp::of_record().resolved(timestamp()), std::nullopt) << "the record has none";
}

TEST_F(emit_check_test, OptionsWithinTheRulesAreAccepted) {
  const emit_options options{.headers = {{"source", "web"}, {"millrace", "not reserved"}},
                             .timestamp = timestamp{1ms},
                             .partition = 0};
  EXPECT_EQ(refusal({to, as_bytes("v1"), &options}), "");
  EXPECT_EQ(refusal({to, std::nullopt, &options}), "");
  EXPECT_EQ(refusal({to, as_bytes("v1"), nullptr, true}), "");
}

TEST_F(emit_check_test, ReservedHeaderNamesAreRefused) {
  const emit_options options{.headers = {{"source", "web"}, {"millrace-id", "mine"}}};
  EXPECT_EQ(refusal({to, as_bytes("v1"), &options}),
            "produce_rejected: output 'visits': header 'millrace-id': names that begin with 'millrace-' are "
            "reserved");
}

TEST_F(emit_check_test, PartitionsAndTimestampsThatKafkaCannotHoldAreRefused) {
  const emit_options negative{.partition = -1};
  EXPECT_EQ(refusal({to, as_bytes("v1"), &negative}),
            "produce_rejected: output 'visits': partition -1 is negative");
  const emit_options early{.timestamp = timestamp{0ms}};
  EXPECT_EQ(refusal({to, as_bytes("v1"), &early}),
            "produce_rejected: output 'visits': the timestamp must be after 1970");
}

TEST_F(emit_check_test, ATombstoneWithoutAKeyIsRefused) {
  EXPECT_EQ(
      refusal({to, std::nullopt, nullptr, true}),
      "produce_rejected: output 'visits': a tombstone must have a key: it deletes the records of that key");
}

}  // namespace
}  // namespace millrace::stream
