// Decoding the reference records: plans into the generated struct, into owners, into five fields; and the
// hand-written decoder.
#include <navigation.avsc.h>

#include <millrace/avro/plan.h>
#include <millrace/avro/projection.h>
#include <millrace/avro/value.h>

#include "checksum.h"
#include "five_fields.h"
#include "owning.h"
#include "records.h"
#include "straight_line.h"

namespace millrace::bench {
namespace {

using five_slots = std::array<avro::value, 5>;
void add_to(checksum& sum, const five_slots& slots) {
  sum.add("event_time", slots[0].int64());
  sum.add("partner_id", slots[1].int32());
  sum.add("visitor_id", slots[2].text());
  sum.add("url", slots[3].text());
  sum.add("sequence", slots[4].int32());
}
void add_to(checksum& sum, const avro::value& datum) { sum.add_value("", datum); }
template <class Navigation>
void add_to(checksum& sum, const Navigation& nav) {
  sum.add_navigation(nav);
}

// `decode` takes (datum, memory, target); false is an error.
template <class T, class Decode>
[[nodiscard]] row decode_row(std::string name, std::shared_ptr<const records> data, Decode decode) {
  const auto every = [data, decode](checksum* sum) {
    avro::arena memory;
    T nav{};
    for (const bytes_view datum : data->datums()) {
      const bool decoded = decode(datum, memory, nav);
      invariant(decoded, "the benchmark's records are well-formed");
      if (sum != nullptr) add_to(*sum, nav);
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

template <class T>
[[nodiscard]] row plan_row(std::string name, const std::shared_ptr<const records>& data,
                           const avro::schema& writer, const avro::plan_options& options = {}) {
  auto decoder = avro::decoder<T>::compile(writer, options).value();
  return decode_row<T>(std::move(name), data, [decoder](bytes_view datum, avro::arena& memory, T& out) {
    return decoder.decode_exactly(datum, memory, out).ok();
  });
}

}  // namespace

void add_decode_rows(const data_files& files, std::vector<row>& rows) {
  const auto data = std::make_shared<const records>(files.folder + "/navigation.bin");
  const auto writer = avro::schema::parse(read_file(files.schema)).value();
  avro::plan_options unchecked;
  unchecked.validate_utf8 = false;

  rows.push_back(plan_row<tracking::Navigation>("millrace struct, views", data, writer));
  rows.push_back(
      plan_row<tracking::Navigation>("millrace struct, views, UTF-8 unchecked", data, writer, unchecked));
  rows.push_back(plan_row<owning::navigation<owning::pairs>>("millrace struct, owning", data, writer));
  rows.push_back(
      plan_row<owning::navigation<owning::hash_map>>("millrace struct, owning, hash maps", data, writer));
  rows.push_back(plan_row<five_fields>("millrace projection of five fields", data, writer));
  const std::array<avro::projected_field, 5> wanted{
      {{"event_time"}, {"partner_id"}, {"visitor_id"}, {"page.url"}, {"session.sequence"}}};
  auto slots = avro::projection::compile(writer, wanted).value();
  rows.push_back(decode_row<five_slots>("millrace projection of five fields, slots", data,
                                        [slots](bytes_view datum, avro::arena& memory, five_slots& out) {
                                          auto used = slots.decode(datum, memory, out);
                                          return used.ok() && *used == datum.size();
                                        }));
  rows.push_back(plan_row<avro::value>("millrace generic value", data, writer));
  rows.push_back(decode_row<tracking::Navigation>("hand-written", data, straight_line::decode));
  rows.push_back(decode_row<tracking::Navigation>("hand-written, UTF-8 unchecked", data,
                                                  straight_line::decode_unchecked));
}

}  // namespace millrace::bench
