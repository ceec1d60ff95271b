// One worker with its own connections, and the statements that the loads execute.
//
// Threads: the thread that opened it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <millrace/cql/session.h>
#include <millrace/cql/statement.h>
#include <millrace/runtime/loop.h>
#include <millrace/statement/declarations.h>
#include <millrace/stream/context.h>

namespace millrace::bench {

// Ids of the rows: requests take them in turn.
inline constexpr std::int64_t ids = 1'000;
// Also in bench/peers/cql.
inline constexpr std::string_view usual_note = "a note of about forty bytes, as rows have them";
inline constexpr milliseconds turn_max{100};

struct client_options {
  std::string address;
  std::string keyspace = "bench";
  std::string tls_ca;  // a file; with it, TLS
  bool lz4 = false;
  milliseconds timeout{5'000};
  std::size_t in_flight_max = 4'096;
};

struct visit {
  std::int32_t place;
  std::string_view note;
};

// The bound values of all writes are equal, so that their costs can be compared.
struct visit_statements {
  using write = cql::statement<void(std::int64_t, std::int32_t, std::string_view)>;

  static statements::statement_options with_trace() {
    statements::statement_options options;
    options.trace = true;
    return options;
  }

  write insert{"INSERT INTO visit (id, place, note) VALUES (?, ?, ?)"};
  write traced{"INSERT INTO visit (id, place, note) VALUES (?, ?, ?)", with_trace()};
  write step{"INSERT INTO step (id, place, note) VALUES (?, ?, ?)"};  // of batches: places of one id
  cql::statement<visit(std::int64_t)> select{"SELECT place, note FROM visit WHERE id = ?"};
  cql::statement<cql::applied<>(std::int32_t, std::int64_t, std::string_view)> conditional{
      "UPDATE visit SET place = ? WHERE id = ? IF note = ?"};
};

// The surroundings of a record's processor, without an engine.
class bare_execution final : public stream::execution {
 public:
  bare_execution(runtime::loop& loop, stream::store& store) : loop_(loop), store_(store) {}
  runtime::loop& loop() noexcept override { return loop_; }
  stream::store& database() noexcept override { return store_; }
  const stream::record_block& record() const noexcept override { return *block_; }
  std::uint32_t attempt() const noexcept override { return 1; }
  byte_buffer* begin_emit(const stream::emit_request&) override { return &emitted_; }
  void emit_failed(const error&) override {}

 private:
  runtime::loop& loop_;
  stream::store& store_;
  stream::record_ref block_;
  byte_buffer emitted_;
};

class client {
 public:
  // Connects and prepares every statement.
  [[nodiscard]] static result<std::unique_ptr<client>> open(const client_options& options);

  [[nodiscard]] runtime::loop& loop() noexcept { return loop_; }
  [[nodiscard]] stream::context context() noexcept { return stream::context(*execution_); }
  [[nodiscard]] const visit_statements& statements() const noexcept { return statements_; }
  [[nodiscard]] cql::session::statistics stats() const { return session_->stats(); }

 private:
  explicit client(std::unique_ptr<cql::session> session)
      : session_(std::move(session)), loop_(system_clock()) {}

  std::unique_ptr<cql::session> session_;
  runtime::loop loop_;
  statements::declarations declared_;
  statements::declaration_scope collecting_{declared_};
  visit_statements statements_;
  std::unique_ptr<stream::store> store_;
  std::unique_ptr<bare_execution> execution_;
};

// Prints the reason; the exit code of a command that failed.
int fail(const error& why);

}  // namespace millrace::bench
