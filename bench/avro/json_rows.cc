// The reference records as JSON: into the generated struct, five fields and a value, and out of the struct.
#include <memory>

#include <navigation.avsc.h>

#include <millrace/avro/json_plan.h>
#include <millrace/avro/value.h>
#include <millrace/base/assert.h>

#include "checksum.h"
#include "five_fields.h"
#include "records.h"

namespace millrace::bench {
namespace {

const avro::json_options as_data_py_writes{.limits = {}, .bytes = avro::json_bytes::hexadecimal};

// navigation.jsonl: one document a line.
class documents {
 public:
  explicit documents(const std::string& file) : raw_(read_file(file)) {
    for (std::size_t at = 0; at < raw_.size();) {
      const std::size_t end = raw_.find('\n', at);
      lines_.push_back(as_bytes(std::string_view(raw_).substr(at, end - at)));
      at = end + 1;
    }
  }
  documents(const documents&) = delete;
  documents& operator=(const documents&) = delete;

  [[nodiscard]] const std::vector<bytes_view>& lines() const noexcept { return lines_; }

 private:
  std::string raw_;
  std::vector<bytes_view> lines_;
};

void add_to(checksum& sum, const tracking::Navigation& nav) { sum.add_navigation(nav); }
void add_to(checksum& sum, const avro::value& datum) { sum.add_value("", datum); }

// `finish` sees every decoded value.
template <class T, class Finish>
[[nodiscard]] row every_document(std::string name, std::shared_ptr<const documents> data,
                                 avro::json_decoder<T> decoder, Finish finish) {
  const auto every = [data = std::move(data), decoder = std::move(decoder), finish](checksum* sum) {
    avro::arena memory;
    T nav{};
    for (const bytes_view line : data->lines()) {
      const bool decoded = decoder.decode(line, memory, nav).ok();
      invariant(decoded, "the benchmark's documents are well-formed");
      finish(nav, sum);
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
void add_value(const T& nav, checksum* sum) {
  if (sum != nullptr) add_to(*sum, nav);
}

// Every document as a struct: what the encoder starts from.
struct decoded_documents {
  explicit decoded_documents(const std::string& file)
      : source(file), decoder(avro::json_decoder<tracking::Navigation>::compile(as_data_py_writes).value()) {
    navs.resize(source.lines().size());
    for (std::size_t i = 0; i < navs.size(); ++i) {
      const bool decoded = decoder.decode(source.lines()[i], memory, navs[i]).ok();
      invariant(decoded, "the benchmark's documents are well-formed");
    }
  }

  documents source;
  avro::json_decoder<tracking::Navigation> decoder;
  avro::arena memory;
  std::vector<tracking::Navigation> navs;
};

[[nodiscard]] row encode_row(const std::string& file) {
  auto made = std::make_shared<std::unique_ptr<decoded_documents>>();
  const auto every = [made, file](checksum* sum) {
    if (!*made) *made = std::make_unique<decoded_documents>(file);  // before the first pass that counts
    const decoded_documents& data = **made;
    const auto encoder = avro::json_encoder<tracking::Navigation>::compile(as_data_py_writes).value();
    avro::arena memory;
    byte_buffer out;
    tracking::Navigation again;
    for (const tracking::Navigation& nav : data.navs) {
      out.clear();
      const bool encoded = encoder.encode(nav, out).ok();
      invariant(encoded, "what was decoded can be encoded");
      keep(out);
      if (sum == nullptr) continue;
      const bool decoded = data.decoder.decode(out, memory, again).ok();
      invariant(decoded, "what was encoded can be decoded");
      sum->add_navigation(again);
      memory.reset();
    }
  };
  return {"millrace JSON encode", [every] { every(nullptr); },
          [every] {
            checksum sum;
            every(&sum);
            return sum.value();
          }};
}

}  // namespace

void add_json_rows(const data_files& files, std::vector<row>& rows) {
  const std::string file = files.folder + "/navigation.jsonl";
  const auto data = std::make_shared<const documents>(file);
  const auto schema = avro::schema::parse(read_file(files.schema)).value();
  auto views = avro::json_decoder<tracking::Navigation>::compile(as_data_py_writes).value();
  rows.push_back(every_document<tracking::Navigation>("millrace JSON struct, views", data, std::move(views),
                                                      add_value<tracking::Navigation>));
  auto five = avro::json_decoder<five_fields>::compile(as_data_py_writes).value();
  rows.push_back(every_document<five_fields>("millrace JSON five fields", data, std::move(five),
                                             add_value<five_fields>));
  auto values = avro::json_decoder<avro::value>::compile(schema, as_data_py_writes).value();
  rows.push_back(every_document<avro::value>("millrace JSON generic value", data, std::move(values),
                                             add_value<avro::value>));
  rows.push_back(encode_row(file));
}

}  // namespace millrace::bench
