// Certificates made on the fly: an authority of its own, and a certificate it signed for 127.0.0.1.
#pragma once

#include <string>

namespace millrace::cql {

struct certificate_files {
  std::string authority;
  std::string certificate;
  std::string key;
};

// Writes three PEM files named after `name` into `folder`, for a server at that address, or of that name: "DNS:localhost". Aborts when OpenSSL
// or the disk refuses.
[[nodiscard]] certificate_files make_certificates(const std::string& folder, const std::string& name,
                                                  const std::string& address = "127.0.0.1",
                                                  bool expired = false);

}  // namespace millrace::cql
