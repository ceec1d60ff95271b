// Projections: some fields into slots, the rest skipped.
#include <array>
#include <vector>

#include <millrace/avro/projection.h>

#include "allocations.h"
#include "wire.h"

namespace millrace::avro {
namespace {

[[nodiscard]] std::vector<projected_field> fields(std::initializer_list<const char*> paths) {
  std::vector<projected_field> made;
  for (const char* path : paths) made.push_back({path});
  return made;
}

// What the slots show; or the error.
[[nodiscard]] std::string project(std::string_view writer, const std::vector<projected_field>& wanted,
                                  const std::string& message, std::string_view reader = {},
                                  const plan_options& options = {}) {
  const schema from = schema_from(writer);
  const schema to = schema_from(reader.empty() ? writer : reader);
  auto plan = reader.empty() ? projection::compile(from, wanted, options)
                             : projection::compile(from, wanted, to, options);
  if (!plan) return plan.error().to_string();
  EXPECT_EQ(plan->slot_count(), wanted.size());
  arena memory;
  std::vector<value> slots(wanted.size());
  auto used = plan->decode(as_bytes(message), memory, slots);
  if (!used) return used.error().to_string();
  EXPECT_EQ(*used, message.size());
  std::string shown;
  for (const value& slot : slots) {
    // Shown by a schema of the slot's own type.
    if (!shown.empty()) shown += ' ';
    switch (slot.type().type) {
      case schema_type::null:
        shown += "null";
        break;
      case schema_type::int32:
      case schema_type::int64:
        shown += std::to_string(slot.int64());
        break;
      case schema_type::string:
        shown += slot.text();
        break;
      case schema_type::array:
        shown += "[" + std::to_string(slot.items().size()) + "]";
        break;
      case schema_type::record:
        shown += slot.type().name;
        break;
      case schema_type::boolean:
      case schema_type::float32:
      case schema_type::float64:
      case schema_type::bytes:
      case schema_type::enumeration:
      case schema_type::map:
      case schema_type::union_of:
      case schema_type::fixed:
        shown += to_string(slot.type().type);
        break;
    }
  }
  return shown;
}

constexpr const char* visit = R"({"type":"record","name":"Visit","fields":[
  {"name":"id","type":"string"}, {"name":"noise","type":{"type":"map","values":"bytes"}},
  {"name":"page","type":{"type":"record","name":"Page","fields":[
    {"name":"title","type":["null","string"]}, {"name":"url","type":"string"},
    {"name":"tags","type":{"type":"array","items":"string"}}]}},
  {"name":"geo","type":["null",{"type":"record","name":"Geo","fields":[
    {"name":"country","type":"string"}, {"name":"near","type":["null","Page"]}]}]},
  {"name":"at","type":"long"}]})";

[[nodiscard]] std::string page(std::string_view url) {
  return varint(0) + text(url) + varint(2) + text("t1") + text("t2") + varint(0);
}
[[nodiscard]] std::string visited(const std::string& geo) {
  return text("me") + varint(1) + text("k") + text("vv") + varint(0) + page("/home") + geo + varint(77);
}
const std::string nowhere = varint(0);
const std::string somewhere = varint(1) + text("PT") + varint(1) + page("/near");

TEST(projections, read_named_paths_in_the_requested_order) {
  EXPECT_EQ(project(visit, fields({"at", "id", "page.url"}), visited(nowhere)), "77 me /home");
  EXPECT_EQ(project(visit, fields({"page.tags", "page.title", "page.url"}), visited(nowhere)),
            "[2] null /home");
  EXPECT_EQ(project(visit, fields({"page"}), visited(nowhere)), "Page");
  EXPECT_EQ(project(visit, fields({}), visited(somewhere)), "");
  EXPECT_EQ(project(R"("long")", fields({""}), varint(5)), "5") << "the whole value";
}

TEST(projections, read_null_inside_a_null_record) {
  EXPECT_EQ(project(visit, fields({"geo.country", "geo.near.url"}), visited(nowhere)), "null null");
  EXPECT_EQ(project(visit, fields({"geo.country", "geo.near.url"}), visited(somewhere)), "PT /near");
  EXPECT_EQ(project(visit, fields({"geo.near.url", "at"}), visited(varint(1) + text("PT") + varint(0))),
            "null 77");
}

TEST(projections, read_the_branches_that_have_the_field) {
  const char* type = R"({"type":"record","name":"R","fields":[{"name":"u","type":[
    {"type":"record","name":"A","fields":[{"name":"x","type":"int"}]},
    {"type":"record","name":"B","fields":[{"name":"y","type":"int"},{"name":"x","type":"string"}]},
    {"type":"record","name":"C","fields":[{"name":"z","type":"int"}]}, "string"]}]})";
  const auto shown = [&](const std::string& message) { return project(type, fields({"u.x"}), message); };
  EXPECT_EQ(shown(varint(0) + varint(4)), "4");
  EXPECT_EQ(shown(varint(1) + varint(4) + text("b")), "b");
  EXPECT_EQ(shown(varint(2) + varint(4)), "null");
  EXPECT_EQ(shown(varint(3) + text("s")), "null");
}

TEST(projections, refuse_paths_that_the_schema_does_not_have) {
  const auto refused = [](const std::vector<projected_field>& wanted) {
    return project(visit, wanted, visited(nowhere));
  };
  const std::string no = "the schema has no such field";
  EXPECT_EQ(refused(fields({"id", "idd"})), "schema_incompatible: projection of 'idd': " + no);
  EXPECT_EQ(refused(fields({"page.uri"})), "schema_incompatible: projection of 'page.uri': " + no);
  EXPECT_EQ(refused(fields({"id.x"})), "schema_incompatible: projection of 'id.x': " + no);
  EXPECT_EQ(refused(fields({"page.tags.x"})), "schema_incompatible: projection of 'page.tags.x': " + no);
  const std::string twice = "another path is the same or lies inside of it";
  EXPECT_EQ(refused(fields({"id", "id"})), "schema_incompatible: projection of 'id': " + twice);
  EXPECT_EQ(refused(fields({"page", "page.url"})), "schema_incompatible: projection of 'page.url': " + twice);
  EXPECT_EQ(refused(fields({"page.url", "page"})), "schema_incompatible: projection of 'page': " + twice);
  EXPECT_EQ(refused(fields({"", "id"})), "schema_incompatible: projection of '': " + no);
  EXPECT_EQ(refused({{"idd", true}, {"page.uri.x", true}, {"at"}}), "null null 77") << "optional";
}

TEST(projections, resolve_to_the_readers_schema) {
  const char* reader = R"({"type":"record","name":"Visit","fields":[
    {"name":"who","type":"string","aliases":["id"]},
    {"name":"page","type":{"type":"record","name":"Page","fields":[
      {"name":"url","type":"bytes"}, {"name":"lang","type":"string","default":"en"}]}},
    {"name":"shop","type":{"type":"record","name":"Shop","fields":[
      {"name":"name","type":"string"}, {"name":"size","type":"int","default":3}]},"default":{"name":"none"}},
    {"name":"at","type":["null","double"]}]})";
  EXPECT_EQ(project(visit, fields({"who", "page.url", "page.lang", "shop.name", "shop.size", "at"}),
                    visited(nowhere), reader),
            "me bytes en none 3 double");
  EXPECT_EQ(project(visit, fields({"at"}), visited(nowhere),
                    R"({"type":"record","name":"Visit","fields":[{"name":"at","type":"string"}]})"),
            "schema_incompatible: at: the writer has long, the reader wants string");
  EXPECT_EQ(project(visit, fields({"id"}), visited(nowhere),
                    R"({"type":"record","name":"Visit","fields":[{"name":"id","type":"string"},
                        {"name":"at","type":"string"}]})"),
            "me")
      << "what is not asked for is not resolved";
}

TEST(projections, validate_skipped_fields) {
  const std::string message = visited(somewhere);
  for (std::size_t size = 0; size < message.size(); ++size) {
    const std::string found = project(visit, fields({"page.url"}), message.substr(0, size));
    EXPECT_EQ(found.substr(0, 9), "truncated") << size << found;
  }
}

TEST(projections, read_paths_into_recursive_schemas) {
  const char* list = R"({"type":"record","name":"L","fields":[{"name":"v","type":"int"},
    {"name":"next","type":["null","L"]}]})";
  const std::string three = varint(1) + varint(1) + varint(2) + varint(1) + varint(3) + varint(0);
  EXPECT_EQ(project(list, fields({"v", "next.v", "next.next.v", "next.next.next.v"}), three), "1 2 3 null");
  EXPECT_EQ(project(list, fields({"next.next", "v"}), three), "L 1");
}

TEST(projections, allocate_nothing_in_the_steady_state) {
  const schema type = schema_from(visit);
  const auto plan =
      projection::compile(type, fields({"id", "page.url", "page.tags", "geo.near", "at"})).value();
  const std::string message = visited(somewhere);
  arena memory;
  std::array<value, 5> slots;
  const auto run = [&] {
    memory.reset();
    return plan.decode(as_bytes(message), memory, slots).ok();
  };
  ASSERT_TRUE(run() && run());
  const std::size_t before = allocations();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(run());
  EXPECT_EQ(allocations(), before);
}

}  // namespace
}  // namespace millrace::avro
