// The servers of the benchmark that are not Kafka, and what fills and checks them: a schema registry and a
// CQL server with fixed latencies. Told what to do by lines on the standard input; each is answered by one
// line of JSON:
//
//   fill BROKERS TOPIC FIRST COUNT RATE BYTES
//                              writes COUNT records from number FIRST on, RATE of them a second (0: as fast
//                              as it goes), changed to BYTES each (0: as they are; few: the least that they
//                              can be)
//   reset                      empties the table `visit`
//   inserted                   how many rows it has got since
//   verify COUNT               compares its rows with what the records imply
//   expect COUNT FILE          writes what they imply: a row a line, its six values separated by tabs
//   latency SELECT_US INSERT_US
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <millrace/base/result.h>
#include <millrace/emulators/cql_emulator.h>
#include <millrace/emulators/registry_double.h>
#include <millrace/workload/visit_generator.h>

namespace millrace::bench {

inline constexpr std::uint32_t profiles = 20'000;

class environment {
 public:
  [[nodiscard]] result<void> start();
  // Until the input ends.
  int serve();

 private:
  struct verdict {
    std::uint64_t missing = 0;
    std::uint64_t wrong = 0;
    std::uint64_t rewritten = 0;
  };

  [[nodiscard]] result<std::string> answer(const std::vector<std::string>& words);
  [[nodiscard]] result<void> add_profiles();
  struct filling {
    std::string brokers;
    std::string topic;
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    std::uint64_t rate = 0;
    std::uint64_t bytes = 0;
  };
  [[nodiscard]] static result<filling> filling_of(const std::vector<std::string>& words);
  [[nodiscard]] result<std::uint64_t> fill(const filling& what) const;
  [[nodiscard]] result<void> reset();
  [[nodiscard]] result<verdict> verify(std::uint64_t count) const;
  [[nodiscard]] result<void> expect(std::uint64_t count, const std::string& file) const;
  void set_latency(std::int64_t select_us, std::int64_t insert_us) const;

  const workload::visit_generator generator_{42};
  std::unique_ptr<emulators::cql_emulator> database_;
  std::unique_ptr<emulators::registry_double> registry_;
  std::int32_t schema_id_ = 0;
};

}  // namespace millrace::bench
