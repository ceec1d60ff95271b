#include "described_statement.h"

#include <algorithm>
#include <string>

#include "column_changes.h"

namespace millrace::cql {

bytes_view described_statement::id_of(std::uint32_t node_number) const {
  for (const auto& [node_that_differs, id] : other_ids_) {
    if (node_that_differs == node_number) return id;
  }
  return prepared->id;
}

std::optional<error> described_statement::take_description(std::uint32_t node_number,
                                                           std::uint64_t changes_then,
                                                           const frames::header& of, bytes_view body,
                                                           const frames::extensions& negotiated) {
  if (static_cast<frames::opcode>(of.opcode) == frames::opcode::error) {
    const frames::failure failed = frames::read_error(of, body, negotiated);
    return error(failed.kind, failed.message);
  }
  frames::answer with;
  const bool is_result = static_cast<frames::opcode>(of.opcode) == frames::opcode::result;
  if (!is_result || !frames::read_result(of, body, with) || with.is != frames::answer::kind::prepared) {
    return error(errc::db_protocol, "the description of the statement cannot be read");
  }
  const auto now = frames::read_prepared(with, negotiated);
  if (!now) return now.error();
  if (auto differs = compare(node_number, *now)) return differs;
  changes_seen = changes_then;  // those that were reported since stay
  invalid_since.reset();
  return std::nullopt;
}

std::optional<error> described_statement::compare(std::uint32_t node_number, const frames::prepared& now) {
  const prepared_statement& known = *prepared;
  auto why = changed(known.parameters, now.parameters);
  if (!why && !conditional) why = changed(known.columns, now.columns);
  if (!why && !known.partition_key.empty() && known.partition_key != now.partition_key) {
    why = "the partition key is another one";
  }
  if (why) {
    return error(errc::db_type_mismatch, "table " + known.keyspace + "." + known.table +
                                             " has changed since the statement was prepared: " + *why);
  }
  std::erase_if(other_ids_, [node_number](const auto& each) { return each.first == node_number; });
  const bool same = std::equal(known.id.begin(), known.id.end(), now.id.begin(), now.id.end());
  if (!same) other_ids_.emplace_back(node_number, byte_buffer(now.id.begin(), now.id.end()));
  metadata_id.assign(now.metadata_id.begin(), now.metadata_id.end());
  return std::nullopt;
}

// The server describes rows although it was asked not to when they are no longer those that were prepared.
std::optional<error> described_statement::check_columns(const frames::answer& with) {
  const std::vector<statements::column>& known = prepared->columns;
  const auto mismatch = [](std::string why) { return error(errc::db_type_mismatch, std::move(why)); };
  if (!with.columns.empty()) {
    const auto now = frames::read_columns(with);
    if (!now) return now.error();
    if (const auto why = changed(known, *now)) return mismatch("the table has changed: " + *why);
    metadata_id.assign(with.metadata_id.begin(), with.metadata_id.end());
  }
  if (with.column_count == known.size()) return std::nullopt;
  return mismatch("the answer has " + std::to_string(with.column_count) + " columns instead of " +
                  std::to_string(known.size()));
}

// They are nearly always those of the last answer.
result<shared_columns> described_statement::columns_of(const frames::answer& with) {
  const bool same =
      columns_ != nullptr && columns_->size() == with.column_count &&
      std::equal(with.columns.begin(), with.columns.end(), columns_bytes_.begin(), columns_bytes_.end());
  if (same) return columns_;
  auto read = frames::read_columns(with);
  if (!read) return read.error();
  columns_bytes_.assign(with.columns.begin(), with.columns.end());
  columns_ = std::make_shared<const std::vector<statements::column>>(std::move(*read));
  return columns_;
}

void described_statement::note(const frames::schema_event& what) {
  const auto has_user_types = [](const std::vector<statements::column>& columns) {
    return std::any_of(columns.begin(), columns.end(), [](const statements::column& each) {
      return each.type.find("udt<") != std::string::npos;
    });
  };
  const prepared_statement& known = *prepared;
  if (known.keyspace != what.keyspace) return;
  if (what.target == "TABLE" && known.table == what.name) ++changes;
  if (what.target == "TYPE" && (has_user_types(known.parameters) || has_user_types(known.columns))) {
    ++changes;
  }
  if (what.target == "KEYSPACE") ++changes;
}

}  // namespace millrace::cql
