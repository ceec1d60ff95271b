// What the session shares with its workers: statements, each prepared once per process.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <millrace/base/result.h>
#include <millrace/stream/store.h>

#include "bridge.h"

namespace millrace::cql {

// A statement as it was when it was prepared: what the C++ types were compared with, and what every later
// description of the same text is compared with.
struct prepared_statement {
  std::string text;
  byte_buffer id;
  std::vector<statements::column> parameters;
  std::vector<statements::column> columns;
  std::vector<std::uint16_t> partition_key;  // indexes into parameters; none: no token can be computed
  std::string keyspace;                      // of its table; "": unknown
  std::string table;
};

// Thread-safe. Prepares the same text once, and keeps up to `prepared_max` statements: beyond that, one that
// no worker uses any more makes room.
class prepared_cache {
 public:
  // The session must outlive the cache.
  prepared_cache(millrace_cql_session* session, std::size_t prepared_max) noexcept
      : session_(session), prepared_max_(prepared_max) {}

  // Blocks. errc::limit_exceeded when all of prepared_max are in use.
  [[nodiscard]] result<std::shared_ptr<const prepared_statement>> prepare(const std::string& cql);
  [[nodiscard]] std::size_t size() const;

 private:
  struct entry {
    std::shared_ptr<const prepared_statement> statement;
    std::uint64_t used_at = 0;
  };

  [[nodiscard]] bool make_room();

  millrace_cql_session* session_;
  std::size_t prepared_max_;
  mutable std::mutex mutex_;
  std::map<std::string, entry> known_;  // by text
  std::uint64_t uses_ = 0;
};

}  // namespace millrace::cql
