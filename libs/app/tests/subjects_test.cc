#include "subjects.h"

#include <gtest/gtest.h>

namespace millrace::app {
namespace {

class visits_output final : public statements::output_declaration {
 public:
  visits_output() : output_declaration("visits") { route_to("visits-v2"); }
  [[nodiscard]] std::string_view schema_text() const noexcept override {
    return R"({"type": "record", "name": "Visit", "namespace": "tracking", "fields": []})";
  }
};

std::string subject_with(registry::subject_naming of_all,
                         const std::map<std::string, std::string>& of_outputs) {
  statements::declarations declared;
  const statements::declaration_scope scope(declared);
  const visits_output output;
  app_config settings;
  settings.registry.emplace();
  settings.registry->subject_naming = of_all;
  settings.registry->subject_naming_of = of_outputs;
  const auto subject = subject_for(output, settings);
  return subject ? *subject : subject.error().to_string();
}

TEST(subjects, FollowTheStrategyOfTheRegistry) {
  EXPECT_EQ(subject_with(registry::subject_naming::topic, {}), "visits-v2-value");
  EXPECT_EQ(subject_with(registry::subject_naming::record, {}), "tracking.Visit");
  EXPECT_EQ(subject_with(registry::subject_naming::topic_record, {}), "visits-v2-tracking.Visit");
}

TEST(subjects, AnOutputMayHaveItsOwnStrategy) {
  EXPECT_EQ(subject_with(registry::subject_naming::topic, {{"visits", "record"}}), "tracking.Visit");
  EXPECT_EQ(subject_with(registry::subject_naming::record, {{"visits", "topic"}}), "visits-v2-value");
  EXPECT_EQ(subject_with(registry::subject_naming::topic, {{"orders", "record"}}), "visits-v2-value");
}

TEST(subjects, WithoutARegistryTheTopicNamesTheSubject) {
  statements::declarations declared;
  const statements::declaration_scope scope(declared);
  const visits_output output;
  EXPECT_EQ(*subject_for(output, app_config()), "visits-v2-value");
}

}  // namespace
}  // namespace millrace::app
