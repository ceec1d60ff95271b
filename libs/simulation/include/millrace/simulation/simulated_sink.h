// A producer whose acknowledgements arrive at the time and in the order that the test chooses. It implements
// the port stream/sink.h.
//
// Example:
//
//   manual_clock time;
//   runtime::loop loop(time);
//   simulation::simulated_sink sink(loop, {.fate_of = [](const simulation::produced_record&) {
//     simulation::produce_fate late;
//     late.delay = milliseconds(5);
//     return late;
//   }, .on_written = {}});
//   invariant(sink.written().empty(), "nothing was produced yet");
//
// Threads: the loop's thread.
// Errors: those of the fates; errc::cancelled after sever(), errc::produce_failed after fail().
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

// A record that the sink was given.
struct produced_record {
  std::string topic;
  std::optional<byte_buffer> key;
  std::optional<byte_buffer> value;  // nullopt: a tombstone
  std::vector<std::pair<std::string, std::optional<byte_buffer>>> headers;
  std::uint64_t number = 0;                              // counts the records of the sink
  std::optional<std::int32_t> partition = std::nullopt;  // the requested one
  std::optional<timestamp> created = std::nullopt;  // the given timestamp; nullopt: the time of produce()

  // The last header of that name as text; nullopt when it is absent or null.
  [[nodiscard]] std::optional<std::string> header(std::string_view name) const;
};

// The fate of one produced record.
struct produce_fate {
  nanoseconds delay{0};           // until the answer
  std::optional<error> refused;   // returned by produce() itself, for example for a full queue
  std::optional<error> failure;   // the answer
  bool written_although = false;  // the record is written although the answer is a failure
};

// The producer.
class simulated_sink final : public stream::sink {
 public:
  struct options {
    std::function<produce_fate(const produced_record&)> fate_of;  // not set: acknowledged at once
    // Called when a record was written to its topic.
    std::function<void(const produced_record&)> on_written;
  };

  simulated_sink(runtime::loop& loop, options settings);
  ~simulated_sink() override;

  // The written records, in order.
  [[nodiscard]] const std::vector<produced_record>& written() const noexcept { return written_; }
  // The written records of `topic`.
  [[nodiscard]] std::vector<const produced_record*> written_to(std::string_view topic) const;
  // Ends the process: nothing is written any more, and outstanding records are answered with errc::cancelled.
  void sever();
  // Ends the sink: outstanding records are answered with errc::produce_failed, and no record is accepted any
  // more.
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
