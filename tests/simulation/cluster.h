// One run: a topic, a group of members that come and go, faults, then healing, then a second load without
// faults.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "checker.h"
#include "member.h"

namespace scenario {

class cluster {
 public:
  explicit cluster(std::uint64_t seed);
  cluster(const cluster&) = delete;
  cluster& operator=(const cluster&) = delete;

  // Runs to the end and examines the history.
  [[nodiscard]] verdict run();
  [[nodiscard]] const history& told() const noexcept { return history_; }

 private:
  void produce_some(std::int64_t records, bool second_load);
  void produce_one(bool second_load);
  void end_transactions();
  [[nodiscard]] millrace::simulation::simulated_record record_of(const logged& of, bool second_load);
  [[nodiscard]] millrace::byte_buffer value_of(const logged& of, bool second_load);
  [[nodiscard]] millrace::timestamp draw_timestamp();
  [[nodiscard]] kind draw_kind(bool second_load);
  [[nodiscard]] std::string_view draw_good_word(bool second_load);

  void run_for(std::int64_t ms, bool faults);
  [[nodiscard]] bool caught_up() const;
  void catch_up();
  void one_instant();
  void dead_letter_the_gone();
  void end_failed_processes();
  void act();
  void act_on_processes();
  void switch_spike();
  void check_lags();
  [[nodiscard]] bool is_finished(millrace::stream::partition_id id) const;
  [[nodiscard]] std::size_t processes_serving() const;
  template <class Call>
  void each_worker_of(int process, Call call);
  [[nodiscard]] bool due(std::int64_t every_ms);
  void assign_free(double probability);
  void start_process();
  [[nodiscard]] member* any_serving();
  void tell_losses(bool all);
  void recover();
  void resume_hung();
  void restart_cleanly();

  struct pending_loss {
    int member;
    millrace::stream::partition_id which;
    millrace::instant tell_at;
  };

  seeded_random random_;
  millrace::manual_clock time_;
  millrace::simulation::simulated_log log_;
  history history_;
  fault_injector faults_;
  common shared_;
  std::vector<std::unique_ptr<member>> members_;
  std::vector<pending_loss> losses_;
  std::int32_t partitions_;
  std::size_t processes_wanted_;
  int last_process_ = 0;
  int last_member_ = 0;
  bool stumbles_;               // first attempts throw on some good records
  std::int64_t throwing_left_;  // records on which every attempt throws
  std::int64_t hanging_left_;   // records whose attempts sleep long, or never return
  std::int64_t many_emits_left_;
  bool transactions_;  // their markers are offsets without a record, also at the end of the log
  bool redrives_;
  bool spike_ = false;
};

}  // namespace scenario
