#include "admin_client.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace::app::observe {
namespace {

constexpr std::size_t answer_bytes_max = 64U << 20U;

class descriptor {
 public:
  explicit descriptor(int fd) noexcept : fd_(fd) {}
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  ~descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

error failed(const admin_address& at, const std::string& why) {
  return {errc::io_error, at.text() + ": " + why};
}

struct addresses_freer {
  void operator()(addrinfo* all) const noexcept { ::freeaddrinfo(all); }
};

result<int> connect_to(const admin_address& at, milliseconds timeout) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* raw = nullptr;
  const int unknown = ::getaddrinfo(at.host.c_str(), std::to_string(at.port).c_str(), &wanted, &raw);
  const std::unique_ptr<addrinfo, addresses_freer> all(raw);
  if (unknown != 0) return failed(at, ::gai_strerror(unknown));
  const auto millis = timeout.count();
  const timeval socket_timeout{static_cast<time_t>(millis / 1000),
                               static_cast<suseconds_t>(millis % 1000 * 1000)};
  std::string why = "no address";
  for (const addrinfo* one = all.get(); one != nullptr; one = one->ai_next) {
    const int fd = ::socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, one->ai_protocol);
    if (fd < 0) continue;
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &socket_timeout, sizeof socket_timeout);
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &socket_timeout, sizeof socket_timeout);
    if (::connect(fd, one->ai_addr, one->ai_addrlen) == 0) return fd;
    why = std::strerror(errno);
    ::close(fd);
  }
  return failed(at, why);
}

}  // namespace

result<admin_address> parse_address(std::string_view text) {
  admin_address out{"127.0.0.1"};
  const std::string whole(text);
  if (text.starts_with("http://")) text.remove_prefix(7);
  if (text.ends_with('/')) text.remove_suffix(1);
  const std::size_t colon = text.rfind(':');
  const std::string_view host = text.substr(0, colon);
  if (!host.empty()) out.host = host;
  const bool odd = text.empty() || host.find_first_of("/?#@ ") != std::string_view::npos;
  if (colon != std::string_view::npos) {
    const std::string_view port = text.substr(colon + 1);
    const auto [end, failure] = std::from_chars(port.data(), port.data() + port.size(), out.port);
    if (failure != std::errc{} || end != port.data() + port.size() || out.port == 0)
      return error(errc::config_invalid, "'" + whole + "' is no address such as http://127.0.0.1:9464");
  }
  if (odd) return error(errc::config_invalid, "'" + whole + "' is no address such as http://127.0.0.1:9464");
  return out;
}

result<std::string> ask(const admin_address& whom, const admin_request& what, milliseconds timeout) {
  const result<int> connected = connect_to(whom, timeout);
  if (!connected) return connected.error();
  const descriptor fd(*connected);
  std::string request =
      what.method + " " + what.path + " HTTP/1.1\r\nHost: " + whom.text() + "\r\nConnection: close\r\n";
  if (what.method == "POST") request += "Content-Length: 0\r\n";
  if (!what.token.empty()) request += "Authorization: Bearer " + what.token + "\r\n";
  request += "\r\n";
  if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0)
    return failed(whom, std::strerror(errno));
  std::string answer;
  char part[16384];
  while (true) {
    const ssize_t got = ::recv(fd.get(), part, sizeof part, 0);
    if (got < 0) return failed(whom, std::strerror(errno));
    if (got == 0) break;
    answer.append(part, static_cast<std::size_t>(got));
    if (answer.size() > answer_bytes_max) return failed(whom, "the answer is too large");
  }
  const auto body = answer.find("\r\n\r\n");
  if (body == std::string::npos) return failed(whom, "that was no answer of HTTP");
  if (!answer.starts_with("HTTP/1.1 200"))
    return failed(whom, what.method + " " + what.path + ": " + answer.substr(9, answer.find('\r') - 9) +
                            ": " + answer.substr(body + 4, answer.find('\n', body + 4) - body - 4));
  return answer.substr(body + 4);
}

}  // namespace millrace::app::observe
