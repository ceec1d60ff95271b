#include "prepared.h"

#include <optional>

#include <millrace/statement/statement_text.h>

namespace millrace::cql {
namespace {

std::vector<statements::column> columns_of(const millrace_cql_column* all, std::size_t count) {
  std::vector<statements::column> out;
  out.reserve(count);
  for (std::size_t k = 0; k < count; ++k) out.push_back({all[k].name, all[k].type});
  return out;
}

constexpr std::uint16_t serial = 8;
constexpr std::uint16_t local_serial = 9;

// Fills in what the text's options say, or says what is wrong with them.
result<void> apply(const statements::statement_options& options, millrace_cql_statement& to) {
  to.consistency = -1;
  to.serial_consistency = -1;
  if (!options.consistency.empty()) {
    const auto number = consistency_number(options.consistency);
    if (!number) {
      return error(errc::config_invalid, "consistency '" + options.consistency +
                                             "' is unknown; expected one of " + consistency_names());
    }
    to.consistency = *number;
  }
  if (!options.serial_consistency.empty()) {
    const auto number = consistency_number(options.serial_consistency);
    if (number != serial && number != local_serial) {
      return error(errc::config_invalid, "invalid serial consistency '" + options.serial_consistency +
                                             "', expected SERIAL or LOCAL_SERIAL");
    }
    to.serial_consistency = *number;
  }
  to.idempotent = options.idempotent ? 1 : 0;
  to.page_size = options.page_rows;
  to.trace = options.trace ? 1 : 0;
  return {};
}

}  // namespace

result<std::shared_ptr<const prepared_statement>> prepared_cache::prepare(
    const std::string& cql, const statements::statement_options& options) {
  const std::lock_guard lock(mutex_);
  const key wanted{cql,           options.consistency, options.serial_consistency, options.idempotent,
                   options.trace, options.page_rows};
  if (const auto found = known_.find(wanted); found != known_.end()) {
    found->second.used_at = ++uses_;
    return found->second.statement;
  }
  auto statement = sized<millrace_cql_statement>();
  if (auto applied = apply(options, statement); !applied) return applied.error();
  const bool conditional = statements::statement_text::of(cql).conditional;
  statement.conditional = conditional ? 1 : 0;
  statement.text = cql.c_str();
  if (known_.size() >= prepared_max_ && !make_room()) {
    return error(errc::limit_exceeded, "all " + std::to_string(prepared_max_) +
                                           " prepared statements of the session are in use (prepared_max)");
  }
  auto prepared = sized<millrace_cql_prepared>();
  auto failed = sized<millrace_cql_error>();
  if (millrace_cql_prepare(session_, &statement, &prepared, &failed) != MILLRACE_CQL_OK) {
    return to_error(failed);
  }
  const owner_handle owner(prepared.owner);
  auto made = std::make_shared<prepared_statement>();
  made->number = prepared.statement;
  made->conditional = conditional;
  made->parameters = columns_of(prepared.parameters, prepared.parameter_count);
  made->columns = columns_of(prepared.columns, prepared.column_count);
  made->partition_key.assign(prepared.partition_key, prepared.partition_key + prepared.partition_key_count);
  known_.emplace(wanted, entry{made, ++uses_});
  return std::shared_ptr<const prepared_statement>(std::move(made));
}

std::size_t prepared_cache::size() const {
  const std::lock_guard lock(mutex_);
  return known_.size();
}

bool prepared_cache::make_room() {
  auto oldest = known_.end();
  for (auto each = known_.begin(); each != known_.end(); ++each) {
    if (each->second.statement.use_count() > 1) continue;  // of a store
    if (oldest == known_.end() || each->second.used_at < oldest->second.used_at) oldest = each;
  }
  if (oldest == known_.end()) return false;
  millrace_cql_forget(session_, oldest->second.statement->number);
  known_.erase(oldest);
  return true;
}

}  // namespace millrace::cql
