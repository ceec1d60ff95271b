// The port to the schema registry. Lookups are asynchronous: a worker never waits for the network.
//
// Example, at namespace scope:
//
//   struct print_schema final : stream::schema_receiver {
//     std::string text;
//     void on_schema(std::int32_t, stream::schema_answer answer) override {
//       text = answer ? (*answer)->text : answer.error().message();
//     }
//   };
//
//   void request(stream::schemas& registry, print_schema& receiver) { registry.fetch(7, receiver); }
//
// Threads: one object per worker, on its thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/result.h>

namespace millrace::stream {

// A writer's schema and the schemas that it refers to.
struct schema_document {
  std::string text;
  // Texts of the schemas whose types `text` uses, directly or not. Each comes after those that it uses
  // itself.
  std::vector<std::string> references;
};
using schema_answer = result<std::shared_ptr<const schema_document>>;

// Receives one answer per request, on the worker's loop. Must stay alive until then.
// Errors: errc::schema_not_found when the registry does not know the id; errc::registry_unavailable when it
// did not answer, which is never a reason to give up the record.
class schema_receiver {
 public:
  virtual void on_schema(std::int32_t id, schema_answer answer) = 0;

 protected:
  ~schema_receiver() = default;
};

// The port.
class schemas {
 public:
  schemas() = default;
  schemas(const schemas&) = delete;
  schemas& operator=(const schemas&) = delete;
  virtual ~schemas() = default;

  // Requests the writer's schema of a Confluent id. Concurrent requests for one id share one fetch. The
  // answer goes to `receiver`.
  virtual void fetch(std::int32_t id, schema_receiver& receiver) = 0;
  // Registers `schema_text` under `subject`, or finds it there, and returns its id. Start-up only; blocks.
  // Errors: those of the registry's client; errc::schema_incompatible when the subject refuses the schema.
  [[nodiscard]] virtual result<std::int32_t> register_schema(std::string_view subject,
                                                             std::string_view schema_text) = 0;
};

}  // namespace millrace::stream
