#include "security_checks.h"

#include <cstdio>
#include <ctime>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <millrace/metrics/exposition.h>

namespace millrace::app {
namespace {

std::vector<std::string> settings_of(const app_config& config) {
  std::vector<std::string> names;
  for (const insecure_setting& each : insecure_settings(config)) names.emplace_back(each.setting);
  return names;
}

TEST(security_finding, a_configuration_without_secrets_or_with_tls_has_no_findings) {
  app_config config;
  config.registry.emplace().urls = {"http://registry:8081"};
  config.cql.emplace();
  EXPECT_TRUE(settings_of(config).empty()) << "no secret is sent over the network";
  config.kafka.client.properties = {{"security.protocol", "SASL_SSL"}, {"sasl.password", "x"}};
  config.registry->urls = {"https://registry:8081"};
  config.registry->password = secret("x");
  config.cql->user = "app";
  config.cql->tls = true;
  config.admin.token = secret("x");
  config.tracing.endpoint = "https://collector:4318";
  config.tracing.bearer_token = secret("x");
  EXPECT_TRUE(settings_of(config).empty());
}

TEST(security_finding, every_insecure_setting_is_reported) {
  app_config config;
  config.kafka.client.properties = {{"security.protocol", "SASL_PLAINTEXT"},
                                    {"sasl.password", "x"},
                                    {"enable.ssl.certificate.verification", "False"}};
  config.registry.emplace().urls = {"https://a:8081", "http://b:8081"};
  config.registry->bearer_token = secret("x");
  config.cql.emplace().user = "app";
  config.admin.address = "0.0.0.0";
  config.admin.token = secret("x");
  config.tracing.endpoint = "http://collector:4318";
  config.tracing.bearer_token = secret("x");
  EXPECT_EQ(settings_of(config),
            (std::vector<std::string>{"kafka.properties.security.protocol",
                                      "kafka.properties.enable.ssl.certificate.verification", "registry.urls",
                                      "cql.tls", "admin.token", "tracing.endpoint"}));
  config.kafka.client.properties = {{"ssl.endpoint.identification.algorithm", "none"}};
  EXPECT_EQ(settings_of(config).front(), "kafka.properties.ssl.endpoint.identification.algorithm");
}

// Appends a self-signed certificate that ends `seconds` from now.
void append_certificate(const std::string& file, long seconds) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* made = X509_new();
  X509_gmtime_adj(X509_getm_notBefore(made), 0);
  X509_gmtime_adj(X509_getm_notAfter(made), seconds);
  X509_set_pubkey(made, key);
  X509_sign(made, key, EVP_sha256());
  std::FILE* out = std::fopen(file.c_str(), "ae");
  PEM_write_X509(out, made);
  (void)std::fclose(out);
  X509_free(made);
  EVP_PKEY_free(key);
}

TEST(security_finding, a_chain_expires_with_its_first_certificate_and_a_bundle_with_its_last) {
  const std::string file = ::testing::TempDir() + "security_finding-" + std::to_string(::getpid()) + ".pem";
  append_certificate(file, 1'000);
  append_certificate(file, 9'000);
  append_certificate(file, 5'000);
  const auto now = static_cast<double>(std::time(nullptr));
  const auto leaf = end_of({"", file, false});
  const auto bundle = end_of({"", file, true});
  ASSERT_TRUE(leaf && bundle);
  EXPECT_NEAR(*leaf - now, 1'000, 60);
  EXPECT_NEAR(*bundle - now, 9'000, 60);
  std::ofstream(file) << "no certificate";
  EXPECT_FALSE(end_of({"", file, true}));
  std::remove(file.c_str());
  EXPECT_FALSE(end_of({"", file, false}));
}

TEST(security_finding, is_exported_at_each_scrape) {
  const std::string file = ::testing::TempDir() + "served-" + std::to_string(::getpid()) + ".pem";
  append_certificate(file, 1'000);
  app_config config;
  config.cql.emplace().user = "app";
  config.cql->certificate_file = file;
  metrics::catalogue declared;
  declare_security_check_metrics(declared);
  metrics::registry counts(declared);
  const metrics::scrape_hook hook = add_security_check_metrics(counts, config);
  const std::string page = metrics::to_text(counts.take_snapshot());
  EXPECT_NE(page.find("millrace_insecure_config{setting=\"cql.tls\"} 1"), std::string::npos) << page;
  EXPECT_NE(page.find("millrace_certificate_expiry_timestamp_seconds{setting=\"cql.certificate_file\"} "),
            std::string::npos)
      << page;
  std::remove(file.c_str());
}

}  // namespace
}  // namespace millrace::app
