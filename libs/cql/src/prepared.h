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
  std::vector<stream::column> parameters;
  std::vector<stream::column> columns;
};

// Thread-safe. Prepares the same text with the same options once.
class prepared_cache {
 public:
  // The session must outlive the cache.
  explicit prepared_cache(millrace_cql_session* session) noexcept : session_(session) {}

  // Blocks.
  [[nodiscard]] result<std::shared_ptr<const prepared_statement>> prepare(
      const std::string& cql, const stream::statement_options& options);

 private:
  using key = std::tuple<std::string, std::string, bool>;  // text, consistency, idempotent

  millrace_cql_session* session_;
  std::mutex mutex_;
  std::map<key, std::shared_ptr<const prepared_statement>> known_;
};

}  // namespace millrace::cql
