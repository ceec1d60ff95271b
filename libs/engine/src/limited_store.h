// The database behind a limit: requests over it wait in order.
#pragma once

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include <millrace/engine/options.h>
#include <millrace/engine/record_engine.h>
#include <millrace/stream/store.h>

#include "processor_rules.h"

namespace millrace::engine {

class limited_store final : public stream::store {
 public:
  limited_store(stream::store& behind, std::unique_ptr<measured_limiter> limiter)
      : behind_(behind), limiter_(std::move(limiter)) {}
  // nullptr: the options have no limit for the database.
  [[nodiscard]] static std::unique_ptr<limited_store> of(const engine_options& options,
                                                         const engine_ports& ports, engine_metrics& metrics);

  // Completes what waits with errc::cancelled: the engine has ended, and nobody counts what becomes of it.
  void cancel_waiting();

  // stream::store
  [[nodiscard]] result<void> prepare(statements::statement_declaration& declaration) override {
    return behind_.prepare(declaration);
  }
  void submit(stream::store_request& request) override;
  [[nodiscard]] std::size_t in_flight() const noexcept override {
    return behind_.in_flight() + limiter_->limit.waiting();
  }

 private:
  // A request from submit() to its completion.
  struct passage final : runtime::limiter::waiter {
    explicit passage(limited_store& of) : owner(of) {}
    void on_admitted() override { owner.admitted(*this); }

    limited_store& owner;
    stream::store_request* request = nullptr;
    void (*on_complete)(stream::store_request&) = nullptr;
    void* relay = nullptr;
    instant waits_since;
  };

  void admitted(passage& p);
  void send(passage& p);
  // The answer of the store behind.
  static void completed(stream::store_request& request);
  // Hands the request back to whom it belongs.
  void finish(passage& p);

  stream::store& behind_;
  std::unique_ptr<measured_limiter> limiter_;
  std::deque<passage> all_;
  std::vector<passage*> free_;
};

}  // namespace millrace::engine
