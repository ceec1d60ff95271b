#include "stream_socket.h"

#include <cerrno>
#include <system_error>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <millrace/http/name_resolver.h>

namespace millrace::http {
namespace {

std::string system_reason(int number) { return std::generic_category().message(number); }

std::string tls_reason() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* text = code == 0 ? nullptr : ERR_reason_error_string(code);
  return text == nullptr ? "the connection ended" : text;
}

socklen_t fill_in(const std::string& address, std::uint16_t port, sockaddr_storage& out) {
  auto* four = reinterpret_cast<sockaddr_in*>(&out);
  if (::inet_pton(AF_INET, address.c_str(), &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    return sizeof *four;
  }
  auto* six = reinterpret_cast<sockaddr_in6*>(&out);
  if (::inet_pton(AF_INET6, address.c_str(), &six->sin6_addr) != 1) return 0;
  six->sin6_family = AF_INET6;
  six->sin6_port = htons(port);
  return sizeof *six;
}

}  // namespace

result<std::unique_ptr<stream_socket>> stream_socket::open(const std::string& address, std::uint16_t port,
                                                           ssl_ctx_st* tls, const std::string& host) {
  sockaddr_storage remote{};
  const socklen_t size = fill_in(address, port, remote);
  if (size == 0) return error(errc::service_unavailable, address + " is not an IP address");
  const int fd = ::socket(remote.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return error(errc::service_unavailable, "cannot create a socket: " + system_reason(errno));
  std::unique_ptr<stream_socket> made(new stream_socket(fd));
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&remote), size) != 0 && errno != EINPROGRESS)
    return error(errc::service_unavailable, "connecting: " + system_reason(errno));
  if (tls != nullptr) {
    if (auto encrypted = made->encrypt(tls, host); !encrypted) return encrypted.error();
  }
  return made;
}

stream_socket::~stream_socket() { SSL_free(tls_); }

result<void> stream_socket::encrypt(ssl_ctx_st* tls, const std::string& host) {
  ERR_clear_error();
  tls_ = SSL_new(tls);
  const bool is_address = is_ip_address(host);
  const bool set = tls_ != nullptr && SSL_set_fd(tls_, fd_.get()) == 1 &&
                   (is_address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls_), host.c_str()) == 1
                               : SSL_set1_host(tls_, host.c_str()) == 1 &&
                                     SSL_set_tlsext_host_name(tls_, host.c_str()) == 1);
  if (!set) return error(errc::service_unavailable, "TLS cannot be used: " + tls_reason());
  SSL_set_hostflags(tls_, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  SSL_set_connect_state(tls_);
  return {};
}

stream_socket::step stream_socket::establish() {
  if (!connected_) {
    int failure = 0;
    socklen_t size = sizeof failure;
    ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &failure, &size);
    if (failure != 0) {
      reason_ = "connecting: " + system_reason(failure);
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
  if (returned != 1) {
    const step how = after_tls(returned, "the TLS handshake failed");
    if (how == step::closed) reason_ = "the TLS handshake failed: the connection ended";
    return how == step::closed ? step::failed : how;
  }
  wants_to_write_ = false;
  return step::done;
}

stream_socket::step stream_socket::after_tls(int returned, const char* what) {
  switch (SSL_get_error(tls_, returned)) {
    case SSL_ERROR_WANT_READ:
      wants_to_write_ = false;
      return step::again;
    case SSL_ERROR_WANT_WRITE:
      wants_to_write_ = true;
      return step::again;
    case SSL_ERROR_ZERO_RETURN:
      return step::closed;
    default: {  // an open set
      const int number = errno;
      const long verified = SSL_get_verify_result(tls_);
      const bool of_system = ERR_peek_last_error() == 0 && number != 0;
      const std::string why = of_system ? system_reason(number) : tls_reason();
      reason_ =
          std::string(what) + ": " + (verified == X509_V_OK ? why : X509_verify_cert_error_string(verified));
      return step::failed;
    }
  }
}

stream_socket::step stream_socket::after_system_call(const char* what) {
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return step::again;
  reason_ = std::string(what) + ": " + system_reason(errno);
  return step::failed;
}

stream_socket::step stream_socket::read(std::span<char> into, std::size_t& count) {
  if (tls_ != nullptr) {
    ERR_clear_error();
    errno = 0;
    if (SSL_read_ex(tls_, into.data(), into.size(), &count) == 1) return step::done;
    return after_tls(0, "the connection failed");
  }
  const ssize_t got = ::recv(fd_.get(), into.data(), into.size(), 0);
  if (got < 0) return after_system_call("the connection failed");
  count = static_cast<std::size_t>(got);
  return got == 0 ? step::closed : step::done;
}

stream_socket::step stream_socket::write(std::string_view from, std::size_t& count) {
  if (tls_ != nullptr) {
    ERR_clear_error();
    errno = 0;
    if (SSL_write_ex(tls_, from.data(), from.size(), &count) == 1) {
      wants_to_write_ = false;
      return step::done;
    }
    return after_tls(0, "the connection failed");
  }
  const ssize_t put = ::send(fd_.get(), from.data(), from.size(), MSG_NOSIGNAL);
  if (put < 0) return after_system_call("the connection failed");
  count = static_cast<std::size_t>(put);
  return step::done;
}

}  // namespace millrace::http
