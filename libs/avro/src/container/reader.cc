#include <algorithm>

#include "container/codec.h"
#include "container/input.h"

namespace millrace::avro {
namespace {

class reader final : public container_reader {
 public:
  reader(std::unique_ptr<byte_input> from, const container_read_options& options)
      : options_(options), in_(std::move(from)) {
    options_.container.block_bytes_max = std::min(options_.container.block_bytes_max, block_bytes_cap);
  }

  [[nodiscard]] result<void> read_header();

  const schema& writer() const noexcept override { return *schema_; }
  container_codec codec() const noexcept override { return codec_; }
  const container_metadata& metadata() const noexcept override { return metadata_; }
  const sync_marker& sync() const noexcept override { return sync_; }
  std::uint64_t block_offset() const noexcept override { return block_offset_; }
  std::uint64_t records_left() const noexcept override { return records_left_; }

  result<std::optional<bytes_view>> next() override;
  result<void> took(std::size_t bytes) override;
  void skip_block() noexcept override {
    records_left_ = 0;
    front_ = {};
  }

 private:
  [[nodiscard]] result<void> read_metadata();
  [[nodiscard]] result<void> read_entries(std::uint64_t count);
  [[nodiscard]] result<void> read_entry_bytes(byte_buffer& out, std::string_view what);
  [[nodiscard]] result<void> read_block();
  [[nodiscard]] result<std::uint64_t> read_block_count();
  [[nodiscard]] result<void> expand_block();
  [[nodiscard]] const byte_buffer* find(std::string_view name) const;

  container_read_options options_;
  container_input in_;
  std::optional<schema> schema_;
  container_codec codec_ = container_codec::null;
  std::unique_ptr<block_codec> expander_;
  container_metadata metadata_;
  std::size_t metadata_bytes_ = 0;
  sync_marker sync_{};

  byte_buffer stored_;
  byte_buffer expanded_;
  bytes_view front_;
  std::uint64_t block_offset_ = 0;
  std::uint64_t records_left_ = 0;
};

result<void> reader::read_header() {
  std::array<std::byte, container_magic.size()> magic{};
  if (auto got = in_.read_exactly(std::span(magic), "the header"); !got) return got;
  if (magic != container_magic) {
    return in_.at(0, errc::malformed,
                  "not an object container file: it begins with 0x" + to_hex(magic) + ", not 0x" +
                      to_hex(container_magic) + " (\"Obj\" 1)");
  }
  if (auto got = read_metadata(); !got) return got;
  if (auto got = in_.read_exactly(std::span(sync_), "the header's sync marker"); !got) return got;

  if (const byte_buffer* name = find("avro.codec")) {
    auto named = container_codec_of(as_text(*name));
    if (!named) return named.error().in("in the header, avro.codec");
    codec_ = *named;
  }
  auto expander = make_block_codec(codec_, std::nullopt);
  if (!expander) return std::move(expander).error();
  expander_ = *std::move(expander);

  const byte_buffer* text = find("avro.schema");
  if (text == nullptr)
    return in_.at(container_magic.size(), errc::malformed, "the header has no avro.schema");
  parse_options parsing;
  parsing.limits = options_.limits;
  parsing.check_defaults = false;  // a writer's defaults are never used
  auto parsed = schema::parse(as_text(*text), parsing);
  if (!parsed) return parsed.error().in("in the header, avro.schema");
  schema_ = *std::move(parsed);
  return {};
}

result<void> reader::read_metadata() {
  for (;;) {
    const std::uint64_t start = in_.offset();
    auto count = in_.read_long("the header's metadata");
    if (!count) return std::move(count).error();
    if (*count == 0) return {};
    if (*count == INT64_MIN) return in_.at(start, errc::malformed, "the metadata has an impossible count");
    if (*count < 0) {
      auto size = in_.read_long("the header's metadata");
      if (!size) return std::move(size).error();
      if (*size < 0) return in_.at(start, errc::malformed, "the metadata has a negative size");
    }
    if (auto got = read_entries(static_cast<std::uint64_t>(*count < 0 ? -*count : *count)); !got) return got;
  }
}

result<void> reader::read_entries(std::uint64_t count) {
  const container_limits& limit = options_.container;
  if (count > limit.metadata_entries_max - metadata_.size()) {
    return in_.at(
        in_.offset(), errc::limit_exceeded,
        "the header has more than " + std::to_string(limit.metadata_entries_max) + " metadata entries");
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    byte_buffer name;
    byte_buffer value;
    if (auto got = read_entry_bytes(name, "a metadata name"); !got) return got;
    if (auto got = read_entry_bytes(value, "a metadata value"); !got) return got;
    metadata_.emplace_back(as_text(name), std::move(value));
  }
  return {};
}

result<void> reader::read_entry_bytes(byte_buffer& out, std::string_view what) {
  const std::uint64_t start = in_.offset();
  auto size = in_.read_long(what);
  if (!size) return std::move(size).error();
  if (*size < 0) return in_.at(start, errc::malformed, std::string(what) + " has a negative length");
  const auto bytes = static_cast<std::uint64_t>(*size);
  if (bytes > options_.container.metadata_bytes_max - metadata_bytes_) {
    return in_.at(
        start, errc::limit_exceeded,
        "the header's metadata exceeds " + std::to_string(options_.container.metadata_bytes_max) + " bytes");
  }
  metadata_bytes_ += bytes;
  return in_.read_exactly(bytes, out, what);
}

// A repeated name counts by its last value, as in any map.
const byte_buffer* reader::find(std::string_view name) const {
  const auto found = std::find_if(metadata_.rbegin(), metadata_.rend(),
                                  [&](const auto& entry) { return entry.first == name; });
  return found == metadata_.rend() ? nullptr : &found->second;
}

result<std::optional<bytes_view>> reader::next() {
  while (records_left_ == 0) {
    auto end = in_.at_end();
    if (!end) return std::move(end).error();
    if (*end) return std::optional<bytes_view>();
    if (auto got = read_block(); !got) return std::move(got).error();
  }
  return std::optional(front_);
}

result<void> reader::took(std::size_t bytes) {
  invariant(records_left_ > 0 && bytes <= front_.size(), "a record is within the block that next() gave");
  front_ = front_.subspan(bytes);
  --records_left_;
  if (records_left_ == 0 && !front_.empty()) {
    return in_block(
        {errc::malformed, std::to_string(front_.size()) + " bytes after the block's last record"});
  }
  return {};
}

result<void> reader::read_block() {
  block_offset_ = in_.offset();
  front_ = {};
  auto count = read_block_count();
  if (!count) return std::move(count).error();

  auto size = in_.read_long("a block's size");
  if (!size) return std::move(size).error();
  if (*size < 0) return in_.at(block_offset_, errc::malformed, "the block has a negative size");
  if (static_cast<std::uint64_t>(*size) > options_.container.block_bytes_max) {
    return in_.at(block_offset_, errc::limit_exceeded,
                  "the block has " + std::to_string(*size) + " bytes, limit " +
                      std::to_string(options_.container.block_bytes_max));
  }
  if (auto got = in_.read_exactly(static_cast<std::uint64_t>(*size), stored_, "a block"); !got) return got;

  const std::uint64_t marker_offset = in_.offset();
  sync_marker marker{};
  if (auto got = in_.read_exactly(std::span(marker), "a block's sync marker"); !got) return got;
  if (marker != sync_) {
    return in_.at(marker_offset, errc::malformed,
                  "the sync marker after the block at byte " + std::to_string(block_offset_) +
                      " is not the header's: the block or the file is damaged");
  }
  records_left_ = *count;
  return expand_block();
}

result<std::uint64_t> reader::read_block_count() {
  auto count = in_.read_long("a block's count");
  if (!count) return std::move(count).error();
  if (*count < 0) return in_.at(block_offset_, errc::malformed, "the block has a negative count of records");
  return static_cast<std::uint64_t>(*count);
}

// The records' number is compared with their bytes, so that a lying count costs nothing.
result<void> reader::expand_block() {
  if (codec_ == container_codec::null) {
    front_ = stored_;
  } else {
    auto done = expander_->expand(stored_, options_.container.block_bytes_max, expanded_);
    if (!done) return in_block(done.error());
    front_ = expanded_;
  }
  const std::uint32_t least = schema_->root().wire_bytes_min;
  if (least == 0 && records_left_ > options_.limits.zero_byte_items_max) {
    return in_block({errc::limit_exceeded, std::to_string(records_left_) +
                                               " records of a type that may take no bytes, limit " +
                                               std::to_string(options_.limits.zero_byte_items_max)});
  }
  if (least > 0 && records_left_ > front_.size() / least) {
    return in_block({errc::truncated, "the block is too small for the " + std::to_string(records_left_) +
                                          " records it claims"});
  }
  if (records_left_ == 0 && !front_.empty())
    return in_block({errc::malformed, "the block has bytes but no records"});
  return {};
}

}  // namespace

result<std::unique_ptr<container_reader>> container_reader::open(const std::string& path,
                                                                 const container_read_options& options) {
  auto file = open_file(path);
  if (!file) return std::move(file).error();
  auto opened = open(*std::move(file), options);
  if (!opened) return opened.error().in(path);
  return opened;
}

result<std::unique_ptr<container_reader>> container_reader::open(std::unique_ptr<byte_input> from,
                                                                 const container_read_options& options) {
  auto opened = std::make_unique<reader>(std::move(from), options);
  if (auto read = opened->read_header(); !read) return std::move(read).error();
  return std::unique_ptr<container_reader>(std::move(opened));
}

}  // namespace millrace::avro
