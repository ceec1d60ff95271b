// The benchmark's records in memory, and a row of its table.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <millrace/base/bytes.h>

namespace millrace::bench {

// One file of data.py: Kafka values in Confluent framing, each behind its length.
class records {
 public:
  explicit records(const std::string& file);
  records(const records&) = delete;
  records& operator=(const records&) = delete;

  // Without their frames.
  [[nodiscard]] const std::vector<bytes_view>& datums() const noexcept { return datums_; }

 private:
  std::string raw_;
  std::vector<bytes_view> datums_;
};

// The text of a file; the program ends without it.
[[nodiscard]] std::string read_file(const std::string& file);

struct row {
  std::string name;
  std::function<void()> pass;          // every record once
  std::function<std::uint64_t()> sum;  // the same, and the checksum of what came out
};

struct data_files {
  std::string folder;  // of data.py
  std::string schema;  // the reference schema
  std::string older;   // navigation_older.avsc
};

void add_decode_rows(const data_files& files, std::vector<row>& rows);
void add_other_rows(const data_files& files, std::vector<row>& rows);
void add_json_rows(const data_files& files, std::vector<row>& rows);

// So that the compiler must suppose that somebody reads what was decoded.
template <class T>
inline void keep(const T& value) noexcept {
  asm volatile("" : : "r"(&value) : "memory");
}

}  // namespace millrace::bench
