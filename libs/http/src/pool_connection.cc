#include "pool_connection.h"

#include <algorithm>
#include <array>
#include <utility>

#include <millrace/base/assert.h>

namespace millrace::http {
namespace {

constexpr std::size_t read_bytes = 16U << 10U;

std::string in_milliseconds(nanoseconds time) {
  return std::to_string(std::chrono::duration_cast<milliseconds>(time).count()) + " ms";
}

}  // namespace

error pool_connection::failure(errc code, const std::string& why) const {
  return {code, options_.server.text() + ": " + why};
}

transfer& pool_connection::let_go() noexcept {
  carried_->connection = nullptr;
  return *std::exchange(carried_, nullptr);
}

void pool_connection::begin(std::vector<std::string> addresses, std::uint16_t port,
                            std::shared_ptr<ssl_ctx_st> tls, transfer& what, std::string text) {
  addresses_ = std::move(addresses);
  std::reverse(addresses_.begin(), addresses_.end());
  port_ = port;
  tls_ = std::move(tls);
  carried_ = &what;
  what.connection = this;
  out_ = std::move(text);
  connected_by_ = std::min(what.deadline, loop_.time().now() + options_.connect_timeout);
  try_next_address();
}

void pool_connection::try_next_address() {
  while (!addresses_.empty()) {
    close();
    // Each address has an equal part of what is left, so that one that does not answer leaves time for the others.
    const instant now = loop_.time().now();
    loop_.start_at(*this, now + (connected_by_ - now) / static_cast<std::int64_t>(addresses_.size()));
    const std::string address = std::move(addresses_.back());
    addresses_.pop_back();
    auto opened = stream_socket::open(address, port_, tls_.get(), options_.server.host);
    if (!opened) {
      refused_ = opened.error().message();
      continue;
    }
    socket_ = std::move(*opened);
    if (auto watched = loop_.watch(socket_->descriptor(), [this] { on_ready(); }); !watched) {
      refused_ = watched.error().message();
      socket_.reset();
      continue;
    }
    return update_interest();
  }
  transfer& what = let_go();
  die();
  owner_.unreachable(what, failure(errc::service_unavailable, refused_));
}

void pool_connection::carry(transfer& what, std::string text) {
  invariant(is_idle(), "a connection carries one transfer at a time");
  state_ = state::busy;
  was_idle_ = true;
  carried_ = &what;
  what.connection = this;
  out_ = std::move(text);
  written_ = 0;
  reader_.begin(what.request.method == "HEAD");
  loop_.start_at(*this, what.deadline);
  send_and_read();
}

void pool_connection::on_ready() {
  switch (state_) {
    case state::connecting:
      return advance_connecting();
    case state::busy:
      return send_and_read();
    case state::idle:
      return check_idle();
    case state::dead:
      return;
  }
}

void pool_connection::advance_connecting() {
  switch (socket_->establish()) {
    case stream_socket::step::again:
      return update_interest();
    case stream_socket::step::closed:
    case stream_socket::step::failed:
      refused_ = socket_->reason();
      return try_next_address();
    case stream_socket::step::done:
      break;
  }
  state_ = state::busy;
  was_idle_ = false;
  written_ = 0;
  reader_.begin(carried_->request.method == "HEAD");
  loop_.start_at(*this, carried_->deadline);
  send_and_read();
}

void pool_connection::send_and_read() {
  if (!send()) return;
  read();
  if (state_ == state::busy) update_interest();
}

bool pool_connection::send() {
  while (written_ < out_.size()) {
    std::size_t count = 0;
    const auto how = socket_->write(std::string_view(out_).substr(written_), count);
    if (how == stream_socket::step::again) break;
    if (how != stream_socket::step::done) {
      // The server may have answered before it ended the connection: that answer says more.
      read();
      if (state_ == state::busy) lost(socket_->reason());
      return false;
    }
    written_ += count;
  }
  return true;
}

void pool_connection::read() {
  std::array<char, read_bytes> part;
  for (;;) {
    std::size_t count = 0;
    const auto how = socket_->read(part, count);
    if (how == stream_socket::step::again) return;
    if (how == stream_socket::step::failed) return lost(socket_->reason());
    const auto at = how == stream_socket::step::closed ? reader_.end() : reader_.feed({part.data(), count});
    if (at == response_reader::state::more) continue;
    if (at == response_reader::state::done) {
      const bool may_stay = written_ == out_.size() && reader_.keeps_connection();
      return complete(reader_.take(), may_stay);
    }
    if (how == stream_socket::step::closed) return lost("the server closed the connection");
    return complete(failure(reader_.code(), reader_.reason()), false);
  }
}

void pool_connection::complete(result<response> answer, bool may_stay) {
  transfer& what = let_go();
  out_.clear();
  if (may_stay) {
    state_ = state::idle;
    loop_.start(*this, options_.idle_timeout);
    update_interest();
  } else {
    die();
  }
  owner_.answered(what, std::move(answer));
}

void pool_connection::lost(const std::string& why) {
  const bool has_begun = reader_.has_begun();
  transfer& what = let_go();
  die();
  if (!has_begun && was_idle_ && what.may_repeat && !what.was_repeated) return owner_.stale(what);
  owner_.answered(what, has_begun ? failure(errc::service_protocol, "the answer ended early: " + why)
                                  : failure(errc::service_unavailable, why));
}

// Bytes that no request has asked for, or the end.
void pool_connection::check_idle() {
  std::array<char, 64> part;
  std::size_t count = 0;
  // A message of TLS itself is no byte of the stream.
  if (socket_->read(part, count) == stream_socket::step::again) return update_interest();
  die();
}

void pool_connection::on_timer() {
  if (state_ == state::dead) return;
  if (state_ == state::idle) return die();
  const bool was_sent = state_ == state::busy;
  if (!was_sent && !addresses_.empty()) return try_next_address();
  transfer& what = let_go();
  const nanoseconds allowed =
      was_sent ? what.timeout : std::min<nanoseconds>(what.timeout, options_.connect_timeout);
  die();
  if (was_sent) {
    return owner_.answered(
        what, failure(errc::service_timeout, "no complete answer within " + in_milliseconds(allowed)));
  }
  owner_.unreachable(what,
                     failure(errc::service_unavailable, "no connection within " + in_milliseconds(allowed)));
}

void pool_connection::abandon() noexcept {
  if (carried_ != nullptr) static_cast<void>(let_go());
  die();
}

void pool_connection::update_interest() {
  if (socket_ == nullptr) return;
  const bool wants = socket_->wants_to_write() || (state_ == state::busy && written_ < out_.size());
  loop_.watch_writable(socket_->descriptor(), wants);
}

void pool_connection::close() noexcept {
  if (socket_ == nullptr) return;
  loop_.unwatch(socket_->descriptor());
  socket_.reset();
}

void pool_connection::die() noexcept {
  cancel();
  close();
  state_ = state::dead;
  owner_.died();
}

}  // namespace millrace::http
