#include "transport.h"

#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace::cql {
namespace {

std::string tls_reason() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* text = code == 0 ? nullptr : ERR_reason_error_string(code);
  return text == nullptr ? "the connection ended" : text;
}

// An address of either family.
struct socket_address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

bool fill_in(const std::string& address, std::uint16_t port, socket_address& out) {
  auto* four = reinterpret_cast<sockaddr_in*>(&out.storage);
  if (::inet_pton(AF_INET, address.c_str(), &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    out.size = sizeof *four;
    return true;
  }
  auto* six = reinterpret_cast<sockaddr_in6*>(&out.storage);
  if (::inet_pton(AF_INET6, address.c_str(), &six->sin6_addr) != 1) return false;
  six->sin6_family = AF_INET6;
  six->sin6_port = htons(port);
  out.size = sizeof *six;
  return true;
}

bool bind_source(int fd, int family, std::uint16_t port) {
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  socket_address any;
  return fill_in(family == AF_INET ? "0.0.0.0" : "::", port, any) &&
         ::bind(fd, reinterpret_cast<const sockaddr*>(&any.storage), any.size) == 0;
}

}  // namespace

result<std::shared_ptr<const tls_settings>> tls_settings::load(const tls_files& files) {
  std::shared_ptr<tls_settings> made(new tls_settings(SSL_CTX_new(TLS_client_method())));
  SSL_CTX* context = made->context_;
  const auto refused = [](const std::string& what) {
    return error(errc::tls_error, what + ": " + tls_reason());
  };
  if (context == nullptr) return refused("TLS cannot be used");
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (files.ca.empty()) {
    if (SSL_CTX_set_default_verify_paths(context) != 1) return refused("the system's authorities");
  } else if (SSL_CTX_load_verify_locations(context, files.ca.c_str(), nullptr) != 1) {
    return refused("authorities of " + files.ca);
  }
  if (!files.certificate.empty()) {
    const std::string& key = files.key.empty() ? files.certificate : files.key;
    if (SSL_CTX_use_certificate_chain_file(context, files.certificate.c_str()) != 1) {
      return refused("the client certificate " + files.certificate);
    }
    if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1) {
      return refused("the client key " + key);
    }
  }
  return std::shared_ptr<const tls_settings>(std::move(made));
}

tls_settings::~tls_settings() { SSL_CTX_free(context_); }

result<std::unique_ptr<transport>> transport::open(const target& to,
                                                   std::shared_ptr<const tls_settings> tls) {
  socket_address remote;
  if (!fill_in(to.address, to.port, remote))
    return error(errc::db_unavailable, to.address + " is not an IP address");
  const int family = remote.storage.ss_family;
  const int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return error(errc::io_error, std::string("cannot create a socket: ") + std::strerror(errno));
  std::unique_ptr<transport> made(new transport(fd, to, std::move(tls)));
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const auto failed = [](const char* what) {
    return error(errc::db_unavailable, std::string(what) + ": " + std::strerror(errno));
  };
  if (to.source_port != 0 && !bind_source(fd, family, to.source_port)) return failed("cannot bind");
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&remote.storage), remote.size) != 0 &&
      errno != EINPROGRESS) {
    return failed("cannot connect");
  }
  if (made->settings_ != nullptr) {
    if (auto encrypted = made->encrypt(); !encrypted) return encrypted.error();
  }
  return made;
}

transport::~transport() { SSL_free(tls_); }

result<void> transport::encrypt() {
  tls_ = SSL_new(settings_->context_);
  if (tls_ == nullptr || SSL_set_fd(tls_, fd_.get()) != 1 ||
      (!to_.server_name.empty() && SSL_set_tlsext_host_name(tls_, to_.server_name.c_str()) != 1)) {
    return error(errc::tls_error, "TLS cannot be used: " + tls_reason());
  }
  SSL_set_connect_state(tls_);
  return {};
}

// Alternative names only, and wildcards for whole labels: as the driver, see native/src/tls.rs.
constexpr unsigned name_flags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;

// The chain was verified by the handshake. The certificate must also be this node's.
transport::step transport::check_names() {
  X509* certificate = SSL_get1_peer_certificate(tls_);
  bool is_right = certificate != nullptr && X509_check_ip_asc(certificate, to_.address.c_str(), 0) == 1;
  if (certificate != nullptr && to_.names != nullptr) {
    for (const std::string& name : *to_.names) {
      is_right = is_right || X509_check_host(certificate, name.data(), name.size(), name_flags, nullptr) == 1;
    }
  }
  X509_free(certificate);
  if (is_right) return step::done;
  reason_ = "the certificate of the server carries neither its address " + to_.address +
            " nor the name of a contact point";
  return step::failed;
}

transport::step transport::establish() {
  if (!connected_) {
    int failure = 0;
    socklen_t size = sizeof failure;
    ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &failure, &size);
    if (failure != 0) {
      reason_ = std::strerror(failure);
      return step::failed;
    }
    sockaddr_storage peer{};
    socklen_t peer_size = sizeof peer;
    if (::getpeername(fd_.get(), reinterpret_cast<sockaddr*>(&peer), &peer_size) != 0) return step::again;
    connected_ = true;
    wants_to_write_ = false;
  }
  if (tls_ == nullptr) return step::done;
  ERR_clear_error();
  const int returned = SSL_do_handshake(tls_);
  if (returned != 1) return after_tls(returned, "the handshake failed");
  wants_to_write_ = false;
  return check_names();
}

transport::step transport::after_tls(int returned, const char* what) {
  switch (SSL_get_error(tls_, returned)) {
    case SSL_ERROR_WANT_READ:
      wants_to_write_ = false;
      return step::again;
    case SSL_ERROR_WANT_WRITE:
      wants_to_write_ = true;
      return step::again;
    default: {  // an open set, and all of it is the end
      const int number = errno;
      const long verified = SSL_get_verify_result(tls_);
      const bool of_system = ERR_peek_last_error() == 0 && number != 0;
      const std::string why = of_system ? std::strerror(number) : tls_reason();
      reason_ =
          std::string(what) + ": " + (verified == X509_V_OK ? why : X509_verify_cert_error_string(verified));
      return step::failed;
    }
  }
}

transport::step transport::after_system_call(const char* what) {
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return step::again;
  reason_ = std::string(what) + ": " + std::strerror(errno);
  return step::failed;
}

transport::step transport::read(std::span<std::byte> into, std::size_t& count) {
  if (tls_ != nullptr) {
    ERR_clear_error();
    if (SSL_read_ex(tls_, into.data(), into.size(), &count) == 1) return step::done;
    return after_tls(0, "the connection failed");
  }
  const ssize_t got = ::recv(fd_.get(), into.data(), into.size(), 0);
  if (got > 0) {
    count = static_cast<std::size_t>(got);
    return step::done;
  }
  if (got < 0) return after_system_call("the connection failed");
  reason_ = "the server closed the connection";
  return step::failed;
}

transport::step transport::write(bytes_view from, std::size_t& count) {
  if (tls_ != nullptr) {
    ERR_clear_error();
    if (SSL_write_ex(tls_, from.data(), from.size(), &count) == 1) {
      wants_to_write_ = false;
      return step::done;
    }
    return after_tls(0, "the connection failed");
  }
  const ssize_t put = ::send(fd_.get(), from.data(), from.size(), MSG_NOSIGNAL);
  if (put >= 0) {
    count = static_cast<std::size_t>(put);
    return step::done;
  }
  return after_system_call("the connection failed");
}

bool transport::has_pending() const noexcept { return tls_ != nullptr && SSL_pending(tls_) > 0; }

}  // namespace millrace::cql
