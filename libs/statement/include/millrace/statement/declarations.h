// Declarations of a processor's members: statements, lookups, inputs, outputs, metrics and services.
//
// A declaration registers itself in the collector that is active on the thread while the engine constructs
// the processor. The engine can therefore prepare and check statements, and register schemas, before the
// first record.
//
// Example:
//
//   statements::declarations declared;
//   const statements::declaration_scope scope(declared);
//   // a processor that is constructed here appears in `declared`
//   invariant(declared.statements.empty(), "nothing was declared yet");
//
// Threads: one worker's thread, at start-up.
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
#include <millrace/statement/metric.h>
#include <millrace/statement/service.h>

namespace millrace::statements {

// Topics that a processor reads under one name, declared as a member. Applications use the typed form,
// engine::input<T>.
class input_declaration {
 public:
  // Registers the input with the declaration_scope of the thread. The configuration names its topics.
  explicit input_declaration(std::string name);
  input_declaration(const input_declaration&) = delete;
  input_declaration& operator=(const input_declaration&) = delete;

  // The declared name.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

 protected:
  virtual ~input_declaration() = default;

 private:
  std::string name_;
};

// A topic that a processor produces to, declared as a member. Applications use the typed form,
// engine::output<T>.
class output_declaration {
 public:
  // Registers the output with the declaration_scope of the thread. `name` is the topic, unless the
  // configuration maps it to another.
  explicit output_declaration(std::string name);
  output_declaration(const output_declaration&) = delete;
  output_declaration& operator=(const output_declaration&) = delete;

  // The declared name, and the topic that it is mapped to.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] const std::string& topic() const noexcept { return topic_; }
  void route_to(std::string topic) { topic_ = std::move(topic); }
  // The id under which the schema is registered; -1 before.
  [[nodiscard]] std::int32_t schema_id() const noexcept { return schema_id_; }
  void registered_as(std::int32_t schema_id) noexcept { schema_id_ = schema_id; }
  // Returns the Avro schema of the values, for registration under "<topic>-value".
  [[nodiscard]] virtual std::string_view schema_text() const noexcept = 0;

  // The same of the keys, for registration under "<topic>-key"; empty: keys have no schema.
  [[nodiscard]] virtual std::string_view key_schema_text() const noexcept { return {}; }
  [[nodiscard]] std::int32_t key_schema_id() const noexcept { return key_schema_id_; }
  void key_registered_as(std::int32_t schema_id) noexcept { key_schema_id_ = schema_id; }

 protected:
  ~output_declaration() = default;

 private:
  std::string name_;
  std::string topic_;
  std::int32_t schema_id_ = -1;
  std::int32_t key_schema_id_ = -1;
};

// The declarations of the processors that were constructed in a scope, in order. The processors own them.
struct declarations {
  std::vector<statement_declaration*> statements;
  std::vector<output_declaration*> outputs;
  std::vector<lookup_declaration*> lookups;
  std::vector<metric_declaration*> metrics;
  std::vector<service_declaration*> services;
  std::vector<const input_declaration*> inputs;
};

// Ties the writes to the lookups that they name, and checks the conditions that concern several statements.
// Start-up only, after all statements of a worker were prepared. Returns errc::config_invalid with statement,
// lookup and column.
[[nodiscard]] result<void> connect(const declarations& all, invalidation_board& board);

// Checks that a write which a repetition changes says so, as far as its text shows. engine::build() does, before
// anything is connected; the types of parameters show the rest when the statement is prepared. Returns
// errc::config_invalid with the statement, the cause and what to declare:
//
//   text                                              .idempotent
//   now(), uuid(), current_timestamp(), ... is bound  false; or true, when another value does not matter
//   c = c + 1, l = l + ['x'], l = ['x'] + l           false
//   c = c + ?, with a counter or a list               false, known when it is prepared
//   DELETE l[?] FROM ..., with a list                 false, known when it is prepared
//
// Not checked: a write at the record's write time, for which connect() has a stricter rule; a literal index of a list.
[[nodiscard]] result<void> check_idempotence(const statement_declaration& statement);

// Makes `into` the thread's collector for the lifetime of this object. A statement, input, output, metric or service
// that is constructed without a collector breaks an invariant, because it would never be prepared.
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
