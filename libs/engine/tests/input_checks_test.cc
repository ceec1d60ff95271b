// What prevents a start: inputs and processors that do not fit.
#include <gtest/gtest.h>

#include <millrace/engine/avro_value.h>
#include <millrace/engine/input_options.h>
#include <millrace/engine/processor.h>
#include <millrace/engine/raw_value.h>

#include "numbered.h"

namespace millrace::engine {
struct memo {
  std::string_view text;
};
}  // namespace millrace::engine

template <>
struct millrace::avro::describe<millrace::engine::memo> {
  static type_descriptor type() {
    return record_of<millrace::engine::memo>("memo", {field("text", &millrace::engine::memo::text)});
  }
};

namespace millrace::engine {
namespace {

template <class T, class K = void>
class reading final : public processor<T> {
 public:
  reading(std::string called, const std::string& input) : called_(std::move(called)), input_(input) {}
  [[nodiscard]] std::string_view name() const override { return called_; }
  runtime::task<stream::outcome> process(record<T>, stream::context) override {
    co_return stream::outcome::done();
  }

 private:
  std::string called_;
  input<T, K> input_;
};

template <class T>
class plain final : public processor<T> {
 public:
  runtime::task<stream::outcome> process(record<T>, stream::context) override {
    co_return stream::outcome::done();
  }
};

class mismatched final : public processor<crate> {
 public:
  runtime::task<stream::outcome> process(record<crate>, stream::context) override {
    co_return stream::outcome::done();
  }

 private:
  input<barrel> barrels_{"barrels"};
};

class with_two_keys final : public processor<crate> {
 public:
  runtime::task<stream::outcome> process(record<crate>, stream::context) override {
    co_return stream::outcome::done();
  }

 private:
  input<crate, crate> a_{"a"};
  input<crate, barrel> b_{"b"};
};

template <class T, class K = void>
processor_factory reads(const std::string& called, const std::string& input) {
  return make<reading<T, K>>(called, input);
}

std::string refusal(const processor_set& set) {
  const auto built = build(set);
  if (built) return "built";
  EXPECT_EQ(built.error().code(), errc::config_invalid);
  return built.error().message();
}

// "INPUT.SETTING: MESSAGE" of the only problem.
std::string problem(const processor_set& set, const std::vector<input_options>& inputs) {
  const auto built = build(set);
  if (!built) return "not built: " + built.error().message();
  const auto found = check_inputs(*built, inputs);
  if (found.empty()) return "none";
  EXPECT_EQ(found.size(), 1U) << found.back().message;
  const std::string where =
      found.front().input == input_problem::nowhere ? "nowhere" : std::to_string(found.front().input);
  return where + "." + found.front().setting + ": " + found.front().message;
}

bool contains(const std::string& text, std::string_view part) {
  const bool found = text.find(part) != std::string::npos;
  EXPECT_TRUE(found) << text;
  return found;
}

part_format unframed(value_encoding encoding, std::string_view schema = {}) {
  part_format made;
  made.encoding = encoding;
  made.frame = frame_kind::none;
  if (!schema.empty())
    made.schema = std::make_shared<const stream::schema_document>(
        stream::schema_document{.text = std::string(schema), .references = {}});
  return made;
}

TEST(Build, RefusesStructsOfOneInputThatNoRecordNameDistinguishes) {
  EXPECT_TRUE(
      contains(refusal({reads<crate>("a", "x"), reads<thing>("b", "x")}), "thing has no record name"));
  EXPECT_TRUE(
      contains(refusal({reads<crate>("a", "x"), reads<small_crate>("b", "x")}), "share each decoded record"));
  EXPECT_TRUE(contains(refusal({make<plain<crate>>(), make<plain<thing>>()}), "input 'default'"));
  EXPECT_EQ(refusal({reads<crate>("a", "x"), reads<barrel>("b", "x")}), "built");
  EXPECT_EQ(refusal({reads<crate>("a", "x"), reads<thing>("b", "y")}), "built");
}

TEST(Build, RefusesAnInputOfAnotherStructThanItsProcessor) {
  EXPECT_TRUE(contains(refusal({make<mismatched>()}), "its input 'barrels' is of barrel"));
}

TEST(Build, RefusesInputsWithDifferentTypesOfKeys) {
  EXPECT_TRUE(contains(refusal({make<with_two_keys>()}), "different types of keys"));
  EXPECT_TRUE(contains(refusal({reads<crate, crate>("a", "x"), reads<crate, barrel>("b", "x")}),
                       "share each decoded key"));
  EXPECT_EQ(refusal({reads<crate, crate>("a", "x"), reads<crate>("b", "x")}), "built");
}

TEST(CheckInputs, AcceptsProcessorsWithoutInputsAndAnyTopic) {
  EXPECT_EQ(problem({make<plain<crate>>()}, {}), "none");
}

TEST(CheckInputs, AnInputWithoutTopicsIsNamed) {
  EXPECT_EQ(problem({reads<crate>("a", "x")}, {{.name = "x"}}), "0.topics: the input 'x' has no topics");
  EXPECT_EQ(problem({reads<crate>("a", "x"), reads<crate>("b", "y")}, {{.name = "x", .topics = {"t"}}}),
            "nowhere.: processor 'b' reads the input 'y', which has no topics");
  EXPECT_TRUE(
      contains(problem({make<plain<crate>>(), reads<crate>("b", "y")}, {{.name = "y", .topics = {"t"}}}),
               "declares no input"));
}

TEST(CheckInputs, AnInputThatNoProcessorReadsIsNamed) {
  EXPECT_EQ(
      problem({reads<crate>("a", "x")}, {{.name = "x", .topics = {"t"}}, {.name = "y", .topics = {"u"}}}),
      "1.name: no processor reads the input 'y'");
}

TEST(CheckInputs, ATopicIsInOneFormat) {
  const processor_set set{reads<crate>("a", "x"), reads<crate>("b", "y")};
  EXPECT_EQ(problem(set, {{.name = "x", .topics = {"t"}}, {.name = "y", .topics = {"u", "t"}}}), "none");
  EXPECT_EQ(problem(set, {{.name = "x", .topics = {"t"}},
                          {.name = "y", .topics = {"u", "t"}, .value = unframed(value_encoding::bytes)}}),
            "1.topics[1]: topic 't' is of the inputs 'x' and 'y', whose `format` differ");
  EXPECT_TRUE(contains(problem(set, {{.name = "x", .topics = {"t"}, .unmatched = unmatched_policy::skip},
                                     {.name = "y", .topics = {"t"}}}),
                       "`unmatched`"));
}

TEST(CheckInputs, StructsThatMeetInATopicThroughTwoInputsAreDistinguished) {
  EXPECT_TRUE(contains(problem({reads<crate>("a", "x"), reads<small_crate>("b", "y")},
                               {{.name = "x", .topics = {"t"}}, {.name = "y", .topics = {"t"}}}),
                       "1.topics[0]: processor 'a' reads crate"));
  EXPECT_EQ(problem({reads<crate>("a", "x"), reads<barrel>("b", "y")},
                    {{.name = "x", .topics = {"t"}}, {.name = "y", .topics = {"t"}}}),
            "none");
}

TEST(CheckInputs, SeveralStructsNeedAFrame) {
  EXPECT_TRUE(
      contains(problem({reads<crate>("a", "x"), reads<barrel>("b", "x")},
                       {{.name = "x", .topics = {"t"}, .value = unframed(value_encoding::avro, "crate")}}),
               "0.format"));
}

TEST(CheckInputs, TheSchemaOfAnInputIsCompiledForItsStructs) {
  const processor_set set{reads<crate>("a", "x")};
  EXPECT_TRUE(contains(
      problem(set, {{.name = "x", .topics = {"t"}, .value = unframed(value_encoding::avro, "nonsense")}}),
      "0.schema_file: the schema cannot be read as crate"));
  EXPECT_EQ(problem(set, {{.name = "x", .topics = {"t"}, .value = unframed(value_encoding::avro)}}),
            "0.schema_file: the records have no frame, and the input names no schema");
}

TEST(CheckInputs, AnEncodingThatTheStructIsNotReadFromIsNamed) {
  EXPECT_EQ(problem({reads<std::string_view>("a", "x")},
                    {{.name = "x", .topics = {"t"}, .value = unframed(value_encoding::text)}}),
            "none");
  EXPECT_TRUE(contains(problem({reads<std::string_view>("a", "x")},
                               {{.name = "x", .topics = {"t"}, .value = unframed(value_encoding::bytes)}}),
                       "0.format: processor 'a' reads"));
  EXPECT_TRUE(contains(problem({reads<crate, std::string_view>("a", "x")}, {{.name = "x", .topics = {"t"}}}),
                       "0.key_format"));
}

TEST(ValueTraits, StructsAreReadFromAvroAndFromJson) {
  EXPECT_EQ(format_as<memo>(value_encoding::json), &json_traits<memo>::format());
  EXPECT_EQ(format_as<memo>(value_encoding::avro), &value_traits<memo>::format());
  EXPECT_EQ(format_as<memo>(value_encoding::text), nullptr);
  EXPECT_EQ(format_as<std::string_view>(value_encoding::json), nullptr);
  EXPECT_EQ(format_as<bytes_view>(value_encoding::bytes), &bytes_format());
  EXPECT_EQ(format_as<crate>(value_encoding::json), &value_traits<crate>::format()) << "of the user's own";
}

TEST(AvroMatch, TheRecordNameAndItsAliasesDecide) {
  avro::type_descriptor target;
  target.schema_text = R"({"type":"record","name":"shop.Order","aliases":["old.Order"],"fields":[]})";
  const auto accepts = [&target](std::string_view name) {
    const auto match = internal::match_avro(
        {R"({"type":"record","name":")" + std::string(name) + R"(","fields":[]})", {}}, target);
    return match && match->accepted && match->record_name == name;
  };
  EXPECT_EQ(internal::record_name_of(target), "shop.Order");
  EXPECT_TRUE(accepts("shop.Order"));
  EXPECT_TRUE(accepts("old.Order"));
  EXPECT_FALSE(accepts("other.Order"));
  EXPECT_FALSE(accepts("shop.Payment"));
  target.schema_text = {};
  target.name = "Order";
  EXPECT_TRUE(accepts("other.Order")) << "a name without a namespace stands for any";
  EXPECT_FALSE(accepts("shop.Payment"));
}

}  // namespace
}  // namespace millrace::engine
