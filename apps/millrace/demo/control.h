// The switches of a running demo: an HTTP endpoint on 127.0.0.1 that makes the embedded environment worse and
// recovery.
//
//   POST /latency/FACTOR   every latency of the database times FACTOR, instead of the schedule's
//   POST /latency/off      the schedule's again
//   POST /failing/PERCENT  so many of the statements are refused as overloaded; 0: none
//   POST /stuck/COUNT      the next COUNT inserts into `visit` are never answered
//   POST /poison/COUNT     so many records that cannot be decoded
//   POST /heal             all of it off
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include <millrace/app/admin_server.h>
#include <millrace/base/result.h>
#include <millrace/emulators/cql_emulator.h>

namespace millrace::demo {

class control {
 public:
  // Port 0 takes a free one. The database must outlive it.
  [[nodiscard]] static result<std::unique_ptr<control>> start(std::uint16_t port,
                                                              emulators::cql_emulator& database);
  control(const control&) = delete;
  control& operator=(const control&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept { return server_->port(); }
  // The requested factor; 0: the schedule's.
  [[nodiscard]] double latency_factor() const noexcept { return factor_.load(std::memory_order_relaxed); }
  // How many records of poison are wanted since the last call.
  [[nodiscard]] std::uint64_t take_poison() noexcept { return poison_.exchange(0); }

 private:
  explicit control(emulators::cql_emulator& database) : database_(database) {}
  [[nodiscard]] app::admin_page handle(std::string_view path);

  emulators::cql_emulator& database_;
  std::atomic<double> factor_{0};
  std::atomic<std::uint64_t> poison_{0};
  emulators::cql_emulator::fault_id failing_ = 0;  // of the server's thread
  std::unique_ptr<app::admin_server> server_;      // last: its thread uses the rest
};

}  // namespace millrace::demo
