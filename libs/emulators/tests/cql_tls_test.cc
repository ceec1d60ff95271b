// TLS: the same protocol inside it, and no plaintext beside it.
#include <cstdio>
#include <filesystem>
#include <memory>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "cql_fixture.h"

namespace millrace::emulators::test {
namespace {

// A self-signed certificate for 127.0.0.1 in a folder of its own.
class certificate {
 public:
  certificate()
      : folder_(std::filesystem::path(testing::TempDir()) / ("emulator-tls-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
    std::unique_ptr<X509, decltype(&X509_free)> made(X509_new(), X509_free);
    X509_set_version(made.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
    X509_set_pubkey(made.get(), key.get());
    X509_NAME* name = X509_get_subject_name(made.get());
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("emulator"),
                               -1, -1, 0);
    X509_set_issuer_name(made.get(), name);
    X509_EXTENSION* address = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1");
    X509_add_ext(made.get(), address, -1);
    X509_EXTENSION_free(address);
    X509_sign(made.get(), key.get(), EVP_sha256());
    FILE* out = std::fopen(certificate_file().c_str(), "w");
    PEM_write_X509(out, made.get());
    std::fclose(out);
    out = std::fopen(key_file().c_str(), "w");
    PEM_write_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(out);
  }
  ~certificate() { std::filesystem::remove_all(folder_); }
  certificate(const certificate&) = delete;
  certificate& operator=(const certificate&) = delete;

  [[nodiscard]] std::string certificate_file() const { return folder_ / "server.crt"; }
  [[nodiscard]] std::string key_file() const { return folder_ / "server.key"; }

 private:
  std::filesystem::path folder_;
};

class tls_client {
 public:
  tls_client(std::uint16_t port, const std::string& trusted)
      : context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
    SSL_CTX_load_verify_locations(context_.get(), trusted.c_str(), nullptr);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    connection_.reset(BIO_new_ssl_connect(context_.get()));
    BIO_set_conn_hostname(connection_.get(), ("127.0.0.1:" + std::to_string(port)).c_str());
  }
  void ask_for(const char* name) {
    SSL* ssl = nullptr;
    BIO_get_ssl(connection_.get(), &ssl);
    SSL_set_tlsext_host_name(ssl, name);
  }
  bool connect() {
    return BIO_do_connect(connection_.get()) == 1 && BIO_do_handshake(connection_.get()) == 1;
  }
  void send(const std::string& bytes) {
    BIO_write(connection_.get(), bytes.data(), static_cast<int>(bytes.size()));
  }
  std::string read(std::size_t count) {
    std::string out(count, '\0');
    std::size_t done = 0;
    while (done < count) {
      const int got = BIO_read(connection_.get(), out.data() + done, static_cast<int>(count - done));
      if (got <= 0) break;
      done += static_cast<std::size_t>(got);
    }
    out.resize(done);
    return out;
  }

 private:
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  std::unique_ptr<BIO, decltype(&BIO_free_all)> connection_{nullptr, BIO_free_all};
};

TEST(cql_tls, serves_inside_tls_in_both_directions_at_any_size) {
  const certificate with;
  const auto emulator =
      start({.tls_certificate_file = with.certificate_file(), .tls_key_file = with.key_file()});
  tls_client client(emulator->port(), with.certificate_file());
  ASSERT_TRUE(client.connect());
  client.send(cql_client::request(0x01, cql_client::startup_body()));
  EXPECT_EQ(client.read(9)[4], 0x02);
  // A statement of 300 KB is many TLS records; its error answer quotes none of it.
  const std::string long_statement =
      "SELECT key FROM system.local WHERE key = '" + std::string(300'000, 'x') + "'";
  client.send(cql_client::request(0x07, long_text(long_statement) + cql_client::options({}, {}), 5));
  EXPECT_EQ(client.read(9).substr(2, 3), std::string("\0\5\x08", 3));
}

TEST(cql_tls, the_server_names_that_clients_asked_for_are_known) {
  const certificate with;
  const auto emulator =
      start({.tls_certificate_file = with.certificate_file(), .tls_key_file = with.key_file()});
  for (const char* name : {"a.example.com", "b.example.com", "a.example.com"}) {
    tls_client client(emulator->port(), with.certificate_file());
    client.ask_for(name);
    ASSERT_TRUE(client.connect());
  }
  EXPECT_EQ(emulator->server_names(), (std::vector<std::string>{"a.example.com", "b.example.com"}));
}

TEST(cql_tls, plaintext_is_refused) {
  const certificate with;
  const auto emulator =
      start({.tls_certificate_file = with.certificate_file(), .tls_key_file = with.key_file()});
  cql_client plain(emulator->port());
  EXPECT_NE(plain.start().op, 0x02);
}

TEST(cql_tls, an_unusable_certificate_is_an_error_at_start) {
  const auto started =
      cql_emulator::start({.tls_certificate_file = "/nonexistent.crt", .tls_key_file = "/nonexistent.key"});
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), errc::tls_error);
  EXPECT_NE(started.error().message().find("/nonexistent.crt"), std::string::npos);
}

}  // namespace
}  // namespace millrace::emulators::test
