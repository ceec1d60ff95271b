// Resolving records of an older writer, and encoding.
#include <navigation.avsc.h>

#include <millrace/avro/encoder.h>
#include <millrace/avro/plan.h>

#include "checksum.h"
#include "navigation_newer.avsc.h"
#include "navigation_older.avsc.h"
#include "records.h"

namespace millrace::bench {
namespace {

template <class T>
[[nodiscard]] row older_row(std::string name, std::shared_ptr<const records> data,
                            const avro::schema& writer) {
  auto decoder = avro::decoder<T>::compile(writer).value();
  const auto every = [data, decoder](checksum* sum) {
    avro::arena memory;
    T nav{};
    for (const bytes_view datum : data->datums()) {
      const bool decoded = decoder.decode_exactly(datum, memory, nav).ok();
      invariant(decoded, "the benchmark's records are well-formed");
      if (sum != nullptr) sum->add_navigation(nav);
      keep(nav);
      memory.reset();
    }
  };
  return {std::move(name), [every] { every(nullptr); },
          [every] {
            checksum sum;
            every(&sum);
            return sum.value();
          }};
}

// Every record as a struct: what the encoder starts from.
struct decoded_records {
  decoded_records(const std::string& file, const avro::schema& writer)
      : source(file), decoder(avro::decoder<tracking::Navigation>::compile(writer).value()) {
    navs.resize(source.datums().size());
    for (std::size_t i = 0; i < navs.size(); ++i) {
      const bool decoded = decoder.decode_exactly(source.datums()[i], memory, navs[i]).ok();
      invariant(decoded, "the benchmark's records are well-formed");
    }
  }

  records source;
  avro::decoder<tracking::Navigation> decoder;
  avro::arena memory;
  std::vector<tracking::Navigation> navs;
};

// The checksum is of what the encoded bytes decode to, which must be the bytes that fastavro wrote.
[[nodiscard]] row encode_row(const data_files& files, const avro::schema& writer) {
  auto made = std::make_shared<std::unique_ptr<decoded_records>>();
  const auto every = [made, writer, file = files.folder + "/navigation.bin"](checksum* sum) {
    if (!*made) *made = std::make_unique<decoded_records>(file, writer);  // before the first pass that counts
    const decoded_records& data = **made;
    auto encoder = avro::encoder<tracking::Navigation>::compile(writer).value();
    avro::arena memory;
    byte_buffer out;
    tracking::Navigation again;
    for (std::size_t i = 0; i < data.navs.size(); ++i) {
      out.clear();
      const bool encoded = encoder.encode(data.navs[i], out).ok();
      invariant(encoded, "what was decoded can be encoded");
      keep(out);
      if (sum == nullptr) continue;
      invariant(std::ranges::equal(out, data.source.datums()[i]), "the bytes are those of the data");
      const bool decoded = data.decoder.decode_exactly(out, memory, again).ok();
      invariant(decoded, "what was encoded can be decoded");
      sum->add_navigation(again);
      memory.reset();
    }
  };
  return {"millrace encode", [every] { every(nullptr); },
          [every] {
            checksum sum;
            every(&sum);
            return sum.value();
          }};
}

}  // namespace

void add_other_rows(const data_files& files, std::vector<row>& rows) {
  const auto data = std::make_shared<const records>(files.folder + "/older.bin");
  const auto older_writer = avro::schema::parse(read_file(files.older)).value();
  rows.push_back(older_row<newer::Navigation>("millrace resolving an older writer", data, older_writer));
  rows.push_back(older_row<older::Navigation>("millrace older records, same schema", data, older_writer));
  rows.push_back(encode_row(files, avro::schema::parse(read_file(files.schema)).value()));
}

}  // namespace millrace::bench
