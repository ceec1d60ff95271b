// Which certificates the control plane accepts of a node.
#include <cstdio>
#include <filesystem>
#include <memory>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include "control_plane.h"

namespace millrace::native {
namespace {

template <auto Free>
struct freed_by {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using key_handle = std::unique_ptr<EVP_PKEY, freed_by<EVP_PKEY_free>>;
using certificate_handle = std::unique_ptr<X509, freed_by<X509_free>>;
using extension_handle = std::unique_ptr<X509_EXTENSION, freed_by<X509_EXTENSION_free>>;
using file_handle = std::unique_ptr<std::FILE, freed_by<std::fclose>>;

// A self-signed certificate with these alternative names, and its key, in a folder of their own.
class certificate {
 public:
  explicit certificate(const std::string& alternative_names)
      : folder_(std::filesystem::path(testing::TempDir()) / ("native-tls-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
    const key_handle key(EVP_EC_gen("P-256"));
    const certificate_handle made(X509_new());
    X509_set_version(made.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
    X509_set_pubkey(made.get(), key.get());
    X509_NAME* subject = X509_get_subject_name(made.get());
    const auto* name = reinterpret_cast<const unsigned char*>("localhost");
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, name, -1, -1, 0);
    X509_set_issuer_name(made.get(), subject);
    const extension_handle names(
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, alternative_names.c_str()));
    X509_add_ext(made.get(), names.get(), -1);
    X509_sign(made.get(), key.get(), EVP_sha256());
    const file_handle to(std::fopen(file().c_str(), "we"));
    PEM_write_X509(to.get(), made.get());
    const file_handle key_to(std::fopen(key_file().c_str(), "we"));
    PEM_write_PrivateKey(key_to.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  }
  certificate(const certificate&) = delete;
  certificate& operator=(const certificate&) = delete;
  ~certificate() { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string file() const { return folder_ / "node.pem"; }
  [[nodiscard]] std::string key_file() const { return folder_ / "node.key"; }

 private:
  std::filesystem::path folder_;
};

// Two nodes with the certificate.
std::unique_ptr<emulators::cql_emulator> secure_cluster(const certificate& with) {
  return emulated(
      {.other_nodes = {{}}, .tls_certificate_file = with.file(), .tls_key_file = with.key_file()});
}

TEST(control_plane_tls, accepts_the_addresses_of_nodes) {
  const certificate both("IP:127.0.0.1,IP:127.0.0.2");
  const auto server = secure_cluster(both);
  const opened session({.contact_points = server->contact_point(), .ca_file = both.file()});
  ASSERT_EQ(session.failure().status, MILLRACE_CQL_OK) << session.failure().message;
  EXPECT_EQ(session.counters().nodes_connected, 2U);
}

TEST(control_plane_tls, accepts_the_name_of_a_contact_point_on_every_node) {
  const certificate by_name("DNS:localhost");
  const auto server = secure_cluster(by_name);
  const std::string contact_point = "localhost:" + std::to_string(server->port());
  const opened session({.contact_points = contact_point, .ca_file = by_name.file()});
  ASSERT_EQ(session.failure().status, MILLRACE_CQL_OK) << session.failure().message;
  EXPECT_EQ(session.counters().nodes_connected, 2U);
}

TEST(control_plane_tls, refuses_a_name_that_is_no_contact_point) {
  const certificate by_name("DNS:localhost");
  const auto server = secure_cluster(by_name);
  const opened refused({.contact_points = server->contact_point(), .ca_file = by_name.file()});
  EXPECT_EQ(refused.failure().status, MILLRACE_CQL_TLS);
  EXPECT_NE(refused.failure().message.find("IP address mismatch"), std::string::npos)
      << refused.failure().message;
}

TEST(control_plane_tls, refuses_a_name_in_the_subject_only) {
  const certificate elsewhere("DNS:other.example");
  const auto server = secure_cluster(elsewhere);
  const std::string contact_point = "localhost:" + std::to_string(server->port());
  const opened refused({.contact_points = contact_point, .ca_file = elsewhere.file()});
  EXPECT_EQ(refused.failure().status, MILLRACE_CQL_TLS) << refused.failure().message;
}

TEST(control_plane_tls, refuses_an_authority_that_is_not_trusted_whatever_the_name) {
  const certificate by_name("DNS:localhost");
  const auto server = secure_cluster(by_name);
  const std::string contact_point = "localhost:" + std::to_string(server->port());
  const settings with{.contact_points = contact_point};
  auto config = with.config();
  config.tls = 1;  // with the system's trust store, which does not hold the certificate
  auto error = sized<millrace_cql_error>();
  millrace_cql_session* session = nullptr;
  EXPECT_EQ(millrace_cql_session_open(&config, &session, &error), MILLRACE_CQL_TLS);
  EXPECT_EQ(session, nullptr);
}

}  // namespace
}  // namespace millrace::native
