#include "certificates.h"

#include <cstdio>
#include <memory>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <millrace/base/assert.h>

namespace millrace::cql {
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
using file_handle = std::unique_ptr<std::FILE, freed_by<std::fclose>>;

void add_extension(X509* to, X509* issuer, int what, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, freed_by<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, what, value));
  invariant(extension && X509_add_ext(to, extension.get(), -1) == 1, "an extension is accepted");
}

certificate_handle issue(const std::string& name, long serial, EVP_PKEY* key, X509* issuer,
                         EVP_PKEY* issuer_key, const std::string& address = {}, bool expired = false) {
  certificate_handle made(X509_new());
  X509_set_version(made.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), serial);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -7200);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), expired ? -3600 : 24L * 3600);
  X509_set_pubkey(made.get(), key);
  X509_NAME* subject = X509_get_subject_name(made.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(made.get(), X509_get_subject_name(issuer != nullptr ? issuer : made.get()));
  if (issuer == nullptr) {
    add_extension(made.get(), made.get(), NID_basic_constraints, "critical,CA:TRUE");
  } else {
    add_extension(made.get(), issuer, NID_subject_alt_name,
                  (address.starts_with("DNS:") ? address : "IP:" + address).c_str());
  }
  invariant(X509_sign(made.get(), issuer_key, EVP_sha256()) > 0, "a certificate is signed");
  return made;
}

template <typename Write>
std::string written(const std::string& path, Write write) {
  const file_handle file(std::fopen(path.c_str(), "we"));
  invariant(file && write(file.get()) == 1, "a PEM file is written");
  return path;
}

}  // namespace

certificate_files make_certificates(const std::string& folder, const std::string& name,
                                    const std::string& address, bool expired) {
  const key_handle authority_key(EVP_EC_gen("P-256"));
  const key_handle key(EVP_EC_gen("P-256"));
  const certificate_handle authority =
      issue(name + " authority", 1, authority_key.get(), nullptr, authority_key.get());
  const certificate_handle certificate =
      issue(name, 2, key.get(), authority.get(), authority_key.get(), address, expired);
  const std::string base = folder + "/" + name;
  return {
      .authority =
          written(base + "-ca.pem", [&](std::FILE* f) { return PEM_write_X509(f, authority.get()); }),
      .certificate =
          written(base + ".pem", [&](std::FILE* f) { return PEM_write_X509(f, certificate.get()); }),
      .key = written(base + ".key",
                     [&](std::FILE* f) {
                       return PEM_write_PrivateKey(f, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
                     }),
  };
}

}  // namespace millrace::cql
