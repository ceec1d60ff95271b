#include <gtest/gtest.h>

#include "sample.h"

namespace millrace::config {
namespace {

TEST_F(SampleConfig, ShowPrintsEveryValueWithItsOriginAndMasksSecrets) {
  set_variable("MILLRACE__KAFKA__GROUP", "blue");
  set_variable("PW", "hunter2");
  set_flag("pipeline.order=key");
  const auto config = read(
      "kafka:\n  bootstrap_servers: 'b: 1'\n  properties: {client.id: x, sasl.password: p}\n"
      "  sasl: {user: ann, password: '${env:PW}'}\nsources:\n- topic: a\n");
  EXPECT_TRUE(config.ok()) << to_text(config.diagnostics, false);
  EXPECT_EQ(show(spec_, config.value, config.origins),
            "kafka:\n"
            "  bootstrap_servers: \"b: 1\"                     # config.yaml:2\n"
            "  group: blue                                   # MILLRACE__KAFKA__GROUP\n"
            "  session_timeout: 45s                          # default\n"
            "  properties:\n"
            "    client.id: x                                # config.yaml:3\n"
            "    sasl.password: \"***\"                        # config.yaml:3\n"
            "  sasl:\n"
            "    user: ann                                   # config.yaml:4\n"
            "    password: \"***\"                             # config.yaml:4 via ${env:PW}\n"
            "pipeline:\n"
            "  order: key                                    # --set pipeline.order\n"
            "  in_flight: 1024                               # default\n"
            "  bytes_in_flight: 64MiB                        # default\n"
            "  dead_letter_ratio_max: 0.5                    # default\n"
            "  commit: true                                  # default\n"
            "  drain_timeout: 20s                            # default\n"
            "  ignored_errors: [rejected]                    # default\n"
            "  # dead_letter_topic: not set\n"
            "sources:\n"
            "  - topic: a                                    # config.yaml:6\n"
            "    processors: 1                               # default\n");
}

TEST_F(SampleConfig, ShownConfigurationReadsBackTheSame) {
  sample_config odd;
  odd.kafka.bootstrap_servers = "quote\" back\\slash\nnew\tline: # {x} - é";
  odd.kafka.group = "null";
  odd.kafka.session_timeout = 6001ms;
  odd.kafka.properties = {{"a b", "- x"}, {"c", ""}, {"d:", "~"}};
  odd.pipeline.dead_letter_topic = "true";
  odd.pipeline.ignored_errors = {"a, b", "[c]", "-"};
  odd.pipeline.drain_timeout = 1ns;
  odd.sources = {{"x", 2}, {"y", 3}};
  const auto again = read(show(spec_, odd));
  ASSERT_TRUE(again.ok()) << show(spec_, odd) << to_text(again.diagnostics, false);
  EXPECT_EQ(again.value.kafka.bootstrap_servers, odd.kafka.bootstrap_servers);
  EXPECT_EQ(again.value.kafka.group, odd.kafka.group);
  EXPECT_EQ(again.value.kafka.session_timeout, odd.kafka.session_timeout);
  EXPECT_EQ(again.value.kafka.properties, odd.kafka.properties);
  EXPECT_EQ(again.value.pipeline.dead_letter_topic, odd.pipeline.dead_letter_topic);
  EXPECT_EQ(again.value.pipeline.ignored_errors, odd.pipeline.ignored_errors);
  EXPECT_EQ(again.value.pipeline.drain_timeout, odd.pipeline.drain_timeout);
  ASSERT_EQ(again.value.sources.size(), 2U);
  EXPECT_EQ(again.value.sources[1].topic, "y");
}

}  // namespace
}  // namespace millrace::config
