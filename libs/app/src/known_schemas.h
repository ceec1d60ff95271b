// Schemas that are known by their CRC-64-AVRO fingerprint, for the frames of single objects: those of the structs of
// the application, of files, and of subjects of the registry.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <millrace/app/app_config.h>
#include <millrace/base/result.h>
#include <millrace/engine/processor.h>
#include <millrace/stream/schemas.h>

namespace millrace::app {

// Immutable once it is made; shared by the workers.
class known_schemas {
 public:
  using document = std::shared_ptr<const stream::schema_document>;

  // Adds a schema under its fingerprint. errc::schema_invalid when it is not one.
  [[nodiscard]] result<void> add(stream::schema_document schema);
  // nullptr: not known.
  [[nodiscard]] document find(std::uint64_t fingerprint) const;
  [[nodiscard]] std::size_t size() const noexcept { return by_fingerprint_.size(); }

 private:
  std::unordered_map<std::uint64_t, document> by_fingerprint_;
};

// The schemas of all versions of a subject.
using subject_reader =
    std::function<result<std::vector<stream::schema_document>>(const std::string& subject)>;

// Collects the schemas of the processors' structs, and of the inputs' files and subjects. Errors name the file or the
// subject. Blocks while subjects are read.
[[nodiscard]] result<std::shared_ptr<const known_schemas>> collect_schemas(const engine::processors& work,
                                                                           const app_config& settings,
                                                                           const subject_reader& read);

// Returns a port that answers for fingerprints from `known` and passes everything else to `others`.
[[nodiscard]] std::unique_ptr<stream::schemas> with_known_schemas(std::unique_ptr<stream::schemas> others,
                                                                  std::shared_ptr<const known_schemas> known);

}  // namespace millrace::app
