#include "connection.h"

#include <algorithm>
#include <cstring>

#include <millrace/base/assert.h>

namespace millrace::cql {
namespace {

constexpr std::int16_t own_stream = 0;
constexpr std::uint32_t nobody = UINT32_MAX;             // a free stream
constexpr std::uint32_t forgotten_one = UINT32_MAX - 1;  // its answer is ignored

// What is left of a frame is put aside in a copy, unless it is as large as this.
constexpr std::size_t put_aside_max = 16U << 10U;
// What was written is dropped when it is larger than this and than the rest; a drained buffer that is larger
// than the second gives its memory back.
constexpr std::size_t written_kept_max = 64U << 10U;
constexpr std::size_t drained_kept_max = 1U << 20U;
// TLS hands out one record (16 KiB) a read: this many are taken in a turn.
constexpr int reads_per_turn_max = 64;

// As the driver has it: a server that leaves so many requests without a word has lost them.
constexpr std::size_t forgotten_max = 1'024;
constexpr nanoseconds forgotten_timeout = seconds(1);
constexpr int silent_checks = 3;
// A frame that grows by less than this in a keepalive is not an answer on its way: answers to keepalives that
// a stuck frame swallows are shorter.
constexpr std::size_t progress_bytes = 64U << 10U;

// A stream rests while this many others are used: an answer that is sent twice meets nobody, not the next request.
constexpr std::size_t resting_streams = 256;

constexpr std::uint8_t version_response = 0x84;

}  // namespace

result<std::unique_ptr<connection>> connection::open(runtime::loop& worker, owner& by,
                                                     std::shared_ptr<const introduction> as,
                                                     const transport::target& to, byte_buffer& receiving) {
  auto over = transport::open(to, as->tls);
  if (!over) return over.error();
  std::unique_ptr<connection> made(new connection(worker, by, std::move(as), std::move(*over), receiving));
  connection* self = made.get();
  if (auto watched = worker.watch(made->transport_->descriptor(), [self] { self->go_on(); }); !watched) {
    return watched.error();
  }
  made->watch_writable();
  return made;
}

connection::connection(runtime::loop& worker, owner& by, std::shared_ptr<const introduction> as,
                       std::unique_ptr<transport> over, byte_buffer& receiving)
    : loop_(worker),
      owner_(by),
      as_(std::move(as)),
      transport_(std::move(over)),
      shared_(receiving),
      places_(1, nobody) {
  heard_at_ = began_at_ = frame_at_ = loop_.time().now();
}

connection::~connection() {
  if (transport_) loop_.unwatch(transport_->descriptor());
}

std::uint16_t connection::take_stream(std::uint32_t place) {
  invariant(is_open(), "requests are sent over an open connection");
  if (free_streams_.size() < resting_streams && places_.size() < streams_max) {
    free_streams_.push_front(static_cast<std::uint16_t>(places_.size()));
    places_.push_back(nobody);
  }
  const std::uint16_t stream = free_streams_.front();
  free_streams_.pop_front();
  places_[stream] = place;
  return stream;
}

void connection::compress(std::size_t frame) {
  if (compressor_.by() != frames::compression::none) compressor_.compress(out_, frame);
}

std::uint16_t connection::execute(std::uint32_t place, const frames::execution& what) {
  const std::uint16_t stream = take_stream(place);
  const std::size_t frame = out_.size();
  frames::append_execute(out_, static_cast<std::int16_t>(stream), what);
  compress(frame);
  return stream;
}

std::uint16_t connection::batch(std::uint32_t place, const frames::batch& what) {
  const std::uint16_t stream = take_stream(place);
  const std::size_t frame = out_.size();
  frames::append_batch(out_, static_cast<std::int16_t>(stream), what);
  compress(frame);
  return stream;
}

std::uint16_t connection::prepare(std::uint32_t place, std::string_view text) {
  const std::uint16_t stream = take_stream(place);
  const std::size_t frame = out_.size();
  frames::append_prepare(out_, static_cast<std::int16_t>(stream), text);
  compress(frame);
  return stream;
}

void connection::listen() {
  frames::append_register(out_, own_stream);
  flush();
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
  drop_written();
  watch_writable();
}

// A server that stops reading leaves a rest behind at every flush: what was written before it must not stay.
void connection::drop_written() {
  if (written_ == out_.size()) {
    out_.clear();
    written_ = 0;
    if (out_.capacity() > drained_kept_max) out_.shrink_to_fit();
  } else if (written_ > written_kept_max && written_ > unwritten()) {
    out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(written_));
    written_ = 0;
  }
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
      return fail(as_->tls ? errc::tls_error : errc::db_unavailable, transport_->reason());
    }
    watch_writable();
    if (step == transport::step::again) return;
    state_ = state::asking;
    frames::append_options(out_, own_stream);
  }
  if (written_ < out_.size()) flush();
  if (state_ != state::broken) receive();
}

void connection::receive() {
  begin_to_receive();
  // What TLS has decrypted already is announced by no descriptor.
  for (int reads = 0; reads < reads_per_turn_max || transport_->has_pending(); ++reads) {
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
    received_ += count;
    const std::size_t taken = take_frames(bytes_view(*in_).first(received_));
    if (state_ == state::broken) return;
    if (taken > 0) {
      frame_at_ = heard_at_;
      received_then_ = 0;
      checks_since_asked_ = 0;
      std::memmove(in_->data(), in_->data() + taken, received_ - taken);
      received_ -= taken;
    }
    // A short read of a socket was all there is, and its descriptor says when there is more. A read of TLS is
    // one record, and says nothing of the next.
    if (as_->tls == nullptr && count < room.size()) break;
  }
  end_receiving();
  if (!out_.empty()) flush();
  if (state_ == state::broken) return;
  watch_writable();  // reading TLS may have to write
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
  while (received.size() - at >= frames::header_bytes) {
    const frames::header of = frames::read_header(received.subspan(at));
    if (of.version != version_response || of.body_bytes < 0 || of.body_bytes > frames::body_bytes_max) {
      fail(errc::db_protocol, "the server sent an invalid frame");
      return at;
    }
    const auto body_bytes = static_cast<std::size_t>(of.body_bytes);
    if (received.size() - at - frames::header_bytes < body_bytes) break;
    bytes_view body = received.subspan(at + frames::header_bytes, body_bytes);
    if ((of.flags & frames::flag_compressed) != 0) {
      const auto plain = compressor_.decompress(body);
      if (!plain) return fail(plain.error().code(), plain.error().message()), at;
      body = *plain;
    }
    on_frame(of, body);
    if (state_ == state::broken) return at;
    at += frames::header_bytes + body_bytes;
  }
  return at;
}

void connection::on_frame(const frames::header& of, bytes_view body) {
  if (of.stream < 0) {
    if (const auto what = frames::read_schema_event(of, body); what && state_ == state::open) {
      owner_.schema_changed(*what);
    }
    return;
  }
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

void connection::start_with(const frames::supported& server) {
  server_ = server;
  negotiated_ = server.offered;
  auto startup = as_->startup;
  startup.emplace_back("CQL_VERSION", "3.0.0");
  const bool compresses = (as_->compression == frames::compression::lz4 && server.lz4) ||
                          (as_->compression == frames::compression::snappy && server.snappy);
  if (compresses) {
    startup.emplace_back("COMPRESSION", std::string(frames::to_string(as_->compression)));
    compressor_ = frames::compressor(as_->compression);
  }
  frames::append_startup_options(negotiated_, startup);
  state_ = state::starting;
  frames::append_startup(out_, own_stream, startup);
}

void connection::go_on_with_handshake(const frames::header& of, bytes_view body) {
  const auto what = static_cast<frames::opcode>(of.opcode);
  if (what == frames::opcode::error) {
    const frames::failure refused = frames::read_error(of, body, {});
    return fail(refused.kind, refused.message);
  }
  if (state_ == state::asking && what == frames::opcode::supported) {
    const auto server = frames::read_supported(of, body);
    if (!server) return fail(errc::db_protocol, "the server's options cannot be read");
    return start_with(*server);
  }
  if (state_ == state::starting && what == frames::opcode::authenticate) {
    if (as_->user.empty()) {
      return fail(errc::db_unauthorized, "the server requires a user and a password, and none is configured");
    }
    state_ = state::authenticating;
    return frames::append_credentials(out_, own_stream, as_->user, as_->password);
  }
  const bool is_chosen = state_ == state::choosing && what == frames::opcode::result;
  const bool ready = (state_ == state::starting && what == frames::opcode::ready) ||
                     (state_ == state::authenticating && what == frames::opcode::auth_success);
  if (!ready && !is_chosen)
    return fail(errc::db_protocol, "the server's handshake does not follow the protocol");
  if (ready && !as_->keyspace.empty()) return choose_keyspace();
  state_ = state::open;
  owner_.opened();
}

// Statements with unqualified names were prepared in this keyspace. Without it Cassandra executes them too,
// and logs an error each time (QueryProcessor.java, CASSANDRA-15252).
void connection::choose_keyspace() {
  std::string quoted;
  for (const char c : as_->keyspace) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  state_ = state::choosing;
  frames::append_query(out_, own_stream, "USE \"" + quoted + "\"");
}

void connection::check(instant now, nanoseconds keepalive) {
  if (state_ == state::broken) return;
  if (state_ != state::open) {
    // A worker that stood still reads what arrived meanwhile before it blames the server.
    if (now - began_at_ <= as_->handshake_timeout) return;
    if (state_ != state::connecting) receive();
    if (state_ == state::open || state_ == state::broken || now - heard_at_ <= as_->handshake_timeout) return;
    return fail(errc::db_unavailable, "no answer to the handshake");
  }
  const bool many = forgotten_ > forgotten_max;
  if (many && !many_forgotten_) many_forgotten_since_ = now;
  many_forgotten_ = many;
  if (many && now - many_forgotten_since_ > forgotten_timeout) {
    return fail(errc::db_unavailable, "the server left too many requests unanswered");
  }
  if (is_silent(now, keepalive)) fail(errc::db_unavailable, "the server stopped answering");
}

// Whole frames are life, and so is a frame that grows as only an answer does.
bool connection::is_silent(instant now, nanoseconds keepalive) {
  if (received_ >= received_then_ + progress_bytes) {
    received_then_ = received_;
    frame_at_ = heard_at_;
    checks_since_asked_ = 0;
  }
  if (now - frame_at_ <= keepalive) return false;
  // Between two checks the loop has looked for bytes, so that a blocked event loop does not blame the
  // server.
  if (checks_since_asked_ > silent_checks && now - frame_at_ > 2 * keepalive) return true;
  if (checks_since_asked_++ > 0) return false;
  frames::append_options(out_, own_stream);
  flush();
  return false;
}

void connection::fail(errc code, std::string why) {
  if (state_ == state::broken) return;
  state_ = state::broken;
  loop_.unwatch(transport_->descriptor());
  transport_.reset();
  owner_.broken(error(code, std::move(why)));
}

}  // namespace millrace::cql
