// The pool against a TLS server in the process, with certificates that the test makes.
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <millrace/http/connection_pool.h>
#include <millrace/runtime/loop.h>

namespace millrace::http {
namespace {

constexpr milliseconds patient{30'000};

// A key and a certificate that it has signed itself, for one name.
struct certificate {
  explicit certificate(const char* alternative_name) : key(EVP_EC_gen("P-256")), of(X509_new()) {
    X509_set_version(of, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(of), 1);
    X509_gmtime_adj(X509_getm_notBefore(of), -60);
    X509_gmtime_adj(X509_getm_notAfter(of), 3'600);
    X509_set_pubkey(of, key);
    X509_NAME* const name = X509_get_subject_name(of);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1,
                               -1, 0);
    X509_set_issuer_name(of, name);
    X509_EXTENSION* const alternative =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, alternative_name);
    X509_add_ext(of, alternative, -1);
    X509_EXTENSION_free(alternative);
    X509_sign(of, key, EVP_sha256());
  }
  certificate(const certificate&) = delete;
  certificate& operator=(const certificate&) = delete;
  ~certificate() {
    X509_free(of);
    EVP_PKEY_free(key);
  }
  [[nodiscard]] std::string written_to(const std::string& file) const {
    const std::string path = testing::TempDir() + file;
    std::FILE* const to = std::fopen(path.c_str(), "w");
    EXPECT_NE(to, nullptr);
    PEM_write_X509(to, of);
    (void)std::fclose(to);
    return path;
  }

  EVP_PKEY* key;
  X509* of;
};

// Answers every request of one connection.
class tls_server {
 public:
  explicit tls_server(const certificate& as) : context_(SSL_CTX_new(TLS_server_method())) {
    std::signal(SIGPIPE, SIG_IGN);
    SSL_CTX_use_certificate(context_, as.of);
    SSL_CTX_use_PrivateKey(context_, as.key);
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    auto* address = reinterpret_cast<sockaddr*>(&at);
    EXPECT_EQ(::bind(listener_, address, size), 0);
    EXPECT_EQ(::listen(listener_, 4), 0);
    EXPECT_EQ(::getsockname(listener_, address, &size), 0);
    place_ = {.tls = true, .host = "127.0.0.1", .port = std::to_string(ntohs(at.sin_port))};
    thread_ = std::thread([this] { serve(); });
  }
  tls_server(const tls_server&) = delete;
  tls_server& operator=(const tls_server&) = delete;
  ~tls_server() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
    SSL_CTX_free(context_);
  }
  [[nodiscard]] const endpoint& place() const { return place_; }

 private:
  void serve() {
    const int peer = ::accept(listener_, nullptr, nullptr);
    if (peer < 0) return;
    SSL* const tls = SSL_new(context_);
    SSL_set_fd(tls, peer);
    if (SSL_accept(tls) == 1) {
      std::string request;
      char part[1024];
      for (int got = SSL_read(tls, part, sizeof part); got > 0; got = SSL_read(tls, part, sizeof part)) {
        request.append(part, static_cast<std::size_t>(got));
        if (!request.ends_with("\r\n\r\n")) continue;
        request.clear();
        constexpr std::string_view answer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret";
        (void)SSL_write(tls, answer.data(), static_cast<int>(answer.size()));
      }
    }
    SSL_free(tls);
    ::close(peer);
  }

  SSL_CTX* context_;
  int listener_ = -1;
  endpoint place_;
  std::thread thread_;
};

class tls_pool_test : public testing::Test {
 protected:
  [[nodiscard]] result<response> get(connection_pool& pool) {
    transfer made;
    made.request = {.method = "GET", .target = "/"};
    made.timeout = patient;
    made.on_complete = [](transfer&) {};
    pool.submit(made);
    while (!made.answer) loop_.run_turn(milliseconds(50));
    return *made.answer;
  }
  [[nodiscard]] std::unique_ptr<connection_pool> pool_of(const tls_server& server,
                                                         const std::string& ca_file) {
    pool_options options{.server = server.place()};
    options.files.ca_file = ca_file;
    options.connect_timeout = patient;
    return std::make_unique<connection_pool>(loop_, std::move(options),
                                             std::make_shared<identity>(identity::headers{}), names_);
  }

  runtime::loop loop_{system_clock()};
  name_resolver names_;
};

TEST_F(tls_pool_test, AConnectionIsEncryptedAndKept) {
  const certificate as("IP:127.0.0.1");
  const tls_server server(as);
  const auto pool = pool_of(server, as.written_to("tls_pool_test_good.pem"));
  for (int i = 0; i < 3; ++i) {
    const auto got = get(*pool);
    ASSERT_TRUE(got) << got.error().to_string();
    EXPECT_EQ(got->body, "secret");
  }
  EXPECT_EQ(pool->opened(), 1U);
}

TEST_F(tls_pool_test, ACertificateOfAnotherAuthorityIsRefused) {
  const certificate as("IP:127.0.0.1");
  const certificate other("IP:127.0.0.1");
  const tls_server server(as);
  const auto pool = pool_of(server, other.written_to("tls_pool_test_other.pem"));
  const auto got = get(*pool);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), errc::service_unavailable);
  EXPECT_NE(got.error().message().find("certificate"), std::string::npos) << got.error().message();
}

TEST_F(tls_pool_test, ACertificateOfAnotherServerIsRefused) {
  const certificate as("DNS:other.example.com");
  const tls_server server(as);
  const auto pool = pool_of(server, as.written_to("tls_pool_test_name.pem"));
  const auto got = get(*pool);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), errc::service_unavailable);
  EXPECT_NE(got.error().message().find("mismatch"), std::string::npos) << got.error().message();
}

}  // namespace
}  // namespace millrace::http
