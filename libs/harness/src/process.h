// One process of the application: the members of the group on one loop, with the ports of each. A crash severs the
// ports and destroys it; the Kafka log, the tables and everything that was observed live longer.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <millrace/app/app_config.h>
#include <millrace/app/application.h>
#include <millrace/base/result.h>
#include <millrace/engine/input_options.h>
#include <millrace/engine/record_engine.h>
#include <millrace/metrics/registry.h>
#include <millrace/runtime/loop.h>
#include <millrace/simulation/processor_runner.h>
#include <millrace/simulation/simulated_log.h>
#include <millrace/simulation/simulated_schemas.h>
#include <millrace/simulation/simulated_services.h>
#include <millrace/simulation/simulated_sink.h>
#include <millrace/simulation/simulated_source.h>
#include <millrace/simulation/simulated_store.h>

namespace millrace::harness {

// What a process runs on. Outlives it.
struct surroundings {
  const app::application& application;
  const app::app_config& settings;
  const engine::processor_set& processors;
  const std::vector<engine::input_options>& inputs;
  manual_clock& time;
  runtime::loop& loop;
  simulation::simulated_log& log;
  simulation::simulated_services& services;
  metrics::registry& counts;
  simulation::simulated_store::options store;  // scripts, tables and observers
  simulation::simulated_sink::options sink;
  std::map<std::string, std::vector<simulation::row>> primed;
  std::vector<std::string>& schemas;  // of the registry; the id is the place, from 1
  std::vector<simulation::logged_line>& logged;
  std::vector<std::string>& reported;
  std::uint64_t seed;
};

class process {
 public:
  explicit process(surroundings& within);
  process(const process&) = delete;
  process& operator=(const process&) = delete;
  // Every member was destroyed: end() or crash().
  ~process();

  // Starts `members` members and deals the partitions out. Errors: those of app::prepare().
  [[nodiscard]] result<void> start(std::size_t members);
  // Adds or removes members, and moves partitions. Errors: as start().
  [[nodiscard]] result<void> resize(std::size_t members);
  void lose_partitions();
  // Nothing reaches the cluster any more.
  void crash();
  // Stops every member as SIGTERM does.
  [[nodiscard]] result<void> end();
  // Registers a schema with every member; returns its id.
  std::int32_t add_schema(std::string_view text);
  void prime(std::string_view cql, const std::vector<simulation::row>& rows);
  [[nodiscard]] result<void> check_primed();
  void wake();

  // The failure of a member that has ended by itself.
  [[nodiscard]] std::optional<error> failure() const;
  [[nodiscard]] engine::record_accounting accounting() const;
  // The oldest unfinished record, as text; "" without one.
  [[nodiscard]] std::string oldest() const;

 private:
  struct member;

  [[nodiscard]] result<void> add_member();
  void deal_out();
  void leave(member& which);
  void note_schemas(const engine::processors& of);
  [[nodiscard]] engine::engine_options options_of(std::size_t index);
  // Moves the clock from timer to timer until the condition holds.
  void run_until(const std::function<bool()>& holds, const char* what);

  surroundings& within_;
  statements::invalidation_board board_;
  engine::byte_budget budget_;
  engine::retry_budget retries_;
  simulation::simulated_schemas schemas_;
  std::vector<std::unique_ptr<member>> members_;
  std::uint64_t started_ = 0;  // members so far
};

}  // namespace millrace::harness
