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
#include <millrace/base/values.h>

namespace millrace::stream {

// A writer's schema and the schemas that it refers to.
struct schema_document {
  std::string text;
  // Texts of the schemas whose types `text` uses, directly or not. Each comes after those that it uses
  // itself.
  std::vector<std::string> references;
};
using schema_answer = result<std::shared_ptr<const schema_document>>;

// The name of a schema in the frame of a record: a registry's id, the CRC-64-AVRO fingerprint of a single object,
// or a registry's GUID. `none`: there is no frame, the schema is that of the input.
struct schema_tag {
  enum class kind : std::uint8_t { none, id, fingerprint, guid };

  kind what = kind::none;
  std::uint64_t low = 0;
  std::uint64_t high = 0;  // of a GUID

  [[nodiscard]] static constexpr schema_tag of_id(std::int32_t id) noexcept {
    return {kind::id, static_cast<std::uint32_t>(id), 0};
  }
  [[nodiscard]] static constexpr schema_tag of_fingerprint(std::uint64_t crc) noexcept {
    return {kind::fingerprint, crc, 0};
  }
  [[nodiscard]] static schema_tag of_guid(const uuid& guid) noexcept;
  // The id; -1 for the other kinds.
  [[nodiscard]] constexpr std::int32_t id() const noexcept {
    return what == kind::id ? static_cast<std::int32_t>(static_cast<std::uint32_t>(low)) : -1;
  }
  // The GUID; of that kind only.
  [[nodiscard]] uuid guid() const noexcept;
  friend constexpr bool operator==(const schema_tag&, const schema_tag&) = default;
};
// Returns text for messages and labels: "7", "fingerprint c3a1...", "guid 01b2...", "none".
[[nodiscard]] std::string to_string(const schema_tag& tag);

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
  // The same for a schema that a frame names otherwise; the receiver gets the id -1. Default: no schema is known
  // by a fingerprint or GUID, and the answer, errc::schema_not_found, comes before this returns.
  virtual void fetch_tagged(const schema_tag& tag, schema_receiver& receiver);
  // Registers `schema_text` under `subject`, or finds it there, and returns its id. Start-up only; blocks.
  // Errors: those of the registry's client; errc::schema_incompatible when the subject refuses the schema.
  [[nodiscard]] virtual result<std::int32_t> register_schema(std::string_view subject,
                                                             std::string_view schema_text) = 0;
};

}  // namespace millrace::stream
