// The port to the schema registry. Lookups are asynchronous: the network is never touched on a worker.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/result.h>

namespace millrace::stream {

// A writer's schema, with everything it refers to.
struct schema_document {
  std::string text;
  // Texts of the schemas whose types `text` uses, directly or not; each comes after those it uses itself.
  std::vector<std::string> references;
};
using schema_answer = result<std::shared_ptr<const schema_document>>;

// Told once per request, on the worker's loop. errc::schema_not_found and errc::registry_unavailable are
// distinct: the second is never a reason to dead-letter. Must stay alive until told.
class schema_receiver {
 public:
  virtual void on_schema(std::int32_t id, schema_answer answer) = 0;

 protected:
  ~schema_receiver() = default;
};

class schemas {
 public:
  schemas() = default;
  schemas(const schemas&) = delete;
  schemas& operator=(const schemas&) = delete;
  virtual ~schemas() = default;

  // The writer's schema of a Confluent id. Concurrent requests for one id share one fetch.
  virtual void fetch(std::int32_t id, schema_receiver& receiver) = 0;
  // Start-up only, blocks: registers (or finds) `schema_text` under `subject` and returns its id.
  [[nodiscard]] virtual result<std::int32_t> register_schema(std::string_view subject,
                                                             std::string_view schema_text) = 0;
};

}  // namespace millrace::stream
