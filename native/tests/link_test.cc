// The archive links into a plain C++ program and is the librdkafka that its headers say.
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

namespace {

TEST(native_archive, holds_the_librdkafka_of_its_headers) {
  EXPECT_EQ(rd_kafka_version(), RD_KAFKA_VERSION);
  EXPECT_STREQ(rd_kafka_version_str(), "2.12.1");
}

TEST(native_archive, starts_and_stops_a_mock_cluster) {
  char text[256];
  rd_kafka_t* client = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), text, sizeof text);
  ASSERT_NE(client, nullptr) << text;
  rd_kafka_mock_cluster_t* cluster = rd_kafka_mock_cluster_new(client, 1);
  ASSERT_NE(cluster, nullptr);
  EXPECT_NE(rd_kafka_mock_cluster_bootstraps(cluster), nullptr);
  rd_kafka_mock_cluster_destroy(cluster);
  rd_kafka_destroy(client);
}

TEST(native_archive, has_tls_sasl_and_the_codecs) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char features[512];
  std::size_t size = sizeof features;
  ASSERT_EQ(rd_kafka_conf_get(conf, "builtin.features", features, &size), RD_KAFKA_CONF_OK);
  const std::string_view text(features);
  for (const char* feature : {"ssl", "sasl_scram", "sasl_plain", "gzip", "lz4", "zstd", "snappy"}) {
    EXPECT_NE(text.find(feature), std::string_view::npos) << feature << " is not in: " << text;
  }
  rd_kafka_conf_destroy(conf);
}

}  // namespace
