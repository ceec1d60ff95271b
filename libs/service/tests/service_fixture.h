// What services need to be called outside of an engine: a run of a processor on a manual clock.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/runtime/loop.h>
#include <millrace/runtime/task.h>
#include <millrace/service/channel.h>
#include <millrace/statement/declarations.h>
#include <millrace/stream/context.h>

namespace millrace::service {

// Notes what a call reports, and can be cancelled.
class run_of_test final : public stream::execution {
 public:
  explicit run_of_test(runtime::loop& l) : loop_(l) {}
  runtime::loop& loop() noexcept override { return loop_; }
  stream::store& database() noexcept override { invariant_broken("no statement is executed"); }
  const stream::record_block& record() const noexcept override { return *block_; }
  std::uint32_t attempt() const noexcept override { return 1; }
  byte_buffer* begin_emit(const stream::emit_request&) override { return nullptr; }
  void emit_failed(const error& cause) override { FAIL() << cause.to_string(); }
  [[nodiscard]] bool is_cancelled() const noexcept override { return cancelled_; }
  void begin_wait(stream::cancellable& wait) override { waits_.push_back(wait); }
  void service_answered(const statements::service_declaration& service, const error* failure) override {
    answers.push_back(service.name() + ": " +
                      std::string(failure == nullptr ? "ok" : to_string(failure->code())));
  }
  void service_not_called(const statements::service_declaration& service) override {
    answers.push_back(service.name() + ": not called");
  }
  void answer_ignored(const std::string& name) noexcept override { ignored.push_back(name); }

  void cancel() {
    cancelled_ = true;
    while (stream::cancellable* wait = waits_.pop_front()) wait->on_cancelled();
  }

  std::vector<std::string> answers;
  std::vector<std::string> ignored;

 private:
  runtime::loop& loop_;
  stream::record_ref block_;
  runtime::intrusive_list<stream::cancellable> waits_;
  bool cancelled_ = false;
};

// A task of a test, and its result when it has ended.
template <typename T>
class begun final : public runtime::deferred {
 public:
  begun(runtime::loop& l, runtime::task<T> what) : task_(std::move(what)) { task_.start(l, *this); }
  [[nodiscard]] bool ended() const noexcept { return ended_; }
  // Throws what the task threw.
  [[nodiscard]] T take() { return task_.take(); }

 private:
  void run() override { ended_ = true; }

  runtime::task<T> task_;
  bool ended_ = false;
};

}  // namespace millrace::service
