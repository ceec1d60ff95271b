#include "records.h"

#include <cstring>
#include <fstream>
#include <iterator>

#include <millrace/avro/framing.h>
#include <millrace/base/assert.h>

namespace millrace::bench {

std::string read_file(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  invariant(in.good(), "the benchmark's files are there");
  return {std::istreambuf_iterator<char>(in), {}};
}

records::records(const std::string& file) : raw_(read_file(file)) {
  for (std::size_t at = 0; at < raw_.size();) {
    std::uint32_t size = 0;
    std::memcpy(&size, raw_.data() + at, sizeof size);
    const auto message = std::string_view(raw_).substr(at + sizeof size, size);
    datums_.push_back(avro::split_frame(as_bytes(message)).value().datum);
    at += sizeof size + size;
  }
}

}  // namespace millrace::bench
