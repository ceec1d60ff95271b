// A record in flight. Envelopes are pooled and reused for record after record.
//
// A record's life:
//
//   taken ─────▶ queued ─────▶ started ─────▶ settled ─────▶ pool
//    │  ▲           │             │                            ▲
//    ▼  │           ▼             ▼                            │
//   waiting ────▶ abandoned ───────────────────────────────────┘
//
//   from                      event                                                         to
//   pool                      on_record(): copied, counted, known to the tracker            taken
//   taken                     the plan of its schema is not compiled yet, or an earlier     waiting
//                             record of the partition waits
//   waiting                   the plan is compiled, and the earlier ones have left          taken
//   taken                     decoded, or a tombstone to process; an earlier record of its  queued
//                             key or partition works
//   taken                     the same, and nothing is in its way; or unreadable            started
//   taken                     skipped by rule                                               settled
//   queued                    the earlier records of its key or partition have ended        started
//   started                   every processor_run has ended; the offset is finished         settled
//   waiting, queued, started  its assignment is sealed                                      abandoned
//   waiting                   its partition is revoked, or the engine drains                abandoned
//   queued                    its turn comes while its partition is revoked, with           abandoned
//                             order_mode::partition
//   settled                   the last handle is released                                   pool
//   abandoned                 no task, receipt or timer is outstanding, and the last        pool
//                             handle is released
//
// An unreadable record is `condemned`: its first run starts as dead-lettering. A record that is skipped by
// rule (a tombstone, or redriven for another group) is settled without having started.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/engine/observer.h>
#include <millrace/engine/record.h>
#include <millrace/engine/value.h>

#include "assignment.h"
#include "record_host.h"
#include "routes.h"

namespace millrace::engine {

class plan_entry;
class processor_run;

// The runs of one record, side by side (attempt.h): they stay where they were made.
class run_array {
 public:
  run_array(record_host& host, envelope& subject, std::size_t count);
  run_array(const run_array&) = delete;
  run_array& operator=(const run_array&) = delete;
  ~run_array();

  [[nodiscard]] processor_run* begin() const noexcept { return first_; }
  [[nodiscard]] processor_run* end() const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  [[nodiscard]] processor_run& front() const noexcept { return *first_; }
  [[nodiscard]] processor_run& operator[](std::size_t place) const noexcept;
  // Ready for the next record.
  void reset() noexcept;

 private:
  processor_run* first_;
  std::size_t count_ = 0;
};

class envelope final : public held_record, public unsettled_hook, public waiting_hook {
 public:
  // A slot for each of `formats`, which outlive the envelope; the first is made at once.
  envelope(record_host& host, std::span<const value_format* const> formats, std::size_t processor_count);

  void fill(stream::record_ref block, assignment& of, instant at);
  // One callback that was outstanding has come. False: the record was abandoned meanwhile, and may be gone now.
  [[nodiscard]] bool still_counts();
  // The slot of the value, of the type that was chosen last.
  [[nodiscard]] value_slot& slot() noexcept { return *slot_; }
  void use_slot(std::size_t which) {
    if (slots_.size() > 1) use_one_of_slots(which);
  }
  [[nodiscard]] value_slot& slot_at(std::size_t which);
  void set_key(const void* decoded) noexcept { key_value_ = decoded; }
  // The processors that work on it.
  void set_readers(processor_bits which) noexcept {
    readers = which;
    unended = static_cast<std::size_t>(std::popcount(which));
  }
  // Memory of all slots, and giving it back until each holds at most its share of `bytes_max`.
  [[nodiscard]] std::size_t slot_bytes_held() const noexcept {
    return slots_.size() == 1 ? slot_->bytes_held() : bytes_held_by_slots();
  }
  void trim_slots(std::size_t bytes_max) noexcept {
    if (slots_.size() == 1) return slot_->trim(bytes_max);
    trim_each_slot(bytes_max / slots_.size());
  }
  [[nodiscard]] assignment& of() const noexcept { return *assignment_; }

  run_array runs;
  stream::offset_tracker::ticket ticket = 0;
  instant taken_at;
  instant queued_at;                       // behind another record of its key
  std::optional<std::int64_t> created_us;  // since 1970, as the producer says
  std::size_t bytes = 0;                   // of its block and envelope, against the byte budget
  std::size_t decoded_bytes = 0;           // of its slot, also while it is in the pool
  std::size_t unended = 0;                 // runs that have not ended
  std::uint32_t outstanding = 0;           // tasks, receipts and timers that will call back
  std::int64_t write_time_us = 0;
  std::int32_t schema_id = -1;
  processor_bits readers = 0;
  processor_bits unwanted = 0;     // those that do not want it, by filter or wants()
  plan_entry* plan = nullptr;      // decoded with; its constants are part of the value
  plan_entry* key_plan = nullptr;  // the same of the key
  bool filtered = false;           // its processors were asked whether they want it
  bool queued = false;             // behind another record of its key
  bool started = false;            // processors have seen it
  bool condemned = false;          // the whole record is a dead letter: it could not be read
  bool abandoned = false;          // nothing that happens to it counts any more
  bool let_go = false;             // the engine has given back its reference
  bool dead_counted = false;       // by the dead-letter rate limit

  std::unique_ptr<followed_record> followed;  // by an observer
  void note(std::string_view what, std::string_view processor, std::uint32_t attempt, instant began,
            instant ended, std::string failure = {}) {
    if (followed)
      followed->stages.push_back(
          {std::string(what), std::string(processor), attempt, began, ended, std::move(failure)});
  }

  std::uint64_t key_hash = 0;  // 0: not in the key table
  envelope* next_of_key = nullptr;
  envelope* next_free = nullptr;

 private:
  void use_one_of_slots(std::size_t which);
  [[nodiscard]] std::size_t bytes_held_by_slots() const noexcept;
  void trim_each_slot(std::size_t bytes_max) noexcept;
  void recycle() noexcept override;

  record_host& host_;
  std::span<const value_format* const> formats_;
  std::vector<std::unique_ptr<value_slot>> slots_;  // those of several types, when first used
  value_slot* slot_ = nullptr;
  assignment_ref assignment_;
};

// All envelopes of an engine.
class envelope_pool {
 public:
  envelope_pool(record_host& host, std::span<const value_format* const> formats, std::size_t processor_count)
      : host_(host), formats_(formats), processor_count_(processor_count) {}

  [[nodiscard]] envelope& take();
  void give_back(envelope& e) noexcept;
  // Gives back the memory of slots that are not in use. Returns how many bytes.
  [[nodiscard]] std::size_t trim() noexcept;
  // Includes what is settled or abandoned but still referred to.
  [[nodiscard]] std::size_t in_use() const noexcept { return in_use_; }

 private:
  record_host& host_;
  std::span<const value_format* const> formats_;
  std::size_t processor_count_;
  std::deque<envelope> all_;
  envelope* free_ = nullptr;
  std::size_t in_use_ = 0;
};

}  // namespace millrace::engine
