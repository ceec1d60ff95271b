#include "prepared.h"

namespace millrace::cql {
namespace {

// A page fits one read of a socket or a few; more rows come in further pages.
constexpr std::uint32_t page_rows = 1'000;

std::vector<stream::column> columns_of(const millrace_cql_column* all, std::size_t count) {
  std::vector<stream::column> out;
  for (std::size_t k = 0; k < count; ++k) out.push_back({all[k].name, all[k].type});
  return out;
}

}  // namespace

result<std::shared_ptr<const prepared_statement>> prepared_cache::prepare(
    const std::string& cql, const stream::statement_options& options) {
  const std::lock_guard lock(mutex_);
  const key wanted{cql, options.consistency, options.idempotent};
  if (const auto found = known_.find(wanted); found != known_.end()) return found->second;

  auto statement = sized<millrace_cql_statement>();
  statement.consistency = -1;
  statement.serial_consistency = -1;
  if (!options.consistency.empty()) {
    const auto number = consistency_number(options.consistency);
    if (!number) {
      return error(errc::config_invalid,
                   "consistency '" + options.consistency + "' is none of " + consistency_names());
    }
    statement.consistency = *number;
  }
  statement.idempotent = options.idempotent ? 1 : 0;
  statement.page_size = page_rows;
  statement.text = cql.c_str();
  auto prepared = sized<millrace_cql_prepared>();
  auto failed = sized<millrace_cql_error>();
  if (millrace_cql_prepare(session_, &statement, &prepared, &failed) != MILLRACE_CQL_OK) {
    return to_error(failed);
  }
  const owner_handle owner(prepared.owner);
  auto made = std::make_shared<prepared_statement>();
  made->number = prepared.statement;
  made->parameters = columns_of(prepared.parameters, prepared.parameter_count);
  made->columns = columns_of(prepared.columns, prepared.column_count);
  known_.emplace(wanted, made);
  return std::shared_ptr<const prepared_statement>(std::move(made));
}

}  // namespace millrace::cql
