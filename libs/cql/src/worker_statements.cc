#include "worker_statements.h"

#include <algorithm>
#include <string>
#include <utility>

#include <millrace/base/assert.h>

#include "bridge.h"
#include "token.h"

namespace millrace::cql {
namespace {

constexpr std::uint16_t local_quorum = 6;
constexpr std::uint16_t serial = 8;
constexpr std::uint16_t local_serial = 9;
constexpr std::uint16_t local_one = 10;

bool names_local_datacenter(std::uint16_t consistency) {
  return consistency == local_quorum || consistency == local_serial || consistency == local_one;
}

result<std::uint16_t> serial_consistency_of(const statements::statement_options& options) {
  if (options.serial_consistency.empty()) return std::uint16_t{0};
  const auto number = consistency_number(options.serial_consistency);
  if (number == serial || number == local_serial) return *number;
  return error(errc::config_invalid, "invalid serial consistency '" + options.serial_consistency +
                                         "', expected SERIAL or LOCAL_SERIAL");
}

result<std::uint16_t> consistency_of(const statements::statement_options& options, const std::string& usual) {
  const std::string& name = options.consistency.empty() ? usual : options.consistency;
  if (const auto number = consistency_number(name)) return *number;
  return error(errc::config_invalid,
               "consistency '" + name + "' is unknown; expected one of " + consistency_names());
}

std::optional<std::int64_t> timestamp_of(const flight& one) {
  if (one.request->write_timestamp_us) return one.request->write_timestamp_us;
  return one.has_timestamp ? std::optional(one.timestamp_us) : std::nullopt;
}

}  // namespace

result<void> worker_statements::add(statements::statement_declaration& declaration,
                                    std::shared_ptr<const prepared_statement> prepared, std::uint32_t table) {
  const statements::statement_options& options = declaration.options();
  const auto consistency = consistency_of(options, options_.consistency);
  if (!consistency) return consistency.error();
  const auto serial_consistency = serial_consistency_of(options);
  if (!serial_consistency) return serial_consistency.error();
  const statements::statement_text& text = declaration.text();
  const milliseconds timeout = options.timeout.value_or(options_.request_timeout);
  const bool reads_serially = *consistency == serial || *consistency == local_serial;
  described_statement& made = all_.emplace_back(statement_metrics(cells_, declaration.name()));
  made.declared = &declaration;
  made.prepared = std::move(prepared);
  made.table = table;
  made.timeout_ms = static_cast<std::uint32_t>(std::clamp<std::int64_t>(timeout.count(), 1, INT32_MAX));
  made.consistency = *consistency;
  made.serial_consistency = *serial_consistency;
  made.page_rows = static_cast<std::int32_t>(std::min<std::uint32_t>(options.page_rows, INT32_MAX));
  made.conditional = text.conditional;
  made.primary_first = text.conditional || reads_serially;
  made.stays_local = names_local_datacenter(*consistency) || *serial_consistency == local_serial;
  // A condition that was true once may be false the next time.
  made.speculative = options_.speculative_after.count() > 0 && declaration.idempotent() && !text.conditional;
  made.timestamped = options_.client_timestamps && text.writes() && !text.conditional;
  declaration.prepared_as(static_cast<std::uint32_t>(all_.size() - 1));
  return {};
}

frames::execution worker_statements::execution_of(const flight& one, bytes_view id) {
  const described_statement& what = of(one);
  const stream::store_request& request = *one.request;
  const bool has_pages = one.more != nullptr && !one.more->paging_state.empty();
  return {.id = id,
          .consistency = what.consistency,
          .serial_consistency = what.serial_consistency,
          .value_count = static_cast<std::uint16_t>(what.prepared->parameters.size()),
          .values = request.cells,
          .page_rows = what.page_rows,
          .paging_state = has_pages ? bytes_view(one.more->paging_state) : request.paging_state,
          .timestamp_us = timestamp_of(one),
          .with_columns = what.conditional,
          .traced = what.declared->options().trace};
}

frames::batch worker_statements::batch_of(const flight& one, std::uint32_t node_number) {
  const described_statement& first = of(one);
  parts_.clear();
  for (const stream::store_request::part& part : one.request->batch) {
    const described_statement& what = all_[part.statement->id()];
    parts_.push_back({.id = what.id_of(node_number),
                      .value_count = static_cast<std::uint16_t>(what.prepared->parameters.size()),
                      .values = part.cells});
  }
  return {.parts = parts_,
          .consistency = first.consistency,
          .serial_consistency = first.serial_consistency,
          .timestamp_us = timestamp_of(one),
          .traced = first.declared->options().trace,
          .logged = one.request->logged};
}

// Everything but the values is much smaller than the smallest limit.
bool worker_statements::is_too_large(const flight& one) {
  const std::uint64_t limit = options_.request_bytes_max.bytes;
  std::size_t values = one.request->cells.size();
  for (const stream::store_request::part& part : one.request->batch) values += part.cells.size();
  return values > limit / 2 && frame_bytes(one) > limit;
}

std::size_t worker_statements::frame_bytes(const flight& one) {
  if (one.request->batch.empty()) return frames::size_of(execution_of(one, of(one).prepared->id));
  return frames::size_of(batch_of(one, UINT32_MAX));
}

// A batch of one partition of one table is one mutation, which is applied as a whole. The server applies parts
// of an unlogged batch that are not by themselves.
result<void> worker_statements::check_batch(const stream::store_request& request) {
  const described_statement& first = all_[request.batch.front().statement->id()];
  byte_buffer first_key;
  for (const stream::store_request::part& part : request.batch) {
    invariant(part.statement->id() < all_.size(), "a statement is prepared before it is used");
    const described_statement& what = all_[part.statement->id()];
    const auto refused = [&](std::string_view why) {
      return error(errc::db_invalid,
                   "a batch with statement '" + what.declared->name() + "': " + std::string(why));
    };
    if (request.logged) continue;
    if (what.table != first.table) {
      return refused(
          "its table is not that of the first statement, so that a failure could leave one of them "
          "written; declare the batch as logged, or run two batches");
    }
    byte_buffer& key = &part == &request.batch.front() ? first_key : key_;
    if (!key_of(what.prepared->partition_key, part.cells, key)) {
      return refused("every part of the partition key must be a parameter with a value");
    }
    if (key != first_key && &part != &request.batch.front()) {
      return refused(
          "its partition is not that of the first statement; declare the batch as logged, or run "
          "one batch for each partition");
    }
  }
  return {};
}

std::optional<std::int64_t> worker_statements::token_of_partition(const flight& one) {
  const stream::store_request& request = *one.request;
  const bytes_view values = request.batch.empty() ? request.cells : request.batch.front().cells;
  return token_of(of(one).prepared->partition_key, values, key_);
}

bool worker_statements::is_idempotent(const flight& one) {
  if (one.request->batch.empty()) {
    const described_statement& what = of(one);
    return what.declared->idempotent() && !what.conditional;
  }
  return std::all_of(one.request->batch.begin(), one.request->batch.end(),
                     [](const auto& part) { return part.statement->idempotent(); });
}

std::uint32_t worker_statements::called(const flight& one, std::uint32_t node_number, bytes_view id) {
  for (const stream::store_request::part& part : one.request->batch) {
    const bytes_view its = all_[part.statement->id()].id_of(node_number);
    if (std::equal(its.begin(), its.end(), id.begin(), id.end())) return part.statement->id();
  }
  return one.statement;
}

std::uint32_t worker_statements::in_doubt(const flight& one) {
  if (one.request->batch.empty()) return of(one).in_doubt() ? one.statement : flight_table::none;
  for (const stream::store_request::part& part : one.request->batch) {
    if (all_[part.statement->id()].in_doubt()) return part.statement->id();
  }
  return flight_table::none;
}

void worker_statements::note(const frames::schema_event& what) {
  for (described_statement& each : all_) each.note(what);
}

void worker_statements::doubt_all() {
  for (described_statement& each : all_) ++each.changes;
}

void worker_statements::succeed(const flight& one) {
  const auto note_success = [](described_statement& what) {
    what.succeeded = true;
    what.unauthorized_since.reset();
  };
  if (one.request->batch.empty()) return note_success(of(one));
  for (const stream::store_request::part& part : one.request->batch) {
    note_success(all_[part.statement->id()]);
  }
}

error worker_statements::explain(const flight& one, const frames::failure& failed, instant now) {
  // Another server, or another version of it, may not know where the pages before ended. The statement is
  // valid: it is sent again with the record's next attempt.
  if (goes_on(one) && (failed.kind == errc::db_protocol || failed.kind == errc::db_invalid)) {
    return {errc::db_unavailable, "no further pages: " + failed.message};
  }
  if (failed.kind != errc::db_unauthorized) return {failed.kind, failed.message};
  // Cassandra answers so too when it cannot read its table of permissions, e.g. because of one node.
  return until_it_lasts(of(one).unauthorized_since, failed, "a missing permission", now);
}

// A statement that was valid once names something that is gone: it comes back when a table is made again, and a
// node may learn later than others that it was.
error worker_statements::explain_description(const flight& one, described_statement& what,
                                             const error& refused, instant now) {
  const frames::failure failed{.kind = refused.code(), .message = refused.message()};
  if (failed.kind != errc::db_invalid || goes_on(one)) return explain(one, failed, now);
  return until_it_lasts(what.invalid_since, failed, "gone for good", now);
}

// An outage, for as long as it may pass by itself.
error worker_statements::until_it_lasts(std::optional<instant>& since, const frames::failure& failed,
                                        std::string_view counts_as, instant now) const {
  const milliseconds patience = options_.unauthorized_after;
  if (!since) since = now;
  if (now - *since >= patience) return {failed.kind, failed.message};
  return {errc::db_unavailable, failed.message + " (counts as " + std::string(counts_as) +
                                    " when it lasts for " + std::to_string(patience.count()) + " ms)"};
}

}  // namespace millrace::cql
