// Verifies that the effects of every record exist with exactly the values that the generator's seed implies:
// its row in `visit`, its record on the downstream topic, and at the end each visitor's first row in
// `last_seen`. The verifier shares no code with the record path: it reads the tables inside the emulator and
// decodes the emitted Avro itself.
//
// Example, at namespace scope:
//
//   bool is_verified(workload::verifier& checks, const workload::visit_generator& generator) {
//     checks.produced(generator.make(0));
//     checks.check_rows(100);
//     return checks.finish().verified();
//   }
//
// Threads: a verifier belongs to one thread.
// Lifetime: the generator outlives the verifier.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <millrace/base/bytes.h>
#include <millrace/emulators/cql_emulator.h>
#include <millrace/workload/visit_generator.h>

namespace millrace::workload {

// The result of a verification.
struct verdict {
  std::uint64_t produced = 0;
  std::uint64_t lost = 0;             // a record without its row or without its downstream record
  std::uint64_t duplicated = 0;       // downstream records or row writes beyond the first
  std::uint64_t wrong = 0;            // effects with other values than expected
  std::vector<std::string> examples;  // the first few problems, for people

  // Returns whether records were produced and each has exactly its effects.
  [[nodiscard]] bool verified() const noexcept {
    return produced > 0 && lost == 0 && duplicated == 0 && wrong == 0;
  }
};

// Compares the effects of records with the expected ones.
class verifier {
 public:
  verifier(const visit_generator& generator, emulators::emulated_table visits,
           emulators::emulated_table last_seen);

  // Notes that the broker acknowledged a record.
  void produced(const expected_visit& visit);
  // Compares a record of the downstream topic.
  void downstream(std::string_view key, bytes_view value);
  // Compares the rows of up to `records_max` records whose downstream record has arrived.
  void check_rows(std::size_t records_max);
  // Compares the rest, after the application has drained: a missing effect is lost now.
  [[nodiscard]] verdict finish();

 private:
  struct progress {
    bool produced = false;
    bool row_checked = false;
    bool lost = false;
    std::uint32_t downstream = 0;
  };

  progress& of(std::uint64_t index);
  void check_row(const expected_visit& visit, bool is_last_chance);
  void check_last_seen();
  void wrong(std::string what);
  void lost(progress& record, std::string what);

  const visit_generator& generator_;
  emulators::emulated_table visits_;
  emulators::emulated_table last_seen_;
  std::vector<progress> records_;
  std::unordered_map<std::uint32_t, std::uint64_t> newest_;  // by visitor: event times grow with the index
  std::uint64_t next_row_ = 0;
  verdict verdict_;
};

}  // namespace millrace::workload
