// The composition root: the only place that names every adapter.
#pragma once

#include <memory>
#include <string>

#include <millrace/base/result.h>
#include <millrace/engine/app_config.h>
#include <millrace/metrics/registry.h>

#include "worker.h"

namespace millrace::engine {

// What the workers of a process share: the registry client and the database session.
class connections {
 public:
  // Blocks until everything the configuration names has been reached and has accepted our credentials; the
  // first failure otherwise, with its place.
  [[nodiscard]] static result<std::unique_ptr<connections>> open(const app_config& settings,
                                                                 const std::string& application,
                                                                 const std::string& version);
  connections(const connections&) = delete;
  connections& operator=(const connections&) = delete;
  virtual ~connections() = default;

  // The ports of worker `index`, on its loop. Blocks shortly.
  [[nodiscard]] virtual result<worker_ports> attach(runtime::loop& loop, unsigned index,
                                                    metrics::shard& counts) = 0;

 protected:
  connections() = default;
};

}  // namespace millrace::engine
