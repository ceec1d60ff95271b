#include "tls_context.h"

#include <openssl/ssl.h>
#include <sys/stat.h>

namespace millrace::http {

namespace net = boost::asio;
using boost::system::error_code;

result<void> load(net::ssl::context& tls, const tls_files& files) {
  error_code code;
  const auto unusable = [&](std::string_view what, const std::string& file) {
    return error(errc::tls_error,
                 "cannot use the " + std::string(what) + " '" + file + "': " + code.message());
  };
  SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
  tls.set_verify_mode(net::ssl::verify_peer);
  if (files.ca_file.empty() ? tls.set_default_verify_paths(code) : tls.load_verify_file(files.ca_file, code))
    return unusable("CA file", files.ca_file);
  if (files.certificate_file.empty()) return {};
  if (tls.use_certificate_chain_file(files.certificate_file, code))
    return unusable("client certificate", files.certificate_file);
  // Always set: OpenSSL would otherwise prompt for the password.
  tls.set_password_callback(
      [&files](std::size_t, net::ssl::context::password_purpose) { return files.key_password; });
  if (tls.use_private_key_file(files.key_file, net::ssl::context::pem, code))
    return unusable("client certificate's key", files.key_file);
  return {};
}

result<void> check(const tls_files& files) {
  net::ssl::context tls(net::ssl::context::tls_client);
  return load(tls, files);
}

std::string tls_source::fingerprint() const {
  std::string all;
  for (const std::string* file : {&files_.ca_file, &files_.certificate_file, &files_.key_file}) {
    struct stat of{};
    if (file->empty() || ::stat(file->c_str(), &of) != 0) {
      all += "-;";
      continue;
    }
    all += std::to_string(of.st_mtim.tv_sec) + '.' + std::to_string(of.st_mtim.tv_nsec) + '/' +
           std::to_string(of.st_ino) + '/' + std::to_string(of.st_size) + ';';
  }
  return all;
}

result<std::shared_ptr<ssl_ctx_st>> tls_source::now() {
  std::string as_now = fingerprint();
  if (context_ && as_now == read_as_) return context_;
  auto fresh = std::make_shared<net::ssl::context>(net::ssl::context::tls_client);
  if (auto loaded = load(*fresh, files_); !loaded) {
    if (context_) return context_;
    return loaded.error();
  }
  SSL_CTX_set_mode(fresh->native_handle(),
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  context_ = std::shared_ptr<ssl_ctx_st>(fresh, fresh->native_handle());
  read_as_ = std::move(as_now);
  return context_;
}

}  // namespace millrace::http
