// The byte stream under a connection: plain TCP or TLS. Non-blocking; owned and used by one thread.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/result.h>

struct ssl_ctx_st;

namespace millrace::emulators::cql {

struct transfer {
  enum class state : unsigned char { moved, again, closed };

  state is = state::again;
  std::size_t bytes = 0;
};

class transport {
 public:
  transport() = default;
  transport(const transport&) = delete;
  transport& operator=(const transport&) = delete;
  virtual ~transport() = default;

  virtual transfer read(std::span<char> into) = 0;
  virtual transfer write(std::string_view from) = 0;
  // No more writes; the peer reads an end of stream.
  virtual void finish() = 0;
  // True while read() holds bytes that epoll will not announce.
  [[nodiscard]] virtual bool buffered() const = 0;
  [[nodiscard]] virtual int descriptor() const noexcept = 0;
};

// What makes transports of accepted sockets. Shared by threads.
class transport_factory {
 public:
  // Without a certificate file: plain. errc::tls_error when a file cannot be used.
  static result<std::unique_ptr<transport_factory>> make(const std::string& certificate_file,
                                                         const std::string& key_file,
                                                         const std::string& client_ca_file);
  ~transport_factory();
  transport_factory(const transport_factory&) = delete;
  transport_factory& operator=(const transport_factory&) = delete;

  // Takes the descriptor over.
  [[nodiscard]] std::unique_ptr<transport> wrap(int descriptor) const;

  // The distinct server names (SNI) of TLS clients, in the order in which they came.
  [[nodiscard]] std::vector<std::string> server_names() const;
  void note_server_name(std::string_view name);

 private:
  explicit transport_factory(ssl_ctx_st* context) : context_(context) {}

  ssl_ctx_st* context_;
  mutable std::mutex mutex_;
  std::vector<std::string> server_names_;
};

}  // namespace millrace::emulators::cql
