#include "response_reader.h"

#include <algorithm>
#include <limits>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http.hpp>

namespace millrace::http {

namespace net = boost::asio;
namespace wire = boost::beast::http;
using boost::system::error_code;

struct response_reader::parser {
  wire::response_parser<wire::string_body> of;
};

response_reader::response_reader(std::size_t header_bytes_max, std::size_t body_bytes_max)
    : header_bytes_max_(header_bytes_max), body_bytes_max_(body_bytes_max) {}
response_reader::~response_reader() = default;

void response_reader::begin(bool to_head) {
  to_head_ = to_head;
  parser_ = std::make_unique<parser>();
  parser_->of.eager(true);
  parser_->of.header_limit(static_cast<std::uint32_t>(
      std::min<std::size_t>(header_bytes_max_, std::numeric_limits<std::uint32_t>::max())));
  parser_->of.body_limit(body_bytes_max_);
  if (to_head) parser_->of.skip(true);
  waiting_.clear();
  received_ = 0;
  interim_answers_ = 0;
  until_end_ = false;
}

response_reader::state response_reader::fail(errc code, std::string reason) {
  code_ = code;
  reason_ = std::move(reason);
  return state::failed;
}

response_reader::state response_reader::feed(std::string_view bytes) {
  received_ += bytes.size();
  // Sizes of chunks and their extensions are not limited otherwise.
  const std::size_t limit = header_bytes_max_ * interim_answers_max + 2 * body_bytes_max_ + header_bytes_max_;
  if (received_ > limit)
    return fail(errc::service_protocol, "the answer is larger than its content explains");
  waiting_.append(bytes);
  return parse();
}

response_reader::state response_reader::parse() {
  for (;;) {
    error_code failed;
    const std::size_t used = parser_->of.put(net::const_buffer(waiting_.data(), waiting_.size()), failed);
    waiting_.erase(0, used);
    if (failed == wire::error::need_more) {
      // The parser looks for the end of the header in all that it is given.
      if (waiting_.size() > header_bytes_max_ + body_bytes_max_)
        return fail(errc::service_protocol, "a line of the answer does not end");
      return state::more;
    }
    if (failed == wire::error::body_limit) {
      return fail(errc::limit_exceeded, "the body has more than " + std::to_string(body_bytes_max_) +
                                            " bytes (`response_bytes_max`)");
    }
    if (failed == wire::error::header_limit) {
      return fail(errc::service_protocol,
                  "the header has more than " + std::to_string(header_bytes_max_) + " bytes");
    }
    if (failed) return fail(errc::service_protocol, "the answer is not HTTP/1.1: " + failed.message());
    if (!parser_->of.is_done()) {
      if (used == 0) return state::more;
      continue;
    }
    const unsigned status = parser_->of.get().result_int();
    if (status / 100 != 1) return state::done;
    if (status == 101 || ++interim_answers_ > interim_answers_max)
      return fail(errc::service_protocol, "the answer has the status " + std::to_string(status));
    std::string rest = std::move(waiting_);
    const unsigned interim = interim_answers_;
    const std::size_t received = received_;
    begin(to_head_);
    waiting_ = std::move(rest);
    interim_answers_ = interim;
    received_ = received;
    if (waiting_.empty()) return state::more;
  }
}

response_reader::state response_reader::end() {
  error_code failed;
  if (parser_->of.is_header_done()) parser_->of.put_eof(failed);
  if (!parser_->of.is_header_done() || failed || !parser_->of.is_done())
    return fail(errc::service_protocol, "the connection ended before the answer was complete");
  until_end_ = true;
  return state::done;
}

bool response_reader::keeps_connection() const {
  return !until_end_ && waiting_.empty() && parser_->of.get().keep_alive();
}

response response_reader::take() {
  auto& message = parser_->of.get();
  response made{message.result_int(), std::move(message.body()),
                std::string(message[wire::field::retry_after])};
  for (const auto& field : message)
    made.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
  return made;
}

}  // namespace millrace::http
