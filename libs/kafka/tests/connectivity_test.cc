#include <array>
#include <atomic>
#include <thread>

#include <arpa/inet.h>
#include <fixtures/cluster_fixture.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include <millrace/kafka/connectivity.h>

namespace millrace::kafka {
namespace {

class connectivity_test : public cluster_test {
 protected:
  [[nodiscard]] client_config here() const {
    client_config config;
    config.bootstrap_servers = cluster().bootstrap_servers();
    return config;
  }
};

int listen_on_loopback(std::uint16_t& port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::listen(fd, 8), 0);
  EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  port = ntohs(address.sin_port);
  return fd;
}

// Accepts TLS connections with a self-signed certificate.
class stranger {
 public:
  stranger() : context_(SSL_CTX_new(TLS_server_method())) {
    EVP_PKEY* key = EVP_RSA_gen(2048);
    X509* certificate = X509_new();
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME* name = X509_get_subject_name(certificate);
    const std::string host = "localhost";
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(host.data()),
                               -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_sign(certificate, key, EVP_sha256());
    SSL_CTX_use_certificate(context_, certificate);
    SSL_CTX_use_PrivateKey(context_, key);
    X509_free(certificate);
    EVP_PKEY_free(key);
    fd_ = listen_on_loopback(port_);
    thread_ = std::thread([this] { serve(); });
  }
  ~stranger() {
    stop_ = true;
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
    SSL_CTX_free(context_);
  }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  void serve() {
    while (!stop_) {
      const int client = ::accept(fd_, nullptr, nullptr);
      if (client < 0) return;
      SSL* session = SSL_new(context_);
      SSL_set_fd(session, client);
      SSL_accept(session);
      SSL_free(session);
      ::close(client);
    }
  }

  SSL_CTX* context_;
  std::uint16_t port_ = 0;
  int fd_ = -1;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

TEST_F(connectivity_test, reports_the_brokers_and_the_partitions_of_the_topics) {
  topic("visits", 20);
  topic("profiles", 3);
  const std::string topics[] = {"visits", "profiles"};
  const result<cluster_facts> facts = check_connectivity(here(), topics, seconds(5));
  ASSERT_TRUE(facts.ok()) << facts.error().to_string();
  ASSERT_EQ(facts->topics.size(), 2U);
  EXPECT_EQ(facts->topics[0].partitions, 20);
  EXPECT_EQ(facts->topics[1].partitions, 3);
  EXPECT_EQ(facts->brokers, std::vector<std::string>{cluster().bootstrap_servers()});
}

TEST_F(connectivity_test, a_missing_topic_is_named) {
  const std::string topics[] = {"nowhere"};
  const result<cluster_facts> facts = check_connectivity(here(), topics, seconds(5));
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().code(), errc::topic_not_found);
  EXPECT_NE(facts.error().message().find("'nowhere'"), std::string::npos) << facts.error().message();
}

TEST_F(connectivity_test, topics_are_found_present_or_missing_at_once) {
  topic("visits", 20);
  const std::string topics[] = {"nowhere", "visits", "elsewhere"};
  const auto found = find_topics(here(), topics, seconds(5));
  ASSERT_TRUE(found.ok()) << found.error().to_string();
  ASSERT_EQ(found->size(), 3U);
  EXPECT_FALSE((*found)[0].partitions);
  EXPECT_EQ((*found)[1].partitions, 20);
  EXPECT_FALSE((*found)[2].partitions);
}

TEST_F(connectivity_test, a_topic_that_cannot_be_created_is_named_with_the_cause) {
  const auto made = create_topic(here(), {"visits", 0, 1}, seconds(1));
  ASSERT_FALSE(made.ok());
  EXPECT_NE(made.error().message().find("'visits'"), std::string::npos) << made.error().message();
}

TEST(kafka_connectivity, a_refused_connection_is_named_with_the_cause) {
  client_config config;
  std::uint16_t port = 0;
  ::close(listen_on_loopback(port));
  config.bootstrap_servers = "127.0.0.1:" + std::to_string(port);
  const result<cluster_facts> facts = check_connectivity(config, {}, milliseconds(800));
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().code(), errc::broker_unavailable);
  EXPECT_NE(facts.error().message().find(config.bootstrap_servers), std::string::npos)
      << facts.error().message();
  EXPECT_NE(facts.error().message().find("refused"), std::string::npos) << facts.error().message();
}

TEST(kafka_connectivity, a_name_that_does_not_resolve_is_named) {
  client_config config;
  config.bootstrap_servers = "kafka.invalid:9092";
  const result<cluster_facts> facts = check_connectivity(config, {}, milliseconds(800));
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().code(), errc::broker_unavailable);
  EXPECT_NE(facts.error().message().find("kafka.invalid:9092"), std::string::npos) << facts.error().message();
}

TEST(kafka_connectivity, a_certificate_of_another_authority_is_refused) {
  const stranger broker;
  client_config config;
  config.bootstrap_servers = broker.address();
  config.properties["security.protocol"] = "ssl";
  const result<cluster_facts> facts = check_connectivity(config, {}, seconds(15));
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().code(), errc::tls_error) << facts.error().to_string();
  EXPECT_NE(facts.error().message().find(broker.address()), std::string::npos) << facts.error().message();
  EXPECT_NE(facts.error().message().find("certificate verify failed"), std::string::npos)
      << facts.error().message();
}

TEST_F(connectivity_test, a_broker_without_tls_is_an_error_and_no_fallback) {
  client_config config = here();
  config.properties["security.protocol"] = "ssl";
  const result<cluster_facts> facts = check_connectivity(config, {}, seconds(2));
  ASSERT_FALSE(facts.ok());
  EXPECT_TRUE(facts.error().code() == errc::tls_error || facts.error().code() == errc::broker_unavailable)
      << facts.error().to_string();
}

TEST_F(connectivity_test, an_unknown_property_is_a_configuration_error) {
  client_config config = here();
  config.properties["sasl.pasword"] = "canary-7431";
  const result<cluster_facts> facts = check_connectivity(config, {}, seconds(2));
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().code(), errc::config_invalid);
  EXPECT_EQ(facts.error().message().find("canary"), std::string::npos);
}

}  // namespace
}  // namespace millrace::kafka
