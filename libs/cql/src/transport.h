// A byte stream to a node: TCP, or TLS over it. Never blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <millrace/base/bytes.h>
#include <millrace/base/file_descriptor.h>
#include <millrace/base/result.h>
#include <millrace/cql/session.h>

struct ssl_ctx_st;
struct ssl_st;

namespace millrace::cql {

// What all encrypted connections of a session share: authorities and certificates, read once. Thread-safe.
class tls_settings {
 public:
  // errc::tls_error names the file.
  [[nodiscard]] static result<std::shared_ptr<const tls_settings>> load(const session_options& options);
  tls_settings(const tls_settings&) = delete;
  tls_settings& operator=(const tls_settings&) = delete;
  ~tls_settings();

 private:
  friend class transport;
  explicit tls_settings(ssl_ctx_st* context) noexcept : context_(context) {}
  ssl_ctx_st* context_;
};

class transport {
 public:
  enum class step : std::uint8_t { done, again, failed };

  // Begins to connect to an IP address. source_port: 0 = any. tls may be null, and must outlive the
  // transport; the server's certificate must carry the address.
  [[nodiscard]] static result<std::unique_ptr<transport>> open(const std::string& address, std::uint16_t port,
                                                               std::uint16_t source_port,
                                                               const tls_settings* tls);
  transport(const transport&) = delete;
  transport& operator=(const transport&) = delete;
  ~transport();

  [[nodiscard]] int descriptor() const noexcept { return fd_.get(); }
  // Goes on with connecting and the handshake.
  [[nodiscard]] step establish();
  // Whether connecting, or TLS, only goes on when the descriptor can be written to.
  [[nodiscard]] bool wants_to_write() const noexcept { return wants_to_write_; }

  // done: `count` bytes, at least one, were read or written.
  [[nodiscard]] step read(std::span<std::byte> into, std::size_t& count);
  [[nodiscard]] step write(bytes_view from, std::size_t& count);
  // Whether bytes were received that the descriptor no longer announces.
  [[nodiscard]] bool has_pending() const noexcept;
  // Of the last step that failed.
  [[nodiscard]] const std::string& reason() const noexcept { return reason_; }

 private:
  explicit transport(int fd) noexcept : fd_(fd) {}
  [[nodiscard]] result<void> encrypt(const std::string& address, const tls_settings& with);
  [[nodiscard]] step after_tls(int returned, const char* what);
  [[nodiscard]] step after_system_call(const char* what);

  file_descriptor fd_;
  ssl_st* tls_ = nullptr;
  bool connected_ = false;
  bool wants_to_write_ = true;
  std::string reason_;
};

}  // namespace millrace::cql
