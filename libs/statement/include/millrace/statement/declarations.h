// What a processor declares as members: statements, lookups and outputs.
//
// A declaration registers itself in the collector that is active on the thread while the engine constructs
// the processor, so that statements are prepared and checked, and schemas registered, before the first
// record.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <millrace/base/result.h>
#include <millrace/statement/declaration.h>
#include <millrace/statement/invalidations.h>
#include <millrace/statement/lookup.h>

namespace millrace::statements {

// A stream of produced records that a processor declares as a member; the typed form is pipeline's output<T>.
class output_declaration {
 public:
  // `name` is the topic, unless the configuration maps it to another.
  explicit output_declaration(std::string name);
  output_declaration(const output_declaration&) = delete;
  output_declaration& operator=(const output_declaration&) = delete;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] const std::string& topic() const noexcept { return topic_; }
  void route_to(std::string topic) { topic_ = std::move(topic); }
  [[nodiscard]] std::int32_t schema_id() const noexcept { return schema_id_; }
  void registered_as(std::int32_t schema_id) noexcept { schema_id_ = schema_id; }
  // The Avro schema of the values, for registration under "<topic>-value".
  [[nodiscard]] virtual std::string_view schema_text() const noexcept = 0;

 protected:
  ~output_declaration() = default;

 private:
  std::string name_;
  std::string topic_;
  std::int32_t schema_id_ = -1;
};

// Everything declared while a processor was constructed, in order.
struct declarations {
  std::vector<statement_declaration*> statements;
  std::vector<output_declaration*> outputs;
  std::vector<lookup_declaration*> lookups;
};

// Start-up only, after all of a worker's statements were prepared: ties the writes to the lookups that they
// name, and checks what no statement can tell alone. errc::config_invalid with statement, lookup and column.
[[nodiscard]] result<void> connect(const declarations& all, invalidation_board& board);

// Makes `into` the thread's collector for the lifetime of this object. A statement or output constructed
// without one breaks an invariant: it would never be prepared.
class declaration_scope {
 public:
  explicit declaration_scope(declarations& into) noexcept;
  declaration_scope(const declaration_scope&) = delete;
  declaration_scope& operator=(const declaration_scope&) = delete;
  ~declaration_scope();

 private:
  declarations* previous_;
};

}  // namespace millrace::statements
