#include <algorithm>
#include <cerrno>
#include <system_error>

#include <sys/random.h>

#include "container/codec.h"
#include "run/wire_write.h"

namespace millrace::avro {
namespace {

// Readers refuse longer blocks of records that cost no bytes.
constexpr std::int64_t block_records_max = 100'000;

class writer final : public container_writer {
 public:
  writer(std::unique_ptr<byte_output> into, std::unique_ptr<block_codec> codec, const sync_marker& sync,
         const container_write_options& options)
      : into_(std::move(into)),
        codec_(std::move(codec)),
        sync_(sync),
        block_bytes_target_(options.block_bytes_target),
        block_bytes_max_(std::min(options.container.block_bytes_max, block_bytes_cap)) {}

  [[nodiscard]] result<void> write_header(const schema& of, const container_write_options& options);

  using container_writer::append;
  result<void> append(bytes_view datum) override;
  result<void> flush() override;
  result<void> close() override;

 private:
  std::unique_ptr<byte_output> into_;
  std::unique_ptr<block_codec> codec_;
  sync_marker sync_;
  std::size_t block_bytes_target_;
  std::size_t block_bytes_max_;

  byte_buffer block_;
  std::int64_t records_ = 0;
  byte_buffer stored_;
  byte_buffer framing_;
};

void append_entry(byte_buffer& out, std::string_view name, bytes_view value) {
  append_bytes(out, name.data(), name.size());
  append_bytes(out, value.data(), value.size());
}

result<void> writer::write_header(const schema& of, const container_write_options& options) {
  avro::append(framing_, container_magic.data(), container_magic.size());
  append_long(framing_, static_cast<std::int64_t>(options.metadata.size() + 2));
  append_entry(framing_, "avro.schema", as_bytes(of.to_json()));
  append_entry(framing_, "avro.codec", as_bytes(to_string(options.codec)));
  for (const auto& [name, value] : options.metadata) append_entry(framing_, name, value);
  append_long(framing_, 0);
  avro::append(framing_, sync_.data(), sync_.size());
  return into_->write(framing_);
}

result<void> writer::append(bytes_view datum) {
  if (datum.size() > block_bytes_max_) {
    return error(errc::limit_exceeded, "a record of " + std::to_string(datum.size()) + " bytes, limit " +
                                           std::to_string(block_bytes_max_));
  }
  if (records_ > 0 && datum.size() > block_bytes_max_ - block_.size()) {
    if (auto done = flush(); !done) return done;
  }
  block_.insert(block_.end(), datum.begin(), datum.end());
  ++records_;
  if (block_.size() >= block_bytes_target_ || records_ >= block_records_max) return flush();
  return {};
}

result<void> writer::flush() {
  if (records_ == 0) return {};
  if (auto done = codec_->compress(block_, stored_); !done) return done;
  framing_.clear();
  append_long(framing_, records_);
  append_long(framing_, static_cast<std::int64_t>(stored_.size()));
  if (auto done = into_->write(framing_); !done) return done;
  if (auto done = into_->write(stored_); !done) return done;
  if (auto done = into_->write(sync_); !done) return done;
  block_.clear();
  records_ = 0;
  return {};
}

result<void> writer::close() {
  if (auto done = flush(); !done) return done;
  return into_->close();
}

[[nodiscard]] result<sync_marker> random_marker() {
  sync_marker made;
  if (::getrandom(made.data(), made.size(), 0) != static_cast<ssize_t>(made.size()))
    return error(errc::io_error, "no random bytes: " + std::generic_category().message(errno));
  return made;
}

[[nodiscard]] result<void> check(const container_write_options& options) {
  for (const auto& [name, value] : options.metadata) {
    if (name.starts_with("avro.")) {
      return error(errc::config_invalid,
                   "metadata '" + name + "': names that begin with 'avro.' belong to the specification");
    }
  }
  return {};
}

}  // namespace

result<std::unique_ptr<container_writer>> container_writer::create(const std::string& path, const schema& of,
                                                                   const container_write_options& options) {
  if (auto sound = check(options); !sound) return std::move(sound).error();
  if (auto codec = make_block_codec(options.codec, options.level); !codec) return std::move(codec).error();
  auto file = create_file(path);
  if (!file) return std::move(file).error();
  return create(*std::move(file), of, options);
}

result<std::unique_ptr<container_writer>> container_writer::create(std::unique_ptr<byte_output> into,
                                                                   const schema& of,
                                                                   const container_write_options& options) {
  if (auto sound = check(options); !sound) return std::move(sound).error();
  auto codec = make_block_codec(options.codec, options.level);
  if (!codec) return std::move(codec).error();
  auto sync = options.sync ? result<sync_marker>(*options.sync) : random_marker();
  if (!sync) return std::move(sync).error();
  auto made = std::make_unique<writer>(std::move(into), *std::move(codec), *sync, options);
  if (auto done = made->write_header(of, options); !done) return std::move(done).error();
  return std::unique_ptr<container_writer>(std::move(made));
}

}  // namespace millrace::avro
