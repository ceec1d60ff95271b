// One connection to a node (a shard of it): handshake, frames, and the mapping of answers to requests.
//
//   connecting ──▶ asking ──▶ starting ─────────────────────▶ choosing ──▶ open
//       │            │           │  └──▶ authenticating ──────▲  │           │
//       └────────────┴───────────┴──────────────┴────────────────┴───────────┴──▶ broken
//
//   from            event                                              to              sent
//   connecting      TCP, and TLS when configured, are established      asking          OPTIONS
//   asking          SUPPORTED                                          starting        STARTUP
//   starting        READY                                              choosing        USE keyspace
//   starting        AUTHENTICATE                                       authenticating  AUTH_RESPONSE
//   authenticating  AUTH_SUCCESS                                       choosing        USE keyspace
//   choosing        RESULT, or at once without a keyspace              open            -
//   before open     ERROR, another frame, or the handshake's timeout   broken          -
//   open            malformed frame, or an unexpected stream           broken          -
//   open            no whole frame for twice the keepalive             broken          OPTIONS before
//   open            more than 1,024 forgotten requests for over 1 s    broken          -
//   any             a failure of the transport                         broken          -
//
// owner::opened() is called on entering open, owner::broken() on entering broken, which is final.
//
// Threads: its worker's loop. It never blocks and retries nothing. When it breaks, its owner receives the reason
// and still has every request (in_flight()).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <millrace/base/bytes.h>
#include <millrace/base/clock.h>
#include <millrace/base/result.h>
#include <millrace/runtime/loop.h>

#include "frames.h"
#include "transport.h"

namespace millrace::cql {

// What a connection says when it begins.
struct introduction {
  std::vector<std::pair<std::string, std::string>> startup;  // besides CQL_VERSION and the extensions
  std::string user;
  std::string password;
  std::string keyspace;                     // "": none is chosen
  std::shared_ptr<const tls_settings> tls;  // null: plaintext
  frames::compression compression = frames::compression::none;
  nanoseconds handshake_timeout = seconds(10);
};

class connection {
 public:
  class owner {
   public:
    // The handshake is done: requests may be sent.
    virtual void opened() = 0;
    // An answer to a request that still waits for it. `body` is valid during the call.
    virtual void answered(std::uint32_t place, const frames::header& of, bytes_view body) = 0;
    // The server reports a change of the schema, after listen().
    virtual void schema_changed(const frames::schema_event& what) = 0;
    // It carries nothing any more. Requests that were sent have no answer (in_flight()). It must not be
    // destroyed from here: it may be calling.
    virtual void broken(const error& why) = 0;

   protected:
    ~owner() = default;
  };

  // What arrives is read into `receiving`, which the connections of a worker share; at least receiving_bytes
  // long.
  static constexpr std::size_t receiving_bytes = 256U << 10U;

  // The loop, the owner and `receiving` must outlive the connection.
  [[nodiscard]] static result<std::unique_ptr<connection>> open(runtime::loop& worker, owner& by,
                                                                std::shared_ptr<const introduction> as,
                                                                const transport::target& to,
                                                                byte_buffer& receiving);
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;
  ~connection();

  [[nodiscard]] bool is_open() const noexcept { return state_ == state::open; }
  // When the last bytes arrived.
  [[nodiscard]] instant heard_at() const noexcept { return heard_at_; }
  [[nodiscard]] instant began_at() const noexcept { return began_at_; }
  // What the loop watches; valid until it is broken.
  [[nodiscard]] int descriptor() const noexcept { return transport_->descriptor(); }
  [[nodiscard]] bool wants_to_write() const noexcept { return watched_for_writing_; }
  // What the loop calls when the descriptor is ready.
  void go_on();
  // What the server said of itself; known when it is open.
  [[nodiscard]] const frames::supported& server() const noexcept { return server_; }
  [[nodiscard]] const frames::extensions& negotiated() const noexcept { return negotiated_; }

  // Whether there is a number left for a request, and not too much waits to be written.
  [[nodiscard]] bool has_room() const noexcept {
    return (!free_streams_.empty() || places_.size() < streams_max) && unwritten() < unwritten_bytes_max;
  }
  // Written by flush(). Each returns the stream, for forget(). has_room() must hold.
  std::uint16_t execute(std::uint32_t place, const frames::execution& what);
  std::uint16_t batch(std::uint32_t place, const frames::batch& what);
  std::uint16_t prepare(std::uint32_t place, std::string_view text);
  // From now on the server reports changes of the schema.
  void listen();
  // The request's answer, if it arrives, is ignored.
  void forget(std::uint16_t stream);
  void flush();
  // Takes what has arrived, without waiting for the loop to say so.
  void receive();

  // Looks after silence and answers that never come. `now` may be any later time.
  void check(instant now, nanoseconds keepalive);

  // Places of the requests without an answer.
  [[nodiscard]] std::vector<std::uint32_t> in_flight() const;
  // Bytes of its buffers.
  [[nodiscard]] std::size_t memory() const noexcept { return out_.capacity() + own_.capacity(); }

 private:
  enum class state : std::uint8_t { connecting, asking, starting, authenticating, choosing, open, broken };

  // Streams: 0 is the connection's own (handshake, keepalive), requests have the others.
  static constexpr std::size_t streams_max = 32'768;
  static constexpr std::size_t unwritten_bytes_max = 1U << 20U;

  connection(runtime::loop& worker, owner& by, std::shared_ptr<const introduction> as,
             std::unique_ptr<transport> over, byte_buffer& receiving);
  [[nodiscard]] std::uint16_t take_stream(std::uint32_t place);
  [[nodiscard]] std::size_t unwritten() const noexcept { return out_.size() - written_; }
  void compress(std::size_t frame);
  void drop_written();
  // Returns how many bytes were whole frames.
  std::size_t take_frames(bytes_view received);
  void on_frame(const frames::header& of, bytes_view body);
  void start_with(const frames::supported& server);
  void go_on_with_handshake(const frames::header& of, bytes_view body);
  void choose_keyspace();
  [[nodiscard]] bool is_silent(instant now, nanoseconds keepalive);
  void begin_to_receive();
  void end_receiving();
  void watch_writable();
  void fail(errc code, std::string why);  // by value: the reason may be the transport's own

  runtime::loop& loop_;
  owner& owner_;
  std::shared_ptr<const introduction> as_;
  std::unique_ptr<transport> transport_;
  state state_ = state::connecting;
  frames::supported server_;
  frames::extensions negotiated_;
  frames::compressor compressor_{frames::compression::none};

  byte_buffer out_;
  std::size_t written_ = 0;  // of out_
  byte_buffer& shared_;
  byte_buffer own_;           // what is left of the last frame, while nothing is being received
  byte_buffer* in_ = &own_;   // where it is received: shared_, or own_ when the frame is large
  std::size_t received_ = 0;  // of in_
  bool watched_for_writing_ = false;

  std::vector<std::uint32_t> places_;       // by stream; or nobody, or forgotten_one
  std::deque<std::uint16_t> free_streams_;  // in the order in which they are used again
  std::size_t forgotten_ = 0;
  instant many_forgotten_since_;
  bool many_forgotten_ = false;
  instant heard_at_;
  instant began_at_;
  // Liveness: the last whole frame, or the last time that an unfinished one had grown enough.
  instant frame_at_;
  std::size_t received_then_ = 0;
  int checks_since_asked_ = 0;  // 0: no request outstanding
};

}  // namespace millrace::cql
