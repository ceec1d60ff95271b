// The composition root: the only place that names every adapter.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <millrace/app/app_config.h>
#include <millrace/base/result.h>
#include <millrace/metrics/registry.h>

#include "capacity.h"
#include "worker.h"

namespace millrace::app {

// What the workers of a process share: the registry client and the database session.
class connections {
 public:
  using try_again = std::function<bool(const error&)>;
  // What connections share with the rest of the process. Outlives them.
  struct surroundings {
    metrics::registry* counts;
    statements::byte_account* memory;  // `engine.memory_max`
    // The configuration of now; any thread.
    std::function<result<app_config>()> settings_now;
  };

  // Blocks until everything the configuration names has been reached and has accepted our credentials, and
  // every topic exists: those that are read, the dead-letter topic and `outputs`. The first failure
  // otherwise, with its place and what to do. A schema registry that does not answer is forgiven when its
  // cache folder holds schemas.
  //
  // `tries_again` is called after a failure that may pass (a server that does not answer): it waits, returns
  // whether to try again; what has been reached stays connected.
  [[nodiscard]] static result<std::unique_ptr<connections>> open(
      const app_config& settings, const std::string& application, const std::string& version,
      const std::vector<std::string>& outputs, const surroundings& within, const try_again& tries_again);
  connections(const connections&) = delete;
  connections& operator=(const connections&) = delete;
  virtual ~connections() = default;

  // A worker's schemas and store, on its loop: what its processors are prepared with. Blocks shortly.
  [[nodiscard]] virtual result<worker_ports> attach(runtime::loop& loop, metrics::shard& counts) = 0;
  // Partitions of the topics that are read.
  [[nodiscard]] virtual std::size_t partitions() const noexcept = 0;
  // Adds sink and source of worker `index`. It begins to join the group, so that everything that can fail at
  // start-up comes before it.
  [[nodiscard]] virtual result<void> join(worker_ports& ports, runtime::loop& loop, unsigned index,
                                          const client_memory& memory) = 0;
  // Takes up the secrets of a configuration that was read again, and logs what has changed. Connections that exist
  // continue. errc::config_invalid when a part cannot be taken up; the others are. Any thread; does not block.
  [[nodiscard]] virtual result<void> renew(const app_config& now) = 0;
  // The schemas of all versions of a subject of the registry. Blocks; start-up only.
  [[nodiscard]] virtual result<std::vector<stream::schema_document>> versions_of(
      const std::string& subject) = 0;
  // A schema by id; empty when the registry does not answer soon. Blocks; not for a worker's thread.
  [[nodiscard]] virtual std::string schema_text(std::int32_t id) = 0;

 protected:
  connections() = default;
};

}  // namespace millrace::app
