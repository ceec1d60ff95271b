#include "connection.h"

#include <algorithm>
#include <cstring>

#include <millrace/base/assert.h>

namespace millrace::cql {
namespace {

// Streams: 0 is the connection's own (handshake, keepalive), requests have the others.
constexpr std::int16_t own_stream = 0;
constexpr std::size_t streams_max = 32'768;
constexpr std::uint32_t nobody = UINT32_MAX;             // a free stream
constexpr std::uint32_t forgotten_one = UINT32_MAX - 1;  // its answer is ignored

// What is left of a frame is put aside in a copy, unless it is as large as this.
constexpr std::size_t put_aside_max = 16U << 10U;
constexpr std::size_t unwritten_bytes_max = 16U << 20U;

// As the driver has it: a server that leaves so many requests without a word has lost them.
constexpr std::size_t forgotten_max = 1'024;
constexpr nanoseconds forgotten_timeout = seconds(1);
constexpr nanoseconds handshake_timeout = seconds(5);
constexpr int silent_checks = 3;

constexpr std::uint8_t version_response = 0x84;
constexpr std::uint8_t flag_compressed = 0x01;

}  // namespace

result<std::unique_ptr<connection>> connection::open(runtime::loop& worker, owner& by, const introduction& as,
                                                     const target& to, byte_buffer& receiving) {
  auto over = transport::open(to.address, to.port, to.source_port, as.tls.get());
  if (!over) return over.error();
  std::unique_ptr<connection> made(new connection(worker, by, as, std::move(*over), receiving));
  connection* self = made.get();
  if (auto watched = worker.watch(made->transport_->descriptor(), [self] { self->go_on(); }); !watched) {
    return watched.error();
  }
  made->watch_writable();
  return made;
}

connection::connection(runtime::loop& worker, owner& by, const introduction& as,
                       std::unique_ptr<transport> over, byte_buffer& receiving)
    : loop_(worker),
      owner_(by),
      as_(as),
      transport_(std::move(over)),
      shared_(receiving),
      places_(1, nobody) {
  heard_at_ = began_at_ = loop_.now();
}

connection::~connection() {
  if (transport_) loop_.unwatch(transport_->descriptor());
}

bool connection::has_room() const noexcept {
  return (!free_streams_.empty() || places_.size() < streams_max) &&
         out_.size() - written_ < unwritten_bytes_max;
}

std::uint16_t connection::execute(std::uint32_t place, const wire::execution& what) {
  invariant(is_open(), "requests are sent over an open connection");
  if (free_streams_.empty()) {
    free_streams_.push_back(static_cast<std::uint16_t>(places_.size()));
    places_.push_back(nobody);
  }
  const std::uint16_t stream = free_streams_.back();
  free_streams_.pop_back();
  places_[stream] = place;
  wire::append_execute(out_, static_cast<std::int16_t>(stream), what);
  return stream;
}

void connection::forget(std::uint16_t stream) {
  places_[stream] = forgotten_one;
  ++forgotten_;
}

std::vector<std::uint32_t> connection::in_flight() const {
  std::vector<std::uint32_t> out;
  for (const std::uint32_t place : places_) {
    if (place != nobody && place != forgotten_one) out.push_back(place);
  }
  return out;
}

void connection::flush() {
  while (written_ < out_.size()) {
    std::size_t count = 0;
    const auto step = transport_->write(bytes_view(out_).subspan(written_), count);
    if (step == transport::step::failed) return fail(errc::db_unavailable, transport_->reason());
    if (step == transport::step::again) break;
    written_ += count;
  }
  if (written_ == out_.size()) {
    out_.clear();
    written_ = 0;
  }
  watch_writable();
}

void connection::watch_writable() {
  const bool wanted = transport_->wants_to_write() || written_ < out_.size();
  if (wanted == watched_for_writing_) return;
  watched_for_writing_ = wanted;
  loop_.watch_writable(transport_->descriptor(), wanted);
}

void connection::go_on() {
  if (state_ == state::connecting) {
    const auto step = transport_->establish();
    if (step == transport::step::failed) {
      return fail(as_.tls ? errc::tls_error : errc::db_unavailable, transport_->reason());
    }
    watch_writable();
    if (step == transport::step::again) return;
    state_ = state::asking;
    wire::append_options(out_, own_stream);
  }
  if (written_ < out_.size()) flush();
  if (state_ != state::broken) receive();
}

void connection::receive() {
  begin_to_receive();
  do {
    // Grows with what really arrives, so that a header alone cannot claim memory.
    if (received_ == in_->size()) {
      if (in_ != &own_) own_.assign(in_->begin(), in_->end());
      in_ = &own_;
      in_->resize(2 * received_);
    }
    std::size_t count = 0;
    const std::span<std::byte> room = std::span(*in_).subspan(received_);
    const auto step = transport_->read(room, count);
    if (step == transport::step::again) break;
    if (step == transport::step::failed) return fail(errc::db_unavailable, transport_->reason());
    heard_at_ = loop_.time().now();
    checks_since_asked_ = 0;
    received_ += count;
    const std::size_t taken = take_frames(bytes_view(*in_).first(received_));
    if (state_ == state::broken) return;
    if (taken > 0) {
      std::memmove(in_->data(), in_->data() + taken, received_ - taken);
      received_ -= taken;
    }
    // A short read was all there is: the descriptor says when there is more.
    if (count < room.size() && !transport_->has_pending()) break;
  } while (true);
  end_receiving();
  if (!out_.empty()) flush();
}

void connection::begin_to_receive() {
  if (received_ > put_aside_max) return;  // goes on in own_
  std::copy_n(own_.begin(), received_, shared_.begin());
  in_ = &shared_;
}

void connection::end_receiving() {
  if (in_ == &own_ && received_ > put_aside_max) return;
  byte_buffer rest(in_->begin(), in_->begin() + static_cast<std::ptrdiff_t>(received_));
  own_ = std::move(rest);
  in_ = &own_;
}

std::size_t connection::take_frames(bytes_view received) {
  std::size_t at = 0;
  while (received.size() - at >= wire::header_bytes) {
    const wire::header of = wire::read_header(received.subspan(at));
    if (of.version != version_response || (of.flags & flag_compressed) != 0 || of.body_bytes < 0 ||
        of.body_bytes > wire::body_bytes_max) {
      fail(errc::db_protocol, "the server sent an invalid frame");
      return at;
    }
    const auto body_bytes = static_cast<std::size_t>(of.body_bytes);
    if (received.size() - at - wire::header_bytes < body_bytes) break;
    on_frame(of, received.subspan(at + wire::header_bytes, body_bytes));
    if (state_ == state::broken) return at;
    at += wire::header_bytes + body_bytes;
  }
  return at;
}

void connection::on_frame(const wire::header& of, bytes_view body) {
  if (of.stream < 0) return;  // events, which were not requested
  if (of.stream == own_stream) {
    if (state_ != state::open) go_on_with_handshake(of, body);
    return;
  }
  const auto stream = static_cast<std::uint16_t>(of.stream);
  if (state_ != state::open || stream >= places_.size() || places_[stream] == nobody) {
    return fail(errc::db_protocol, "the server answered a request that was not sent");
  }
  const std::uint32_t place = std::exchange(places_[stream], nobody);
  free_streams_.push_back(stream);
  if (place == forgotten_one) {
    --forgotten_;
    return;
  }
  owner_.answered(place, of, body);
}

void connection::go_on_with_handshake(const wire::header& of, bytes_view body) {
  const auto what = static_cast<wire::opcode>(of.opcode);
  if (what == wire::opcode::error) {
    const wire::failure refused = wire::read_error(of, body, 0);
    return fail(refused.kind, refused.message);
  }
  if (state_ == state::asking && what == wire::opcode::supported) {
    const auto server = wire::read_supported(of, body);
    if (!server) return fail(errc::db_protocol, "the server's options cannot be read");
    server_ = *server;
    auto startup = as_.startup;
    startup.emplace_back("CQL_VERSION", "3.0.0");
    if (server_.rate_limit_code != 0) startup.emplace_back("SCYLLA_RATE_LIMIT_ERROR", "");
    state_ = state::starting;
    return wire::append_startup(out_, own_stream, startup);
  }
  if (state_ == state::starting && what == wire::opcode::authenticate) {
    state_ = state::authenticating;
    return wire::append_credentials(out_, own_stream, as_.user, as_.password);
  }
  const bool ready = (state_ == state::starting && what == wire::opcode::ready) ||
                     (state_ == state::authenticating && what == wire::opcode::auth_success);
  if (!ready) return fail(errc::db_protocol, "the server's handshake does not follow the protocol");
  state_ = state::open;
  owner_.opened();
}

void connection::check(instant now, nanoseconds keepalive) {
  if (state_ == state::broken) return;
  if (state_ != state::open) {
    if (now - began_at_ > handshake_timeout) fail(errc::db_unavailable, "the server does not answer");
    return;
  }
  const bool many = forgotten_ > forgotten_max;
  if (many && !many_forgotten_) many_forgotten_since_ = now;
  many_forgotten_ = many;
  if (many && now - many_forgotten_since_ > forgotten_timeout) {
    return fail(errc::db_unavailable, "the server left too many requests unanswered");
  }
  if (now - heard_at_ <= keepalive) return;
  // Between two checks the loop has looked for bytes, so that a blocked event loop does not blame the
  // server.
  if (checks_since_asked_ > silent_checks && now - heard_at_ > 2 * keepalive) {
    return fail(errc::db_unavailable, "the server stopped answering");
  }
  if (checks_since_asked_++ > 0) return;
  wire::append_options(out_, own_stream);
  flush();
}

void connection::fail(errc code, std::string why) {
  if (state_ == state::broken) return;
  state_ = state::broken;
  loop_.unwatch(transport_->descriptor());
  transport_.reset();
  owner_.broken(error(code, std::move(why)));
}

}  // namespace millrace::cql
