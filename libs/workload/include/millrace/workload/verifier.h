// Checks, while the demo runs, that every record's effects exist with exactly the values that the generator's
// seed implies: its row in `visit`, its record on the downstream topic, and at the end each visitor's
// first row in `last_seen`. It shares no code with the pipeline: tables are read inside the emulator, the
// downstream Avro is decoded here.
//
// Threads: one, the demo's.
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

struct verdict {
  std::uint64_t produced = 0;
  std::uint64_t lost = 0;             // a record without its row or without its downstream record
  std::uint64_t duplicated = 0;       // downstream records or row writes beyond the first
  std::uint64_t wrong = 0;            // effects with other values than expected
  std::vector<std::string> examples;  // the first few problems, for people

  [[nodiscard]] bool verified() const noexcept {
    return produced > 0 && lost == 0 && duplicated == 0 && wrong == 0;
  }
};

class verifier {
 public:
  verifier(const visit_generator& generator, emulators::emulated_table visits,
           emulators::emulated_table last_seen);

  // A record was acknowledged by the broker.
  void produced(const expected_visit& visit);
  // A record arrived on the downstream topic.
  void downstream(std::string_view key, bytes_view value);
  // Checks rows of up to `records_max` records whose downstream record has arrived.
  void check_rows(std::size_t records_max);
  // After the application has drained: everything must be there.
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
