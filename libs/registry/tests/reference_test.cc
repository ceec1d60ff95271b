// Schemas that refer to others.
#include <map>

#include "fixture.h"

namespace millrace::registry::test {
namespace {

class reference_test : public registry_test {
 protected:
  // Registers a record `name` with a field for each of the names it refers to, and returns its version.
  schema_reference add(const std::string& name, const std::vector<schema_reference>& uses) {
    std::string fields;
    for (const schema_reference& each : uses) {
      fields += (fields.empty() ? "" : ",") + std::string(R"({"name":"f)") + std::to_string(fields.size()) +
                R"(","type":")" + each.name + "\"}";
    }
    const auto id = registry->register_schema(
        name, R"({"type":"record","name":")" + name + R"(","fields":[)" + fields + "]}", uses);
    EXPECT_TRUE(id) << id.error().to_string();
    ids[name] = id.value_or(0);
    return {name, name, 1};
  }
  std::vector<std::string> names_of(const std::string& name) {
    const auto found = fetch(*registry, ids[name]);
    EXPECT_TRUE(found) << found.error().to_string();
    std::vector<std::string> names;
    if (!found) return names;
    for (const std::string& each : (*found)->references) names.push_back(name_in(each));
    names.push_back(name_in((*found)->text));
    return names;
  }
  static std::string name_in(const std::string& schema) {
    const std::size_t at = schema.find(R"("name":")") + 8;
    return schema.substr(at, schema.find('"', at) - at);
  }

  std::map<std::string, std::int32_t> ids;
};

TEST_F(reference_test, ADiamondIsFetchedOnceAndComesInTheOrderOfUse) {
  connect();
  const auto d = add("D", {});
  const auto b = add("B", {d});
  const auto c = add("C", {d});
  add("A", {b, c});
  EXPECT_EQ(names_of("A"), (std::vector<std::string>{"D", "B", "C", "A"}));
  EXPECT_EQ(server->requests("GET /subjects/D/versions/1"), 1U);
}

TEST_F(reference_test, ADeletedReferenceIsStillRead) {
  connect();
  add("A", {add("B", {})});
  ASSERT_EQ(server->requests("GET /subjects/B/versions/1"), 0U);
  // A soft deletion, as a person would do it.
  server->remove_subject("B");
  EXPECT_EQ(registry->find("B", 1).error().code(), errc::schema_not_found);
  EXPECT_EQ(names_of("A"), (std::vector<std::string>{"B", "A"}));
}

TEST_F(reference_test, AReferenceMayLeadIntoAnotherContext) {
  start_server();
  options.context = ".shared";
  connect();
  add("B", {});
  options.context.clear();
  connect();
  add("A", {{"B", ":.shared:B", 1}});
  EXPECT_EQ(names_of("A"), (std::vector<std::string>{"B", "A"}));
}

TEST_F(reference_test, AHundredLevelsOfReferencesAreFetched) {
  connect();
  schema_reference below = add("R0", {});
  for (int i = 1; i <= 100; ++i) below = add("R" + std::to_string(i), {below});
  const auto names = names_of("R100");
  ASSERT_EQ(names.size(), 101U);
  EXPECT_EQ(names.front(), "R0");
  EXPECT_EQ(names.back(), "R100");
}

TEST_F(reference_test, ACycleIsRefusedAndNamed) {
  start_server();
  const auto refers = [&](std::int32_t id, const std::string& to) {
    ASSERT_TRUE(server->put_object(
        id, R"({"schema":"\"string\"","references":[{"name":"x","subject":")" + to + R"(","version":1}]})"));
  };
  // No registry would take it: the version's content is replaced behind its back.
  const auto a = server->add("a", R"("int")");
  const auto b = server->add("b", R"("long")");
  refers(a->id, "b");
  refers(b->id, "a");
  connect();
  const auto refused = fetch(*registry, a->id);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::schema_invalid);
  EXPECT_NE(refused.error().message().find("'b' version 1 closes a cycle"), std::string::npos)
      << refused.error().message();
}

TEST_F(reference_test, AMissingReferenceIsNotFoundAndNamed) {
  start_server();
  ASSERT_TRUE(server->put_object(
      7, R"({"schema":"\"string\"","references":[{"name":"x","subject":"gone","version":3}]})"));
  connect();
  const auto missing = fetch(*registry, 7);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), errc::schema_not_found);
  EXPECT_NE(missing.error().message().find("'gone' version 3"), std::string::npos);
}

TEST_F(reference_test, AReferenceOfAnotherTypeIsRefused) {
  start_server();
  const auto other = server->add("other", R"({"type":"object"})");
  server->put(other->id, "{}", "JSON");
  ASSERT_TRUE(server->put_object(
      7, R"({"schema":"\"string\"","references":[{"name":"x","subject":"other","version":1}]})"));
  connect();
  EXPECT_EQ(failure_of(*registry, 7), errc::unsupported);
}

TEST_F(reference_test, AnEndlessChainIsCutOff) {
  connect();
  schema_reference below = add("R0", {});
  for (int i = 1; i <= 300; ++i) below = add("R" + std::to_string(i), {below});
  EXPECT_EQ(failure_of(*registry, ids["R300"]), errc::limit_exceeded);
}

TEST_F(reference_test, TheBytesOfASchemaWithItsReferencesAreBounded) {
  options.response_bytes_max = {3'000};
  connect();
  std::vector<schema_reference> all;
  for (int i = 0; i < 5; ++i) {
    const std::string name = "P" + std::to_string(i);
    ASSERT_TRUE(registry->register_schema(name, R"({"type":"enum","name":")" + name +
                                                    R"(","symbols":["A"],"doc":")" + std::string(900, 'd') +
                                                    "\"}"));
    all.push_back({name, name, 1});
  }
  const auto id = registry->register_schema("whole", R"({"type":"record","name":"W","fields":[]})", all);
  ASSERT_TRUE(id);
  EXPECT_EQ(failure_of(*registry, *id), errc::limit_exceeded);
}

}  // namespace
}  // namespace millrace::registry::test
