// A byte stream to a server: TCP, or TLS over it. Never blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <millrace/base/file_descriptor.h>
#include <millrace/base/result.h>

struct ssl_ctx_st;
struct ssl_st;

namespace millrace::http {

class stream_socket {
 public:
  // closed: the other side has ended the stream in order.
  enum class step : std::uint8_t { done, again, closed, failed };

  // Begins to connect to an IP address. `tls` may be null; with it the certificate must be that of `host`.
  [[nodiscard]] static result<std::unique_ptr<stream_socket>> open(const std::string& address,
                                                                   std::uint16_t port, ssl_ctx_st* tls,
                                                                   const std::string& host);
  stream_socket(const stream_socket&) = delete;
  stream_socket& operator=(const stream_socket&) = delete;
  ~stream_socket();

  [[nodiscard]] int descriptor() const noexcept { return fd_.get(); }
  // Goes on with connecting and the handshake.
  [[nodiscard]] step establish();
  // Whether connecting, or TLS, only goes on when the descriptor can be written to.
  [[nodiscard]] bool wants_to_write() const noexcept { return wants_to_write_; }
  // done: `count` bytes, at least one, were read or written.
  [[nodiscard]] step read(std::span<char> into, std::size_t& count);
  [[nodiscard]] step write(std::string_view from, std::size_t& count);
  // Of the last step that failed.
  [[nodiscard]] const std::string& reason() const noexcept { return reason_; }

 private:
  explicit stream_socket(int fd) noexcept : fd_(fd) {}
  [[nodiscard]] result<void> encrypt(ssl_ctx_st* tls, const std::string& host);
  [[nodiscard]] step after_tls(int returned, const char* what);
  [[nodiscard]] step after_system_call(const char* what);

  file_descriptor fd_;
  ssl_st* tls_ = nullptr;
  bool connected_ = false;
  bool wants_to_write_ = true;
  std::string reason_;
};

}  // namespace millrace::http
