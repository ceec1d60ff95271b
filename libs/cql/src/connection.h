// One connection to a node (a shard of it): handshake, frames, and the mapping of answers to requests.
//
//   connecting ──▶ asking ──▶ starting ──────────────────▶ open
//       │            │           │  └──▶ authenticating ────▲ │
//       └────────────┴───────────┴──────────────┴─────────────┴──▶ broken
//
//   from            event                                              to              sent
//   connecting      TCP, and TLS when configured, are established      asking          OPTIONS
//   asking          SUPPORTED                                          starting        STARTUP
//   starting        READY                                              open            -
//   starting        AUTHENTICATE                                       authenticating  AUTH_RESPONSE
//   authenticating  AUTH_SUCCESS                                       open            -
//   before open     ERROR, another frame, or 5 s since open()          broken          -
//   open            malformed frame, or an unexpected stream           broken          -
//   open            nothing received for twice the keepalive           broken          OPTIONS before
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
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <millrace/base/bytes.h>
#include <millrace/base/clock.h>
#include <millrace/base/result.h>
#include <millrace/runtime/loop.h>

#include "transport.h"
#include "wire.h"

namespace millrace::cql {

// What every connection of a session says when it begins.
struct introduction {
  std::vector<std::pair<std::string, std::string>> startup;  // besides CQL_VERSION
  std::string user;
  std::string password;
  std::shared_ptr<const tls_settings> tls;  // null: plaintext
};

class connection {
 public:
  class owner {
   public:
    // The handshake is done: requests may be sent.
    virtual void opened() = 0;
    // An answer to a request that still waits for it. `body` is valid during the call.
    virtual void answered(std::uint32_t place, const wire::header& of, bytes_view body) = 0;
    // It carries nothing any more. Requests that were sent have no answer (in_flight()). It must not be
    // destroyed from here: it may be calling.
    virtual void broken(const error& why) = 0;

   protected:
    ~owner() = default;
  };

  struct target {
    std::string address;
    std::uint16_t port = 0;
    std::uint16_t source_port = 0;  // 0: any
  };

  // What arrives is read into `receiving`, which the connections of a worker share; at least receiving_bytes
  // long.
  static constexpr std::size_t receiving_bytes = 256U << 10U;

  // The loop, the owner, the introduction and `receiving` must outlive the connection.
  [[nodiscard]] static result<std::unique_ptr<connection>> open(runtime::loop& worker, owner& by,
                                                                const introduction& as, const target& to,
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
  [[nodiscard]] const wire::supported& server() const noexcept { return server_; }

  // Whether there is a number left for a request, and not too much waits to be written.
  [[nodiscard]] bool has_room() const noexcept;
  // Written by flush(). Returns the stream, for forget(). has_room() must hold.
  std::uint16_t execute(std::uint32_t place, const wire::execution& what);
  // The request's answer, if it arrives, is ignored.
  void forget(std::uint16_t stream);
  void flush();
  // Takes what has arrived, without waiting for the loop to say so.
  void receive();

  // Looks after silence and answers that never come. `now` may be any later time.
  void check(instant now, nanoseconds keepalive);

  // Places of the requests without an answer.
  [[nodiscard]] std::vector<std::uint32_t> in_flight() const;

 private:
  enum class state : std::uint8_t { connecting, asking, starting, authenticating, open, broken };

  connection(runtime::loop& worker, owner& by, const introduction& as, std::unique_ptr<transport> over,
             byte_buffer& receiving);
  // Returns how many bytes were whole frames.
  std::size_t take_frames(bytes_view received);
  void on_frame(const wire::header& of, bytes_view body);
  void go_on_with_handshake(const wire::header& of, bytes_view body);
  void begin_to_receive();
  void end_receiving();
  void watch_writable();
  void fail(errc code, std::string why);  // by value: the reason may be the transport's own

  runtime::loop& loop_;
  owner& owner_;
  const introduction& as_;
  std::unique_ptr<transport> transport_;
  state state_ = state::connecting;
  wire::supported server_;

  byte_buffer out_;
  std::size_t written_ = 0;  // of out_
  byte_buffer& shared_;
  byte_buffer own_;           // what is left of the last frame, while nothing is being received
  byte_buffer* in_ = &own_;   // where it is received: shared_, or own_ when the frame is large
  std::size_t received_ = 0;  // of in_
  bool watched_for_writing_ = false;

  std::vector<std::uint32_t> places_;  // by stream; or one of the two below
  std::vector<std::uint16_t> free_streams_;
  std::size_t forgotten_ = 0;
  instant many_forgotten_since_;
  bool many_forgotten_ = false;
  instant heard_at_;
  instant began_at_;
  int checks_since_asked_ = 0;  // 0: no request outstanding
};

}  // namespace millrace::cql
