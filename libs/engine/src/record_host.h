// What a record in flight may call of its engine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <millrace/base/errors.h>

#include "dependencies.h"
#include "engine_metrics.h"
#include "environment.h"

namespace millrace::engine {

class envelope;

class record_host {
 public:
  record_host(engine_environment& env, dependencies& needs) noexcept : env_(env), needs_(needs) {}
  record_host(const record_host&) = delete;
  record_host& operator=(const record_host&) = delete;

  [[nodiscard]] engine_environment& environment() noexcept { return env_; }
  [[nodiscard]] dependencies& needs() noexcept { return needs_; }

  // A processor begins or resumes. On the path of every answer.
  virtual void enter(const processor_base& processor, std::int32_t partition,
                     std::int64_t offset) noexcept = 0;
  // Counts a failure and keeps it for the status.
  virtual void note_failure(work_stage where, const error& cause) = 0;
  // An exception left process(): `cause` names the record.
  virtual void note_exception(std::string_view processor, std::string_view type, const error& cause) = 0;
  // False: the dead-letter rate limit is exceeded, and the engine stops.
  [[nodiscard]] virtual bool may_dead_letter(envelope& e, const error& cause) = 0;
  // Stops the engine after a drain.
  virtual void fail(error cause) = 0;
  // Counts a change of a record's memory against the byte budget: `held` bytes are counted, `bytes` are held.
  virtual void hold(std::size_t& held, std::size_t bytes) noexcept = 0;
  // Every run of the record has ended.
  virtual void settle(envelope& e) = 0;
  // An abandoned record has nothing outstanding any more.
  virtual void abandoned_attempt_ended(envelope& e) = 0;
  // The next record of its key or partition may start.
  virtual void leave_barrier(envelope& e) = 0;
  // The last handle was released.
  virtual void recycled(envelope& e) noexcept = 0;

 protected:
  ~record_host() = default;

 private:
  engine_environment& env_;
  dependencies& needs_;
};

}  // namespace millrace::engine
