// A producer whose acknowledgements come when, and in the order in which, the test says.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <millrace/base/errors.h>
#include <millrace/runtime/loop.h>
#include <millrace/stream/sink.h>

namespace millrace::simulation {

struct produced_record {
  std::string topic;
  std::optional<byte_buffer> key;
  std::optional<byte_buffer> value;
  std::vector<std::pair<std::string, std::optional<byte_buffer>>> headers;
  std::uint64_t number = 0;                              // in the order in which the sink was handed them
  std::optional<std::int32_t> partition = std::nullopt;  // that was asked for

  // The last header of that name, as text; nullopt when absent or null.
  [[nodiscard]] std::optional<std::string> header(std::string_view name) const;
};

// What becomes of one produced record.
struct produce_fate {
  nanoseconds delay{0};           // until the answer
  std::optional<error> refused;   // by produce() itself: a full queue
  std::optional<error> failure;   // the answer
  bool written_although = false;  // the log has it, although the answer is a failure
};

class simulated_sink final : public stream::sink {
 public:
  struct options {
    std::function<produce_fate(const produced_record&)> fate_of;  // default: acknowledged at once
    // The record is in the output topic now.
    std::function<void(const produced_record&)> on_written;
  };

  simulated_sink(runtime::loop& loop, options settings);
  ~simulated_sink() override;

  // In the order in which they were written.
  [[nodiscard]] const std::vector<produced_record>& written() const noexcept { return written_; }
  // Records of `topic` only.
  [[nodiscard]] std::vector<const produced_record*> written_to(std::string_view topic) const;
  // The process is gone: nothing is written any more, everything outstanding is answered as cancelled.
  void sever();
  // The sink can never send again: what is outstanding is answered with errc::produce_failed, and nothing
  // more is taken.
  void fail(error cause);

  // stream::sink
  [[nodiscard]] result<void> produce(const stream::outgoing& record, stream::receipt& answer) override;
  void flush() override {}
  [[nodiscard]] std::size_t in_flight() const noexcept override { return flights_.size(); }
  [[nodiscard]] const error* failure() const noexcept override { return failure_ ? &*failure_ : nullptr; }

 private:
  struct flight;
  void land(flight& f);

  runtime::loop& loop_;
  options options_;
  std::vector<std::unique_ptr<flight>> flights_;
  std::vector<produced_record> written_;
  std::uint64_t last_number_ = 0;
  bool severed_ = false;
  std::optional<error> failure_;
};

}  // namespace millrace::simulation
