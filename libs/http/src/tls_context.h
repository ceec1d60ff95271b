// The client's side of TLS: authorities and certificates from files.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <boost/asio/ssl/context.hpp>

#include <millrace/base/result.h>
#include <millrace/http/exchange.h>

namespace millrace::http {

// errc::tls_error names the file.
[[nodiscard]] result<void> load(boost::asio::ssl::context& tls, const tls_files& files);

// The context for new connections. Files that have changed are read again; when they cannot be read, because they
// are being replaced, the former context is used.
class tls_source {
 public:
  explicit tls_source(tls_files files) : files_(std::move(files)) {}
  tls_source(const tls_source&) = delete;
  tls_source& operator=(const tls_source&) = delete;

  [[nodiscard]] result<std::shared_ptr<ssl_ctx_st>> now();

 private:
  // Time and size of each file.
  [[nodiscard]] std::string fingerprint() const;

  const tls_files files_;
  std::string read_as_;
  std::shared_ptr<ssl_ctx_st> context_;
};

}  // namespace millrace::http
