#include "prepared.h"

namespace millrace::cql {
namespace {

std::vector<statements::column> columns_of(const millrace_cql_column* all, std::size_t count) {
  std::vector<statements::column> out;
  out.reserve(count);
  for (std::size_t k = 0; k < count; ++k) out.push_back({all[k].name, all[k].type});
  return out;
}

}  // namespace

result<std::shared_ptr<const prepared_statement>> prepared_cache::prepare(const std::string& cql) {
  const std::lock_guard lock(mutex_);
  if (const auto found = known_.find(cql); found != known_.end()) {
    found->second.used_at = ++uses_;
    return found->second.statement;
  }
  if (known_.size() >= prepared_max_ && !make_room()) {
    return error(errc::limit_exceeded, "all " + std::to_string(prepared_max_) +
                                           " prepared statements of the session are in use (prepared_max)");
  }
  auto prepared = sized<millrace_cql_prepared>();
  auto failed = sized<millrace_cql_error>();
  if (millrace_cql_prepare(session_, cql.c_str(), 0, &prepared, &failed) != MILLRACE_CQL_OK) {
    return to_error(failed);
  }
  const owner_handle owner(prepared.owner);
  auto made = std::make_shared<prepared_statement>();
  made->text = cql;
  const auto* id = reinterpret_cast<const std::byte*>(prepared.id);
  made->id.assign(id, id + prepared.id_size);
  made->parameters = columns_of(prepared.parameters, prepared.parameter_count);
  made->columns = columns_of(prepared.columns, prepared.column_count);
  if (prepared.murmur3 != 0) {
    made->partition_key.assign(prepared.partition_key, prepared.partition_key + prepared.partition_key_count);
  }
  made->keyspace = prepared.keyspace;
  made->table = prepared.table;
  known_.emplace(cql, entry{made, ++uses_});
  return std::shared_ptr<const prepared_statement>(std::move(made));
}

std::size_t prepared_cache::size() const {
  const std::lock_guard lock(mutex_);
  return known_.size();
}

bool prepared_cache::make_room() {
  auto oldest = known_.end();
  for (auto each = known_.begin(); each != known_.end(); ++each) {
    if (each->second.statement.use_count() > 1) continue;  // of a worker
    if (oldest == known_.end() || each->second.used_at < oldest->second.used_at) oldest = each;
  }
  if (oldest == known_.end()) return false;
  known_.erase(oldest);
  return true;
}

}  // namespace millrace::cql
