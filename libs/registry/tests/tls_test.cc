// TLS: private authorities, host names, client certificates, tunnels.
#include <array>
#include <cstdio>
#include <filesystem>
#include <thread>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"

namespace millrace::registry::test {
namespace {

namespace fs = std::filesystem;

// A certificate that is its own authority, with its key, in a folder of its own.
class certificate {
 public:
  explicit certificate(const char* name, const char* password = nullptr)
      : folder_(fs::path(testing::TempDir()) /
                ("registry-tls-" + std::to_string(::getpid()) + "-" + std::to_string(++made_))) {
    fs::create_directories(folder_);
    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
    std::unique_ptr<X509, decltype(&X509_free)> made(X509_new(), X509_free);
    X509_set_version(made.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), made_);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
    X509_set_pubkey(made.get(), key.get());
    X509_NAME* subject = X509_get_subject_name(made.get());
    const std::string common = "registry " + std::to_string(made_);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(common.c_str()), -1, -1, 0);
    X509_set_issuer_name(made.get(), subject);
    X509_EXTENSION* address = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, name);
    X509_add_ext(made.get(), address, -1);
    X509_EXTENSION_free(address);
    X509_sign(made.get(), key.get(), EVP_sha256());
    FILE* out = std::fopen(file().c_str(), "w");
    PEM_write_X509(out, made.get());
    std::fclose(out);
    out = std::fopen(key_file().c_str(), "w");
    PEM_write_PKCS8PrivateKey(
        out, key.get(), password == nullptr ? nullptr : EVP_aes_256_cbc(), password,
        password == nullptr ? 0 : static_cast<int>(std::char_traits<char>::length(password)), nullptr,
        nullptr);
    std::fclose(out);
  }
  ~certificate() { fs::remove_all(folder_); }
  certificate(const certificate&) = delete;
  certificate& operator=(const certificate&) = delete;

  [[nodiscard]] std::string file() const { return folder_ / "certificate.pem"; }
  [[nodiscard]] std::string key_file() const { return folder_ / "key.pem"; }

 private:
  static inline int made_ = 0;
  fs::path folder_;
};

class tls_test : public registry_test {
 protected:
  void start_secure(const certificate& of, const certificate* clients = nullptr) {
    start_server({.tls_certificate_file = of.file(),
                  .tls_key_file = of.key_file(),
                  .tls_client_ca_file = clients == nullptr ? "" : clients->file()});
    server->put(7, text);
  }
  certificate right{"IP:127.0.0.1"};
};

TEST_F(tls_test, APrivateAuthorityIsTrustedWhenItIsNamed) {
  start_secure(right);
  options.ca_file = right.file();
  EXPECT_EQ(failure_of(connect(), 7), std::nullopt);
}

TEST_F(tls_test, AnAuthorityThatIsNotTrustedIsRefused) {
  start_secure(right);
  const certificate unrelated("IP:127.0.0.1");
  for (const std::string& trusted : {std::string(), unrelated.file()}) {
    options.ca_file = trusted;
    const auto refused = connect().check();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), errc::tls_error);
    EXPECT_NE(refused.error().message().find("certificate"), std::string::npos);
    EXPECT_EQ(server->requests(), 0U) << "nothing was sent";
  }
}

TEST_F(tls_test, ACertificateForAnotherHostIsRefused) {
  const certificate other("IP:127.0.0.2");
  start_secure(other);
  options.ca_file = other.file();
  EXPECT_EQ(connect().check().error().code(), errc::tls_error);
}

TEST_F(tls_test, AClientCertificateIsPresented) {
  const certificate ours("DNS:millrace", "key-password");
  start_secure(right, &ours);
  options.ca_file = right.file();
  const auto without = connect().check();
  ASSERT_FALSE(without);
  EXPECT_EQ(without.error().code(), errc::tls_error) << without.error().to_string();
  options.certificate_file = ours.file();
  options.key_file = ours.key_file();
  options.key_password = secret("key-password");
  const auto with = connect().check();
  EXPECT_TRUE(with) << with.error().to_string();
}

TEST_F(tls_test, FilesThatCannotBeUsedAreNamedAtStartUp) {
  const certificate ours("DNS:millrace", "key-password");
  start_secure(right);
  options.urls = {server->url()};
  const auto refused = [&](const std::string& named) {
    const auto created = client::create(options);
    if (created) return std::string("accepted");
    EXPECT_EQ(created.error().code(), errc::tls_error);
    return created.error().message().find(named) == std::string::npos ? created.error().message() : "";
  };
  options.ca_file = "/nowhere/ca.pem";
  EXPECT_EQ(refused("/nowhere/ca.pem"), "");
  options.ca_file = right.file();
  options.certificate_file = ours.file();
  options.key_file = ours.key_file();
  options.key_password = secret("canary-4f1c");
  EXPECT_EQ(refused(ours.key_file()), "");
  EXPECT_EQ(client::create(options).error().message().find("canary-4f1c"), std::string::npos);
}

TEST_F(tls_test, AServerThatEndsTheHandshakeIsUnavailableNotUntrusted) {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  ASSERT_EQ(::listen(listener, 1), 0);
  socklen_t size = sizeof at;
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size);
  std::thread restarting([listener] { ::close(::accept(listener, nullptr, nullptr)); });
  options.urls = {"https://127.0.0.1:" + std::to_string(ntohs(at.sin_port))};
  options.ca_file = right.file();
  const auto failed = connect().check();
  restarting.join();
  ::close(listener);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), errc::registry_unavailable) << failed.error().to_string();
}

// An HTTP proxy that opens tunnels: one connection at a time, to 127.0.0.1.
class tunnel_proxy {
 public:
  explicit tunnel_proxy(std::uint16_t to) : to_(to), listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in at = address(0);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    EXPECT_EQ(::listen(listener_, 4), 0);
    socklen_t size = sizeof at;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~tunnel_proxy() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  tunnel_proxy(const tunnel_proxy&) = delete;
  tunnel_proxy& operator=(const tunnel_proxy&) = delete;
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::string heard() const {
    const std::lock_guard lock(mutex_);
    return heard_;
  }

 private:
  static sockaddr_in address(std::uint16_t port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(port);
    return at;
  }
  void serve() {
    for (int client = 0; (client = ::accept(listener_, nullptr, nullptr)) >= 0; ::close(client)) {
      std::string head;
      char byte = 0;
      while (!head.ends_with("\r\n\r\n") && ::recv(client, &byte, 1, 0) == 1) head.push_back(byte);
      {
        const std::lock_guard lock(mutex_);
        heard_ = head;
      }
      const int server = ::socket(AF_INET, SOCK_STREAM, 0);
      const sockaddr_in at = address(to_);
      if (::connect(server, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0) {
        const std::string_view yes = "HTTP/1.1 200 Connection established\r\n\r\n";
        static_cast<void>(::send(client, yes.data(), yes.size(), MSG_NOSIGNAL));
        relay(client, server);
      }
      ::close(server);
    }
  }
  static void relay(int a, int b) {
    std::array<pollfd, 2> both{pollfd{a, POLLIN, 0}, pollfd{b, POLLIN, 0}};
    std::array<char, 4096> buffer{};
    for (;;) {
      ::poll(both.data(), both.size(), -1);
      for (const int i : {0, 1}) {
        if (both[static_cast<std::size_t>(i)].revents == 0) continue;
        const ssize_t got = ::recv(both[static_cast<std::size_t>(i)].fd, buffer.data(), buffer.size(), 0);
        if (got <= 0) return;
        static_cast<void>(::send(both[static_cast<std::size_t>(1 - i)].fd, buffer.data(),
                                 static_cast<std::size_t>(got), MSG_NOSIGNAL));
      }
    }
  }

  std::uint16_t to_;
  int listener_;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::string heard_;
  std::thread thread_;
};

TEST_F(tls_test, TlsGoesThroughTheProxyFromEndToEnd) {
  start_secure(right);
  const tunnel_proxy proxy(server->port());
  options.ca_file = right.file();
  options.proxy.emplace().url = proxy.url();
  options.proxy->user = "app";
  options.proxy->password = secret("secret");
  const auto found = fetch(connect(), 7);
  EXPECT_TRUE(found) << found.error().to_string();
  const std::string heard = proxy.heard();
  EXPECT_TRUE(heard.starts_with("CONNECT 127.0.0.1:" + std::to_string(server->port()))) << heard;
  EXPECT_NE(heard.find("Basic YXBwOnNlY3JldA=="), std::string::npos);
  registry.reset();
}

}  // namespace
}  // namespace millrace::registry::test
