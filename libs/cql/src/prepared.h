// What the session shares with its stores: statements, each prepared once per process.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include <millrace/base/result.h>
#include <millrace/stream/store.h>

#include "bridge.h"

namespace millrace::cql {

struct prepared_statement {
  std::uint32_t number = 0;  // the bridge's
  bool conditional = false;
  std::vector<statements::column> parameters;
  std::vector<statements::column> columns;
  std::vector<std::uint16_t> partition_key;  // indexes into parameters; none: not known before it runs
};

// Thread-safe. Prepares the same text with the same options once, and keeps up to `prepared_max` statements:
// beyond that, one that no store uses any more makes room.
class prepared_cache {
 public:
  // The session must outlive the cache.
  prepared_cache(millrace_cql_session* session, std::size_t prepared_max) noexcept
      : session_(session), prepared_max_(prepared_max) {}

  // Blocks. errc::limit_exceeded when all of prepared_max are in use.
  [[nodiscard]] result<std::shared_ptr<const prepared_statement>> prepare(
      const std::string& cql, const statements::statement_options& options);
  [[nodiscard]] std::size_t size() const;

 private:
  using key = std::tuple<std::string, std::string, std::string, bool, bool, std::uint32_t>;
  struct entry {
    std::shared_ptr<const prepared_statement> statement;
    std::uint64_t used_at = 0;
  };

  [[nodiscard]] bool make_room();

  millrace_cql_session* session_;
  std::size_t prepared_max_;
  mutable std::mutex mutex_;
  std::map<key, entry> known_;
  std::uint64_t uses_ = 0;
};

}  // namespace millrace::cql
