// What statements and lookups need to be called outside of an engine.
#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/runtime/loop.h>
#include <millrace/stream/context.h>

namespace millrace::cql {

class execution_of_test final : public stream::execution {
 public:
  execution_of_test(runtime::loop& l, stream::store& s) : loop_(l), store_(s) {}
  runtime::loop& loop() noexcept override { return loop_; }
  stream::store& database() noexcept override { return store_; }
  const stream::record_block& record() const noexcept override { return *block_; }
  std::uint32_t attempt() const noexcept override { return 1; }
  byte_buffer* begin_emit(const stream::emit_request&) override { return &emitted_; }
  void emit_failed(const error& cause) override { FAIL() << cause.to_string(); }
  void resumed() noexcept override { ++resumptions; }
  void answer_ignored(const std::string& name) noexcept override { ignored.push_back(name); }
  nanoseconds put_off_for() const noexcept override { return put_off; }
  std::int64_t write_time_us() const noexcept override { return write_time; }

  int resumptions = 0;
  std::vector<std::string> ignored;  // statements whose answers nobody looked at
  nanoseconds put_off{0};
  std::int64_t write_time = 0;

 private:
  runtime::loop& loop_;
  stream::store& store_;
  stream::record_ref block_;
  byte_buffer emitted_;
};

class finished_flag final : public runtime::deferred {
 public:
  bool finished = false;
  void run() override { finished = true; }
};

}  // namespace millrace::cql
