// A statement as one worker executes it, and what is known of its description.
//
// The description of a statement (ids, parameters, columns) changes with its table. What the server sends is
// compared with what the C++ types were checked with, so that no cell is misread or miswritten.
//
// Threads: the worker's loop.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <millrace/base/result.h>
#include <millrace/stream/store.h>

#include "answer_rows.h"
#include "cql_metrics.h"
#include "frames.h"
#include "prepared.h"

namespace millrace::cql {

struct described_statement {
  explicit described_statement(statement_metrics counts) : meters(std::move(counts)) {}

  // How it is sent.
  const statements::statement_declaration* declared = nullptr;
  std::shared_ptr<const prepared_statement> prepared;
  std::uint32_t table = 0;  // the router's number
  std::uint32_t timeout_ms = 0;
  std::uint16_t consistency = 0;
  std::uint16_t serial_consistency = 0;
  std::int32_t page_rows = 0;
  bool conditional = false;
  bool primary_first = false;
  bool stays_local = false;
  bool speculative = false;
  bool timestamped = false;  // by the worker's clock, unless the request says otherwise

  // What has become of it.
  // Signs that its table or types have changed, and how many of them its description has taken into account.
  std::uint64_t changes = 0;
  std::uint64_t changes_seen = 0;
  bool succeeded = false;  // at least once: what the server calls invalid is then the record's fault
  std::optional<instant> unauthorized_since = {};
  std::optional<instant> invalid_since = {};  // what it names is gone
  byte_buffer metadata_id = {};               // of its columns, as a server last described them
  statement_metrics meters;

  // To be described before it is executed again.
  [[nodiscard]] bool in_doubt() const noexcept { return changes != changes_seen; }
  // The node's id of the statement.
  [[nodiscard]] bytes_view id_of(std::uint32_t node_number) const;
  // The answer of a node to PREPARE, which was sent after `changes_then` changes. An error when it cannot be read, or is no longer what the program was
  // written for.
  [[nodiscard]] std::optional<error> take_description(std::uint32_t node_number, std::uint64_t changes_then,
                                                      const frames::header& of, bytes_view body,
                                                      const frames::extensions& negotiated);
  // The columns of an answer. An error when they are no longer those that were prepared.
  [[nodiscard]] std::optional<error> check_columns(const frames::answer& with);
  // Those of a statement with IF, whose answers carry them.
  [[nodiscard]] result<shared_columns> columns_of(const frames::answer& with);
  // Puts the description in doubt when the change concerns it.
  void note(const frames::schema_event& what);

 private:
  [[nodiscard]] std::optional<error> compare(std::uint32_t node_number, const frames::prepared& now);

  std::vector<std::pair<std::uint32_t, byte_buffer>> other_ids_;  // of nodes that call it otherwise
  // The columns of the last answer with IF, and how they were written.
  byte_buffer columns_bytes_;
  shared_columns columns_;
};

}  // namespace millrace::cql
