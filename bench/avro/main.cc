// Our rows, by the protocol of README.md. usage: avro_rows DATA_FOLDER SCHEMA_FILE OLDER_SCHEMA_FILE
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <iostream>

#include <millrace/base/assert.h>

#include "records.h"

int main(int argc, char** argv) {
  using namespace millrace::bench;
  if (argc != 4) {
    std::fputs("usage: avro_rows DATA_FOLDER SCHEMA_FILE OLDER_SCHEMA_FILE\n", stderr);
    return 2;
  }
  const data_files files{argv[1], argv[2], argv[3]};
  std::vector<row> rows;
  add_decode_rows(files, rows);
  add_other_rows(files, rows);
  add_json_rows(files, rows);
  std::string names;
  for (const row& one : rows) names += (names.empty() ? "" : "\t") + one.name;
  std::puts(names.c_str());
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    const std::size_t tab = line.find('\t');
    const auto found = std::find_if(rows.begin(), rows.end(),
                                    [&](const row& one) { return one.name == line.substr(tab + 1); });
    millrace::invariant(tab != std::string::npos && found != rows.end(), "WHAT<tab>ROW");
    if (line.substr(0, tab) == "sum") {
      std::printf("%016" PRIx64 "\n", found->sum());
    } else {
      found->pass();
      std::puts("done");
    }
    std::fflush(stdout);
  }
  return 0;
}
