// Reads the answer to one request from bytes as they come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <millrace/base/errors.h>
#include <millrace/http/exchange.h>

namespace millrace::http {

class response_reader {
 public:
  enum class state : std::uint8_t { more, done, failed };

  response_reader(std::size_t header_bytes_max, std::size_t body_bytes_max);
  response_reader(const response_reader&) = delete;
  response_reader& operator=(const response_reader&) = delete;
  ~response_reader();

  // For the answer to the next request. That to HEAD has no body.
  void begin(bool to_head);
  [[nodiscard]] state feed(std::string_view bytes);
  // The connection has ended.
  [[nodiscard]] state end();

  // A byte of the answer has arrived.
  [[nodiscard]] bool has_begun() const noexcept { return received_ > 0; }
  // After done: the connection may be used again. Not when bytes follow the answer.
  [[nodiscard]] bool keeps_connection() const;
  [[nodiscard]] response take();
  // After failed: service_protocol, or limit_exceeded when the body is too large.
  [[nodiscard]] errc code() const noexcept { return code_; }
  [[nodiscard]] const std::string& reason() const noexcept { return reason_; }

 private:
  struct parser;
  static constexpr unsigned interim_answers_max = 8;  // 1xx

  [[nodiscard]] state parse();
  [[nodiscard]] state fail(errc code, std::string reason);

  const std::size_t header_bytes_max_;
  const std::size_t body_bytes_max_;
  std::unique_ptr<parser> parser_;
  std::string waiting_;  // received and not parsed
  std::size_t received_ = 0;
  unsigned interim_answers_ = 0;
  bool to_head_ = false;
  bool until_end_ = false;  // the end of the connection is that of the answer
  errc code_ = errc::service_protocol;
  std::string reason_;
};

}  // namespace millrace::http
