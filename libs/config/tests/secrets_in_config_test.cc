// No output of this library holds a secret, whatever is wrong with the file.
#include <gtest/gtest.h>

#include "sample.h"

namespace millrace::config {
namespace {

constexpr std::string_view canary = "hunter2";

class Secrets : public SampleConfig {
 protected:
  // Everything that the library says about a file.
  std::string everything_about(const std::string& text) {
    const auto config = read(text);
    std::string said = to_text(config.diagnostics, false) + to_text(config.diagnostics, true) +
                       to_json(config.diagnostics) + show(spec_, config.value, config.origins);
    if (!config.ok()) said += to_error(config.diagnostics).to_string();
    return said;
  }
};

TEST_F(Secrets, ALiteralInTheFileWorksWithAWarning) {
  const auto config = read(std::string(minimal) + "  in_flight: 2\n");
  EXPECT_TRUE(config.diagnostics.empty());
  EXPECT_EQ(
      complaints("kafka:\n  bootstrap_servers: b:1\n  sasl:\n    user: ann\n    password: hunter2\n"
                 "  properties:\n    ssl.key.password: hunter2\n    ssl.key.location: /k\n"
                 "pipeline: {dead_letter_topic: d}\n"),
      "config.yaml:5:5: warning[literal_secret]: `kafka.sasl.password` is a secret that is written in "
      "the file\n"
      "   5 |     password: ***\n"
      "     |     ^^^^^^^^\n"
      "     = help: use a reference: ${file:/path} or ${env:NAME}\n"
      "config.yaml:7:5: warning[literal_secret]: `kafka.properties.ssl.key.password` is a secret that is "
      "written in the file\n"
      "   7 |     ssl.key.password: ***\n"
      "     |     ^^^^^^^^^^^^^^^^\n"
      "     = help: use a reference: ${file:/path} or ${env:NAME}\n");
}

TEST_F(Secrets, AreNeverPrintedInErrors) {
  const std::vector<std::string> files = {
      "kafka:\n  sasl: {user: a, password: hunter2}\n",
      "kafka:\n  sasl: {user: [], password: hunter2}\n",
      "kafka:\n  sasl: {user: a, passwrod: hunter2}\n",
      "kafka:\n  sasl: {user: a, \"password\":hunter2, x: y}\n",
      "kafka:\n  sasl:\n    password: [hunter2]\n",
      "kafka:\n  sasl:\n    password: {hunter2: hunter2}\n",
      "kafka:\n  sasl:\n    password:\n      - hunter2\n",
      "kafka:\n  sasl:\n    password: a\n    password: hunter2\n",
      "kafka:\n  sasl:\n    password: \"hunter2\n",
      "kafka:\n  sasl:\n    password: hunter2: x\n",
      "kafka:\n  sasl:\n    password: ${hunter2}\n",
      "kafka:\n  sasl:\n    password: a${hunter2\n",
      "kafka:\n  sasl:\n    password: ${x:hunter2}\n",
      "kafka:\n  sasl:\n    password: |\n      line\n      hunter2\n     worse: [\n",
      "kafka:\n  sasl:\n    password: \"line\n      hunter2\n    user: x\n",
      "kafka:\n  properties: {sasl.password: hunter2, a: [1]}\n",
      "kafka:\n  properties: hunter2\n",
      "kafka:\n  properties:\n    sasl.password: [hunter2]\n",
      "kafka:\n  properties:\n    sasl.password: ${hunter2}\n",
      "kafka:\n  api_key: hunter2\n",
      "kafka:\n  api_key:\n    - hunter2\n  group: [\n",
      "token: hunter2\n",
      "kafka: {bootstrap_servers: 'http://ann:hunter2@b:1', group: [x]}\n",
      "kafka: {bootstrap_servers: 'http://ann:hun@ter, hunter2@b:1', group: [x]}\n",
      "pipeline:\n  ignored_errors:\n    - 'https://ann:hunter2@b:1': x\n",
      "kafka:\n  properties: {Authorization: hunter2, a: [1]}\n",
  };
  for (const std::string& text : files) {
    const std::string said = everything_about(text);
    EXPECT_EQ(said.find(canary), std::string::npos) << text << "\n" << said;
  }
}

TEST_F(Secrets, TheExcerptEndsBeforeCredentialsOfAUrlWithoutItsScheme) {
  EXPECT_EQ(complaints("kafka: {bootstrap_servers: 'ann:hunter2@b:1', group: [x]}\n").find(canary),
            std::string::npos);
}

TEST_F(Secrets, FromVariablesAndReferencesAreMaskedToo) {
  set_variable("PW", "hunter2");
  set_variable("MILLRACE__KAFKA__SASL__USER", "ann");
  set_variable("MILLRACE__KAFKA__SASL__PASSWORD", "hunter2");
  set_flag("kafka.properties.sasl.password=${env:PW}");
  const std::string said = everything_about(std::string(minimal));
  EXPECT_EQ(said.find(canary), std::string::npos) << said;
}

TEST_F(Secrets, AreRefusedOnTheCommandLineUnlessReferredTo) {
  set_flag("kafka.sasl.user=ann");
  set_flag("kafka.sasl.password=hunter2");
  set_flag("kafka.properties.ssl.key.password=hunter2");
  const auto config = read(minimal);
  std::vector<problem> codes;
  codes.reserve(config.diagnostics.size());
  for (const diagnostic& one : config.diagnostics) codes.push_back(one.code);
  EXPECT_EQ(codes, (std::vector<problem>{problem::missing_required, problem::secret_in_arguments,
                                         problem::secret_in_arguments}));
  EXPECT_EQ(to_text(config.diagnostics, false).find(canary), std::string::npos);
}

TEST(SoundsSecret, MatchesNamesOfSecretsAndNotOfTheirFiles) {
  for (const std::string_view key :
       {"sasl.password", "SSL.KEY.PASSWORD", "ssl.key.pem", "oauth.client.secret"}) {
    EXPECT_TRUE(sounds_secret(key)) << key;
  }
  for (const std::string_view key :
       {"ssl.key.location", "sasl.oauthbearer.token.endpoint.url", "fetch.min.bytes"}) {
    EXPECT_FALSE(sounds_secret(key)) << key;
  }
}

}  // namespace
}  // namespace millrace::config
