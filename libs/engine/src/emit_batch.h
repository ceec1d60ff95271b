// The records that one attempt of a processor wants to produce. They are sent when the attempt is done.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <millrace/base/bytes.h>
#include <millrace/base/errors.h>
#include <millrace/statement/declarations.h>
#include <millrace/stream/sink.h>

namespace millrace::engine {

class emission;

class emission_watcher {
 public:
  virtual void on_emit_answer(emission& which, const result<void>& answer) = 0;

 protected:
  ~emission_watcher() = default;
};

class emission final : public stream::receipt {
 public:
  void on_acknowledged(result<void> answer) override { watcher->on_emit_answer(*this, answer); }

  const statements::output_declaration* to = nullptr;
  byte_buffer key;
  byte_buffer value;
  emission_watcher* watcher = nullptr;  // set when it is sent
  bool outstanding = false;
  bool acknowledged = false;
};

class emit_batch {
 public:
  // The buffer to which the value is appended.
  [[nodiscard]] byte_buffer& begin(const statements::output_declaration& to, std::string_view key);
  // The attempt fails with the first of these.
  void fail(const error& cause) {
    if (!failure_) failure_ = cause;
  }
  [[nodiscard]] const std::optional<error>& failure() const noexcept { return failure_; }

  [[nodiscard]] std::size_t size() const noexcept { return used_; }
  // Memory of the emits so far.
  [[nodiscard]] std::size_t bytes_held() noexcept;
  [[nodiscard]] emission& operator[](std::size_t i) noexcept { return *all_[i]; }
  [[nodiscard]] bool all_acknowledged() const noexcept;
  // For the next attempt, and for the next record: then large buffers are given back.
  void clear() noexcept;
  void recycle() noexcept;

 private:
  std::vector<std::unique_ptr<emission>> all_;  // reused; the first used_ are of this attempt
  std::size_t used_ = 0;
  std::size_t counted_ = 0;  // of those, in `bytes_`
  std::size_t bytes_ = 0;
  std::optional<error> failure_;
};

}  // namespace millrace::engine
