// Schemas and registrations in files, so that a process starts and runs while the registry is down.
//
// A file belongs to one registry and context, whose name is in it and in its folder's name:
//   FOLDER/REGISTRY/KEY
//   line 1  "millrace-schema-cache 1"
//   line 2  SHA-256 of the rest, in hexadecimal
//   rest    JSON: {"registry": ..., "key": ..., "schema": ..., "references": [...]} or {..., "id": ...}
// It appears at once under its name (written beside it, synced, renamed), so processes may share a folder.
// One that is torn, altered or of another registry is removed and counts as absent. What cannot be written is
// counted and forgotten: the cache is a convenience, never a condition.
//
// Any thread, but none that must not wait for a disk.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <millrace/base/result.h>
#include <millrace/stream/schemas.h>

#include "registry_metrics.h"

namespace millrace::registry {

class disk_cache {
 public:
  using document = std::shared_ptr<const stream::schema_document>;

  // Makes the folder. errc::config_invalid when that cannot be done or nothing can be written there: better
  // to know now than when the registry is down. `identity` names registry and context.
  [[nodiscard]] static result<std::unique_ptr<disk_cache>> open(const std::string& folder,
                                                                std::string identity, std::size_t files_max,
                                                                std::size_t bytes_max, meters& counts);

  // nullptr when it is not there.
  [[nodiscard]] document find(const std::string& key);
  void put(const std::string& key, const stream::schema_document& what);
  [[nodiscard]] std::optional<std::int32_t> find_id(const std::string& key);
  void put_id(const std::string& key, std::int32_t id);

  [[nodiscard]] std::size_t files() const;
  // The last failure, once: for a log.
  [[nodiscard]] std::optional<std::string> take_problem();

 private:
  disk_cache(std::string folder, std::string identity, std::size_t files_max, std::size_t bytes_max,
             meters& counts);
  // The JSON text of a good file.
  [[nodiscard]] std::optional<std::string> read(const std::string& key);
  void write(const std::string& key, const std::string& body);
  [[nodiscard]] std::string path_of(const std::string& key) const;
  void make_room();
  void problem(disk_problem what, std::string text);

  const std::string folder_;
  const std::string identity_;
  const std::size_t files_max_;
  const std::size_t bytes_max_;  // of one file
  meters& counts_;
  mutable std::mutex mutex_;  // guards what follows
  std::size_t files_ = 0;
  std::uint64_t written_ = 0;
  std::optional<std::string> problem_;
};

// The SHA-256 of a text, in hexadecimal.
[[nodiscard]] std::string digest(std::string_view text);

}  // namespace millrace::registry
