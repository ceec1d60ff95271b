// The records that one attempt of a processor wants to produce. They are sent when the attempt is done.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <millrace/base/bytes.h>
#include <millrace/base/errors.h>
#include <millrace/base/values.h>
#include <millrace/statement/declarations.h>
#include <millrace/stream/emit.h>
#include <millrace/stream/mutations.h>
#include <millrace/stream/record.h>
#include <millrace/stream/sink.h>

namespace millrace::engine {

class emission;

class emission_watcher {
 public:
  virtual void on_emit_answer(emission& which, const result<void>& answer) = 0;

 protected:
  ~emission_watcher() = default;
};

// Headers, name and value one after another in one buffer, so that another emit reuses it.
class emission_headers {
 public:
  void add(const stream::emit_header& header);
  void clear() noexcept {
    bytes_.clear();
    sizes_.clear();
  }
  [[nodiscard]] bool empty() const noexcept { return sizes_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return sizes_.size(); }
  [[nodiscard]] bool contains(std::string_view name) const noexcept;
  // Appends views, which are valid until a header is added.
  void append_to(std::vector<stream::header_view>& all) const;
  [[nodiscard]] std::size_t bytes_held() const noexcept {
    return bytes_.capacity() + sizes_.capacity() * sizeof(header_size);
  }

 private:
  struct header_size {
    std::uint32_t name = 0;
    std::optional<std::uint32_t> value;
  };
  byte_buffer bytes_;
  std::vector<header_size> sizes_;
};

class emission final : public stream::receipt {
 public:
  void on_acknowledged(result<void> answer) override { watcher->on_emit_answer(*this, answer); }
  [[nodiscard]] std::optional<bytes_view> key_view() const noexcept {
    return null_key ? std::nullopt : std::optional(bytes_view(key));
  }
  [[nodiscard]] std::optional<bytes_view> value_view() const noexcept {
    return tombstone && !mutated(stream::mutation::erase_with_an_empty_value)
               ? std::nullopt
               : std::optional(bytes_view(value));
  }
  // Without the object itself.
  [[nodiscard]] std::size_t bytes_held() const noexcept {
    return key.capacity() + value.capacity() + headers.bytes_held();
  }

  const statements::output_declaration* to = nullptr;
  byte_buffer key;
  byte_buffer value;
  bool null_key = false;
  bool tombstone = false;
  std::optional<timestamp> created;       // nullopt: the time at which it is sent
  std::optional<std::int32_t> partition;  // nullopt: the key decides
  emission_headers headers;               // of the processor
  emission_watcher* watcher = nullptr;    // set when it is sent
  bool outstanding = false;
  bool acknowledged = false;
};

class emit_batch {
 public:
  // The buffer to which the value is appended. `created` is the emit's own.
  [[nodiscard]] byte_buffer& begin(const stream::emit_request& what, std::optional<timestamp> created);
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
