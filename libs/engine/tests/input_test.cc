// Several inputs, types and formats in one engine.
#include <fixtures/engine_fixture.h>

#include <millrace/avro/framing.h>
#include <millrace/engine/avro_value.h>
#include <millrace/engine/raw_value.h>

#include "numbered.h"

namespace millrace::engine {
namespace {

using namespace std::chrono_literals;
using seen_list = std::vector<std::string>;

// Notes the numbers that it sees: "NAME 7".
template <class T>
class noting final : public processor<T> {
 public:
  noting(std::string called, const std::string& input, seen_list* seen)
      : called_(std::move(called)), seen_(seen), input_(input) {}
  [[nodiscard]] std::string_view name() const override { return called_; }

  runtime::task<stream::outcome> process(record<T> subject, stream::context) override {
    seen_->push_back(called_ + " " + std::to_string(subject->number));
    co_return stream::outcome::done();
  }

 private:
  std::string called_;
  seen_list* seen_;
  input<T> input_;
};

// Notes bytes or text.
template <class View>
class noting_view final : public processor<View> {
 public:
  explicit noting_view(seen_list* seen) : seen_(seen) {}
  runtime::task<stream::outcome> process(record<View> subject, stream::context) override {
    seen_->emplace_back(reinterpret_cast<const char*>(subject->data()), subject->size());
    co_return stream::outcome::done();
  }

 private:
  seen_list* seen_;
};

// Notes the numbers of keys: "crate 7", "deleted 7", "null".
class noting_keys final : public processor<crate> {
 public:
  explicit noting_keys(seen_list* seen) : seen_(seen) {}
  runtime::task<stream::outcome> process(record<crate> subject, stream::context) override {
    note("crate", crates_.key(subject));
    co_return stream::outcome::done();
  }
  runtime::task<stream::outcome> deleted(deletion subject, stream::context) override {
    note("deleted", crates_.key(subject));
    co_return stream::outcome::done();
  }

 private:
  void note(const std::string& what, const barrel* key) {
    seen_->push_back(what + " " + (key == nullptr ? "null" : std::to_string(key->number)));
  }
  seen_list* seen_;
  input<crate, barrel> crates_{"crates"};
};

// Emits its number under a typed key, or deletes it when it is 0.
class passing_on final : public processor<crate> {
 public:
  runtime::task<stream::outcome> process(record<crate> subject, stream::context ctx) override {
    if (subject->number == 0) {
      ctx.erase(sent_, barrel{5});
    } else {
      ctx.emit(sent_, barrel{subject->number - 2}, *subject);
    }
    co_return stream::outcome::done();
  }

 private:
  input<crate> crates_{"crates"};
  output<crate, barrel> sent_{"sent"};
};

byte_buffer number(std::int64_t value) {
  byte_buffer bytes;
  static_cast<void>(value_traits<crate>::encode({value}, bytes));
  return bytes;
}
byte_buffer framed(std::int32_t schema, std::int64_t value) {
  byte_buffer bytes;
  avro::append_frame(schema, bytes);
  const byte_buffer body = number(value);
  bytes.insert(bytes.end(), body.begin(), body.end());
  return bytes;
}
byte_buffer text(std::string_view from) {
  const bytes_view bytes = as_bytes(from);
  return {bytes.begin(), bytes.end()};
}
part_format unframed(value_encoding encoding) {
  part_format made;
  made.encoding = encoding;
  made.frame = frame_kind::none;
  return made;
}
std::shared_ptr<const stream::schema_document> schema_of(std::string name) {
  return std::make_shared<const stream::schema_document>(
      stream::schema_document{.text = std::move(name), .references = {}});
}

class input_test : public record_engine_test {
 protected:
  static constexpr std::int32_t crate_schema = 1;
  static constexpr std::int32_t barrel_schema = 2;
  static constexpr std::int32_t other_schema = 3;

  input_test() {
    schemas.add(crate_schema, "crate");
    schemas.add(barrel_schema, "barrel");
    schemas.add(other_schema, "letter");
    numbers_decoded = 0;
  }

  // Adds topics of one partition and starts with all of them assigned.
  void start_on(const std::vector<std::string>& topics, const processor_set& set) {
    std::vector<stream::partition_id> all;
    for (const std::string& each : topics) {
      by_name_[each] = log.add_topic(each, 1);
      all.push_back({by_name_[each], 0});
    }
    start_with(set);
    source->assign(all);
    run();
  }
  void send(const std::string& topic, std::optional<byte_buffer> value,
            std::optional<byte_buffer> key = std::nullopt,
            std::vector<std::pair<std::string, std::optional<byte_buffer>>> headers = {}) {
    simulation::simulated_record r;
    r.key = std::move(key);
    r.value = std::move(value);
    r.headers = std::move(headers);
    r.created = std::chrono::time_point_cast<milliseconds>(time.wall());
    log.append({by_name_.at(topic), 0}, std::move(r));
    source->wake();
    advance(1ms);
  }
  [[nodiscard]] std::optional<std::int64_t> committed_of(const std::string& topic) {
    return log.committed({by_name_.at(topic), 0});
  }
  template <class T>
  [[nodiscard]] processor_factory notes(const std::string& called, const std::string& input) {
    return make<noting<T>>(called, input, &seen);
  }

  seen_list seen;

 private:
  std::map<std::string, std::uint32_t> by_name_;
};

TEST_F(input_test, EachProcessorReadsTheTopicsOfItsInput) {
  options.inputs = {{.name = "crates", .topics = {"crates", "crates-eu"}},
                    {.name = "barrels", .topics = {"barrels"}}};
  start_on({"crates", "crates-eu", "barrels"}, {notes<crate>("c", "crates"), notes<barrel>("b", "barrels")});
  send("crates", framed(crate_schema, 1));
  send("barrels", framed(barrel_schema, 2));
  send("crates-eu", framed(crate_schema, 3));
  EXPECT_EQ(seen, (seen_list{"c 1", "b 2", "c 3"}));
  advance(2s);
  EXPECT_EQ(engine_->counts().done, 3U);
  EXPECT_EQ(committed_of("crates"), 1);
  EXPECT_EQ(committed_of("barrels"), 1);
}

TEST_F(input_test, TheProcessorsOfATopicShareItsDecodedRecordAlsoThroughSeveralInputs) {
  options.inputs = {{.name = "crates", .topics = {"crates"}}, {.name = "stock", .topics = {"crates"}}};
  start_on({"crates"},
           {notes<crate>("a", "crates"), notes<crate>("b", "crates"), notes<crate>("c", "stock")});
  send("crates", framed(crate_schema, 1));
  EXPECT_EQ(seen, (seen_list{"a 1", "b 1", "c 1"}));
  EXPECT_EQ(numbers_decoded, 1U);
}

TEST_F(input_test, ProcessorsWithoutAnInputReadTheDefaultBesideOthers) {
  options.inputs = {{.name = "barrels", .topics = {"barrels"}}, {.name = "default", .topics = {"parcels"}}};
  start_on({"barrels"}, {make<storing>(std::string("storing")), notes<barrel>("b", "barrels")});
  assign({0});
  produce(0, 7);
  send("barrels", framed(barrel_schema, 2));
  run();
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{7}));
  EXPECT_EQ(seen, seen_list{"b 2"});
}

TEST_F(input_test, TypesOfOneTopicAreDistinguishedByTheRecordNameOfTheSchema) {
  options.inputs = {{.name = "goods", .topics = {"goods"}}};
  start_on({"goods"}, {notes<crate>("c", "goods"), notes<barrel>("b", "goods"), notes<crate>("d", "goods")});
  send("goods", framed(crate_schema, 1));
  send("goods", framed(barrel_schema, 2));
  send("goods", framed(crate_schema, 3));
  EXPECT_EQ(seen, (seen_list{"c 1", "d 1", "b 2", "c 3", "d 3"}));
  advance(2s);
  EXPECT_EQ(committed_of("goods"), 3);
  EXPECT_EQ(engine_->counts().done, 3U);
}

TEST_F(input_test, ARecordOfAnotherTypeIsDeadLetteredWhereSeveralTypesAreRead) {
  options.inputs = {{.name = "goods", .topics = {"goods"}}};
  start_on({"goods"}, {notes<crate>("c", "goods"), notes<barrel>("b", "goods")});
  send("goods", framed(other_schema, 1));
  advance(2s);
  EXPECT_EQ(dead_letter_header("millrace.dlq.code"), "schema_incompatible");
  EXPECT_NE(dead_letter_header("millrace.dlq.message").find("'letter'"), std::string::npos);
  EXPECT_NE(dead_letter_header("millrace.dlq.message").find("crate, barrel"), std::string::npos);
  EXPECT_EQ(committed_of("goods"), 1);
}

TEST_F(input_test, ARecordOfAnotherTypeIsSkippedWhereTheInputSaysSo) {
  options.inputs = {{.name = "goods", .topics = {"goods"}, .unmatched = unmatched_policy::skip}};
  start_on({"goods"}, {notes<crate>("c", "goods")});
  send("goods", framed(other_schema, 1));
  send("goods", framed(crate_schema, 2));
  advance(2s);
  EXPECT_EQ(seen, seen_list{"c 2"});
  EXPECT_EQ(engine_->counts().skipped, 1U);
  EXPECT_EQ(committed_of("goods"), 2);
  EXPECT_EQ(registry.take_snapshot().value("millrace_records_skipped_total", {{"reason", unmatched_reason}}),
            1);
}

TEST_F(input_test, ARecordOfAnotherTypeStopsTheEngineUncommittedWhereTheInputSaysSo) {
  options.inputs = {{.name = "goods", .topics = {"goods"}, .unmatched = unmatched_policy::stop}};
  start_on({"goods"}, {notes<crate>("c", "goods")});
  send("goods", framed(crate_schema, 1));
  send("goods", framed(other_schema, 2));
  advance(60s);
  ASSERT_EQ(engine_->state(), engine_state::failed);
  EXPECT_NE(engine_->failure()->to_string().find("goods/0 offset 1"), std::string::npos);
  EXPECT_EQ(committed_of("goods"), 1);
  EXPECT_TRUE(sink.written().empty());
}

TEST_F(input_test, WhereOneTypeIsReadEverySchemaIsTried) {
  options.inputs = {{.name = "goods", .topics = {"goods"}}};
  start_on({"goods"}, {notes<crate>("c", "goods")});
  send("goods", framed(other_schema, 1));
  EXPECT_EQ(seen, seen_list{"c 1"});
}

TEST_F(input_test, BytesAndTextAreReadWithoutASchema) {
  options.inputs = {{.name = "default", .topics = {"notes"}, .value = unframed(value_encoding::text)}};
  start_on({"notes"}, {make<noting_view<std::string_view>>(&seen)});
  send("notes", text("first \xC3\xA9"));
  send("notes", text(""));
  send("notes", byte_buffer{std::byte{0xC3}, std::byte{0x28}});
  send("notes", byte_buffer{std::byte{0xED}, std::byte{0xA0}, std::byte{0x80}});
  advance(2s);
  EXPECT_EQ(seen, (seen_list{"first \xC3\xA9", ""}));
  EXPECT_EQ(dead_letter_header("millrace.dlq.code"), "invalid_utf8");
  EXPECT_EQ(sink.written_to("dead").size(), 2U);
  EXPECT_EQ(schemas.fetches(), 0U);
}

TEST_F(input_test, BytesAreReadAsTheyAre) {
  options.inputs = {{.name = "default", .topics = {"blobs"}, .value = unframed(value_encoding::bytes)}};
  start_on({"blobs"}, {make<noting_view<bytes_view>>(&seen)});
  send("blobs", byte_buffer{std::byte{'a'}, std::byte{0xFF}});
  EXPECT_EQ(seen, seen_list{"a\xFF"});
}

TEST_F(input_test, RecordsWithoutAFrameHaveTheSchemaOfTheInput) {
  part_format raw = unframed(value_encoding::avro);
  raw.schema = schema_of("crate");
  options.inputs = {{.name = "crates", .topics = {"crates"}, .value = raw}};
  start_on({"crates"}, {notes<crate>("c", "crates")});
  send("crates", number(4));
  send("crates", byte_buffer(9));
  advance(2s);
  EXPECT_EQ(seen, seen_list{"c 4"});
  EXPECT_EQ(dead_letter_header("millrace.dlq.code"), "trailing_bytes");
  EXPECT_EQ(schemas.fetches(), 0U);
}

TEST_F(input_test, ASingleObjectNamesItsSchemaByTheFingerprint) {
  part_format single;
  single.frame = frame_kind::single_object;
  options.inputs = {{.name = "crates", .topics = {"crates"}, .value = single}};
  options.schema_not_found_grace = 3s;
  schemas.add_tagged(stream::schema_tag::of_fingerprint(0xABCDEF0123456789ULL), "crate");
  start_on({"crates"}, {notes<crate>("c", "crates")});
  const auto object = [](std::uint64_t fingerprint, std::int64_t value) {
    byte_buffer bytes;
    avro::append_single_object(fingerprint, bytes);
    const byte_buffer body = number(value);
    bytes.insert(bytes.end(), body.begin(), body.end());
    return bytes;
  };
  send("crates", object(0xABCDEF0123456789ULL, 5));
  EXPECT_EQ(seen, seen_list{"c 5"});
  send("crates", object(1, 6));
  send("crates", framed(crate_schema, 7));
  advance(10s);
  ASSERT_EQ(sink.written_to("dead").size(), 2U);
  EXPECT_EQ(dead_letter_header("millrace.dlq.code"), "schema_not_found");
  EXPECT_EQ(sink.written_to("dead").back()->header("millrace.dlq.code"), "bad_frame");
  EXPECT_EQ(committed_of("crates"), 3);
}

TEST_F(input_test, TheIdOfTheSchemaMayStandInAHeader) {
  options.inputs = {{.name = "crates", .topics = {"crates"}}};
  start_on({"crates"}, {notes<crate>("c", "crates")});
  byte_buffer id;
  avro::append_frame(crate_schema, id);
  send("crates", number(6), std::nullopt, {{"trace", text("x")}, {"__value_schema_id", id}});
  send("crates", framed(crate_schema, 7), std::nullopt, {{"trace", text("x")}});
  uuid guid;
  guid.bytes.fill(std::byte{0x2A});
  schemas.add_tagged(stream::schema_tag::of_guid(guid), "crate");
  byte_buffer by_guid;
  avro::append_schema_key(guid, by_guid);
  send("crates", number(8), std::nullopt, {{"__value_schema_id", by_guid}});
  EXPECT_EQ(seen, (seen_list{"c 6", "c 7", "c 8"}));
  EXPECT_EQ(stream::schema_tag::of_guid(guid).guid(), guid);
}

// One byte in front: the id.
class short_frame final : public framing {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "short"; }
  [[nodiscard]] result<framed_datum> split(const stream::record_block&, record_part,
                                           bytes_view bytes) const override {
    if (bytes.empty()) return error(errc::bad_frame, "empty");
    return framed_datum{stream::schema_tag::of_id(std::to_integer<std::int32_t>(bytes[0])), bytes.subspan(1)};
  }
};

TEST_F(input_test, AFrameOfTheUsersIsSplitByItsFraming) {
  const short_frame frames;
  part_format custom;
  custom.frame = frame_kind::custom;
  custom.custom_frame = &frames;
  options.inputs = {{.name = "crates", .topics = {"crates"}, .value = custom}};
  start_on({"crates"}, {notes<crate>("c", "crates")});
  byte_buffer value{std::byte{crate_schema}};
  const byte_buffer body = number(9);
  value.insert(value.end(), body.begin(), body.end());
  send("crates", value);
  send("crates", byte_buffer{});
  advance(2s);
  EXPECT_EQ(seen, seen_list{"c 9"});
  EXPECT_EQ(dead_letter_header("millrace.dlq.code"), "bad_frame");
  engine_->abort();
  settle_down();
  engine_.reset();
}

TEST_F(input_test, TypedKeysReachProcessAndDeleted) {
  part_format keys;
  options.inputs = {{.name = "crates", .topics = {"crates"}, .key = keys}};
  start_on({"crates"}, {make<noting_keys>(&seen)});
  send("crates", framed(crate_schema, 1), framed(barrel_schema, 11));
  send("crates", std::nullopt, framed(barrel_schema, 12));
  send("crates", framed(crate_schema, 2));
  send("crates", std::nullopt);
  EXPECT_EQ(seen, (seen_list{"crate 11", "deleted 12", "crate null", "deleted null"}));
}

TEST_F(input_test, AKeyThatCannotBeDecodedIsADeadLetterOfItsRecord) {
  options.inputs = {{.name = "crates", .topics = {"crates"}, .key = part_format{}}};
  start_on({"crates"}, {make<noting_keys>(&seen)});
  send("crates", framed(crate_schema, 1), text("plain"));
  send("crates", framed(crate_schema, 2),
       byte_buffer{std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0}, std::byte{barrel_schema},
                   std::byte{1}});
  advance(2s);
  EXPECT_TRUE(seen.empty());
  const auto dead = sink.written_to("dead");
  ASSERT_EQ(dead.size(), 2U);
  EXPECT_EQ(dead.front()->header("millrace.dlq.code"), "bad_frame");
  EXPECT_EQ(dead.back()->header("millrace.dlq.code"), "truncated");
  EXPECT_NE(dead.back()->header("millrace.dlq.message")->find("key"), std::string::npos);
}

TEST_F(input_test, ARecordWaitsForTheSchemaOfItsKey) {
  options.inputs = {{.name = "crates", .topics = {"crates"}, .key = part_format{}}};
  start_on({"crates"}, {make<noting_keys>(&seen)});
  send("crates", framed(crate_schema, 1), framed(barrel_schema, 10));
  schema_errors = std::vector<error>(3, error(errc::registry_unavailable));
  schemas.add(4, "barrel");
  send("crates", framed(crate_schema, 2), framed(4, 11));
  send("crates", std::nullopt, framed(4, 12));
  EXPECT_EQ(seen, seen_list{"crate 10"});
  EXPECT_EQ(engine_->status_now().schemas_missing, 1U);
  advance(5s);
  EXPECT_EQ(seen, (seen_list{"crate 10", "crate 11", "deleted 12"}));
  EXPECT_TRUE(sink.written().empty());
}

TEST_F(input_test, EmitsCarryATypedKeyInTheFrameOfItsSchema) {
  options.inputs = {{.name = "crates", .topics = {"crates"}}};
  start_on({"crates"}, {make<passing_on>()});
  send("crates", framed(crate_schema, 9));
  send("crates", framed(crate_schema, 0));
  send("crates", framed(crate_schema, 1));
  advance(2s);
  const auto sent = sink.written_to("sent");
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent.front()->key, number(7)) << "outputs of this fixture are not registered: no frame";
  EXPECT_EQ(sent.back()->key, number(5));
  EXPECT_EQ(sent.back()->value, std::nullopt);
  EXPECT_EQ(dead_letter_header("millrace.dlq.code"), "unresolvable") << "its key would be -1";
}

TEST(Output, AKeyIsFramedWithTheIdOfItsSchema) {
  statements::declarations declared;
  const statements::declaration_scope scope(declared);
  output<crate, barrel> sent("sent");
  sent.key_registered_as(300);
  const auto key = sent.encode_key({6});
  ASSERT_TRUE(key);
  EXPECT_EQ(byte_buffer(key->begin(), key->end()), framed(300, 6));
  EXPECT_EQ(sent.key_schema_text(), "barrel");
}

TEST_F(input_test, ARecordRedrivenForAProcessorOfAnotherTopicIsNotSkipped) {
  options.inputs = {{.name = "crates", .topics = {"crates"}}, {.name = "barrels", .topics = {"barrels"}}};
  start_on({"crates", "barrels"}, {notes<crate>("c", "crates"), notes<barrel>("b", "barrels")});
  send("crates", framed(crate_schema, 1), std::nullopt, {{redrive_processor_header, text("b")}});
  advance(2s);
  EXPECT_TRUE(seen.empty());
  EXPECT_EQ(dead_letter_header("millrace.dlq.code"), "redrive_target_unknown");
}

TEST_F(input_test, TombstonesFollowTheProcessorsOfTheirTopic) {
  options.inputs = {{.name = "crates", .topics = {"crates"}, .key = part_format{}},
                    {.name = "barrels", .topics = {"barrels"}}};
  start_on({"crates", "barrels"}, {make<noting_keys>(&seen), notes<barrel>("b", "barrels")});
  send("crates", std::nullopt, framed(barrel_schema, 3));
  send("barrels", std::nullopt, text("k"));
  advance(2s);
  EXPECT_EQ(seen, seen_list{"deleted 3"});
  EXPECT_EQ(engine_->counts().skipped, 1U) << "no processor of barrels overrides deleted()";
}

}  // namespace
}  // namespace millrace::engine
