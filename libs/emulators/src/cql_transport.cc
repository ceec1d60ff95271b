#include "cql_transport.h"

#include <algorithm>
#include <cerrno>
#include <limits>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <millrace/base/file_descriptor.h>

namespace millrace::emulators::cql {
namespace {

transfer of_system_call(ssize_t moved) {
  if (moved > 0) return {transfer::state::moved, static_cast<std::size_t>(moved)};
  if (moved < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
    return {transfer::state::again, 0};
  return {transfer::state::closed, 0};
}

class plain final : public transport {
 public:
  explicit plain(int descriptor) : descriptor_(descriptor) {}

  transfer read(std::span<char> into) override {
    return of_system_call(::recv(descriptor_.get(), into.data(), into.size(), 0));
  }
  transfer write(std::string_view from) override {
    return of_system_call(::send(descriptor_.get(), from.data(), from.size(), MSG_NOSIGNAL));
  }
  void finish() override { ::shutdown(descriptor_.get(), SHUT_WR); }
  [[nodiscard]] bool buffered() const override { return false; }
  [[nodiscard]] int descriptor() const noexcept override { return descriptor_.get(); }

 private:
  file_descriptor descriptor_;
};

class tls final : public transport {
 public:
  tls(int descriptor, SSL_CTX* context) : descriptor_(descriptor), ssl_(SSL_new(context)) {
    SSL_set_fd(ssl_, descriptor);
    SSL_set_accept_state(ssl_);
    SSL_set_mode(ssl_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  }
  ~tls() override { SSL_free(ssl_); }

  transfer read(std::span<char> into) override {
    ERR_clear_error();
    const auto size = std::min<std::size_t>(into.size(), std::numeric_limits<int>::max());
    return of_ssl(SSL_read(ssl_, into.data(), static_cast<int>(size)));
  }
  transfer write(std::string_view from) override {
    ERR_clear_error();
    const auto size = std::min<std::size_t>(from.size(), std::numeric_limits<int>::max());
    return of_ssl(SSL_write(ssl_, from.data(), static_cast<int>(size)));
  }
  void finish() override {
    ERR_clear_error();
    SSL_shutdown(ssl_);
    ::shutdown(descriptor_.get(), SHUT_WR);
  }
  [[nodiscard]] bool buffered() const override { return SSL_pending(ssl_) > 0; }
  [[nodiscard]] int descriptor() const noexcept override { return descriptor_.get(); }

 private:
  transfer of_ssl(int moved) {
    if (moved > 0) return {transfer::state::moved, static_cast<std::size_t>(moved)};
    const int why = SSL_get_error(ssl_, moved);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return {transfer::state::again, 0};
    return {transfer::state::closed, 0};
  }

  file_descriptor descriptor_;
  SSL* ssl_;
};

int on_server_name(SSL* connection, int* /*alert*/, void* factory) {
  if (const char* name = SSL_get_servername(connection, TLSEXT_NAMETYPE_host_name))
    static_cast<transport_factory*>(factory)->note_server_name(name);
  return SSL_TLSEXT_ERR_OK;
}

error tls_failure(const std::string& file) {
  const char* reason = ERR_reason_error_string(ERR_get_error());
  return {errc::tls_error, file + ": " + (reason != nullptr ? reason : "cannot be used")};
}

}  // namespace

result<std::unique_ptr<transport_factory>> transport_factory::make(const std::string& certificate_file,
                                                                   const std::string& key_file,
                                                                   const std::string& client_ca_file) {
  if (certificate_file.empty()) return std::unique_ptr<transport_factory>(new transport_factory(nullptr));
  ERR_clear_error();
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  if (context == nullptr) return error(errc::tls_error);
  std::unique_ptr<transport_factory> made(new transport_factory(context));
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_tlsext_servername_callback(context, on_server_name);
  SSL_CTX_set_tlsext_servername_arg(context, made.get());
  if (SSL_CTX_use_certificate_chain_file(context, certificate_file.c_str()) != 1)
    return tls_failure(certificate_file);
  if (SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) != 1)
    return tls_failure(key_file);
  if (SSL_CTX_check_private_key(context) != 1) return tls_failure(key_file);
  if (!client_ca_file.empty()) {
    if (SSL_CTX_load_verify_locations(context, client_ca_file.c_str(), nullptr) != 1)
      return tls_failure(client_ca_file);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    // Without one OpenSSL refuses clients that resume a session.
    constexpr unsigned char context_name[] = "emulator";
    SSL_CTX_set_session_id_context(context, context_name, sizeof context_name);
  }
  return made;
}

std::vector<std::string> transport_factory::server_names() const {
  const std::lock_guard guard(mutex_);
  return server_names_;
}

void transport_factory::note_server_name(std::string_view name) {
  const std::lock_guard guard(mutex_);
  if (std::find(server_names_.begin(), server_names_.end(), name) == server_names_.end())
    server_names_.emplace_back(name);
}

transport_factory::~transport_factory() { SSL_CTX_free(context_); }

std::unique_ptr<transport> transport_factory::wrap(int descriptor) const {
  if (context_ == nullptr) return std::make_unique<plain>(descriptor);
  return std::make_unique<tls>(descriptor, context_);
}

}  // namespace millrace::emulators::cql
