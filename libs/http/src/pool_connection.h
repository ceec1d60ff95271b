// One connection of a pool.
//
//   connecting ─▶ busy ⇄ idle
//       └──────────┴──────┴──▶ dead
//
// A connection is made for a transfer, which it then carries. A dead one is removed by its owner, later.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <millrace/http/transport.h>
#include <millrace/runtime/loop.h>
#include <millrace/runtime/timer.h>

#include "response_reader.h"
#include "stream_socket.h"

namespace millrace::http {

// What a connection tells its owner, who must not destroy it meanwhile.
class connection_owner {
 public:
  // The transfer has its answer; the connection is idle or dead.
  virtual void answered(transfer& what, result<response> answer) = 0;
  // The connection is dead and had been idle before it took this transfer, of which nothing came back.
  virtual void stale(transfer& what) = 0;
  // The connection could not be made, and is dead.
  virtual void unreachable(transfer& what, error why) = 0;
  // The connection has died.
  virtual void died() = 0;

 protected:
  ~connection_owner() = default;
};

class pool_connection final : private runtime::timer {
 public:
  pool_connection(runtime::loop& l, const pool_options& options, connection_owner& owner)
      : loop_(l),
        options_(options),
        owner_(owner),
        reader_(options.header_bytes_max, options.body_bytes_max) {}
  ~pool_connection() override { close(); }

  // Connects to one of the addresses, and sends `text` for the transfer.
  void begin(std::vector<std::string> addresses, std::uint16_t port, std::shared_ptr<ssl_ctx_st> tls,
             transfer& what, std::string text);
  // An idle connection takes a transfer.
  void carry(transfer& what, std::string text);
  // Dies without a word; the transfer is the caller's.
  void abandon() noexcept;

  [[nodiscard]] bool is_idle() const noexcept { return state_ == state::idle; }
  [[nodiscard]] bool is_dead() const noexcept { return state_ == state::dead; }

 private:
  enum class state : std::uint8_t { connecting, busy, idle, dead };

  void on_timer() override;
  void on_ready();
  void try_next_address();
  void advance_connecting();
  void send_and_read();
  // False: the connection has failed.
  [[nodiscard]] bool send();
  void read();
  void check_idle();
  void complete(result<response> answer, bool may_stay);
  void lost(const std::string& why);
  void update_interest();
  void close() noexcept;
  void die() noexcept;
  [[nodiscard]] error failure(errc code, const std::string& why) const;
  [[nodiscard]] transfer& let_go() noexcept;

  runtime::loop& loop_;
  const pool_options& options_;
  connection_owner& owner_;
  std::unique_ptr<stream_socket> socket_;
  std::vector<std::string> addresses_;  // still to be tried, the next one last
  std::uint16_t port_ = 0;
  std::shared_ptr<ssl_ctx_st> tls_;  // none: plain TCP
  instant connected_by_;
  std::string refused_;  // why the last address was
  state state_ = state::connecting;
  bool was_idle_ = false;  // before it took the present transfer
  transfer* carried_ = nullptr;
  std::string out_;
  std::size_t written_ = 0;
  response_reader reader_;
};

}  // namespace millrace::http
