// A byte stream to a node: TCP, or TLS over it. Never blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <millrace/base/bytes.h>
#include <millrace/base/file_descriptor.h>
#include <millrace/base/result.h>

struct ssl_ctx_st;
struct ssl_st;

namespace millrace::cql {

// The files of TLS: authorities, and the client's certificate.
struct tls_files {
  std::string ca;  // "": the system's authorities
  std::string certificate;
  std::string key;  // "": in the certificate's file
};

// Authorities and certificates as read from their files. Thread-safe.
class tls_settings {
 public:
  // errc::tls_error names the file.
  [[nodiscard]] static result<std::shared_ptr<const tls_settings>> load(const tls_files& files);
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

  struct target {
    std::string address;  // an IP address
    std::uint16_t port = 0;
    std::uint16_t source_port = 0;  // 0: any
    // With TLS: what the server is told that it is called ("": nothing), and the names of which its
    // certificate must carry one unless it carries the address.
    std::string server_name = {};
    const std::vector<std::string>* names = nullptr;
  };

  // Begins to connect. `tls` may be null; the names must outlive the transport.
  [[nodiscard]] static result<std::unique_ptr<transport>> open(const target& to,
                                                               std::shared_ptr<const tls_settings> tls);
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
  transport(int fd, target to, std::shared_ptr<const tls_settings> with) noexcept
      : fd_(fd), to_(std::move(to)), settings_(std::move(with)) {}
  [[nodiscard]] result<void> encrypt();
  [[nodiscard]] step check_names();
  [[nodiscard]] step after_tls(int returned, const char* what);
  [[nodiscard]] step after_system_call(const char* what);

  file_descriptor fd_;
  target to_;
  std::shared_ptr<const tls_settings> settings_;
  ssl_st* tls_ = nullptr;
  bool connected_ = false;
  bool wants_to_write_ = true;
  std::string reason_;
};

}  // namespace millrace::cql
