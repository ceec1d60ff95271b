// Object container files: a schema, then blocks of records in its binary form, each block ended by the file's
// sync marker and compressed by the file's codec.
//
//   auto file = avro::container_reader::open("visits.avro");
//   auto decoder = avro::decoder<tracking::Navigation>::compile((*file)->writer());
//   for (;;) {
//     auto more = (*file)->read(*decoder, memory, nav);     // false at the end of the file
//     ...
//     memory.reset();
//   }
//
// Reading and writing hold one block in memory. The file is not trusted: every count and length is checked
// before memory is taken for it, a compressed block is expanded no further than the limit, and checksums and
// sync markers are verified. Every error names the offset in the file: errc::truncated, errc::malformed,
// errc::limit_exceeded, errc::schema_invalid, errc::unsupported (a codec that is not one of ours),
// errc::io_error. After an error a reader or writer can only be destroyed. One thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <millrace/avro/arena.h>
#include <millrace/avro/byte_stream.h>
#include <millrace/avro/encoder.h>
#include <millrace/avro/limits.h>
#include <millrace/avro/plan.h>
#include <millrace/avro/schema.h>
#include <millrace/base/bytes.h>
#include <millrace/base/result.h>

namespace millrace::avro {

enum class container_codec : std::uint8_t { null, deflate, snappy, zstandard };
// As in the file's `avro.codec`: "deflate".
[[nodiscard]] std::string_view to_string(container_codec codec) noexcept;
// errc::unsupported, naming those there are.
[[nodiscard]] result<container_codec> container_codec_of(std::string_view name);

inline constexpr std::array<std::byte, 4> container_magic{std::byte{'O'}, std::byte{'b'}, std::byte{'j'},
                                                          std::byte{1}};
using sync_marker = std::array<std::byte, 16>;
using container_metadata = std::vector<std::pair<std::string, byte_buffer>>;

// Exceeding any of them is errc::limit_exceeded.
struct container_limits {
  std::size_t metadata_bytes_max = std::size_t{4} << 20;  // all keys and values, the schema's included
  std::size_t metadata_entries_max = 1024;
  std::size_t block_bytes_max = std::size_t{64} << 20;  // of one block, as stored and as expanded
};

struct container_read_options {
  avro::limits limits;  // of the schema; of the records' number when they cost no bytes, per block
  container_limits container;
};

class container_reader {
 public:
  [[nodiscard]] static result<std::unique_ptr<container_reader>> open(
      const std::string& path, const container_read_options& options = {});
  [[nodiscard]] static result<std::unique_ptr<container_reader>> open(
      std::unique_ptr<byte_input> from, const container_read_options& options = {});

  virtual ~container_reader() = default;
  container_reader(const container_reader&) = delete;
  container_reader& operator=(const container_reader&) = delete;

  [[nodiscard]] virtual const schema& writer() const noexcept = 0;
  [[nodiscard]] virtual container_codec codec() const noexcept = 0;
  // Everything in the header, `avro.schema` and `avro.codec` included, in the file's order.
  [[nodiscard]] virtual const container_metadata& metadata() const noexcept = 0;
  [[nodiscard]] virtual const sync_marker& sync() const noexcept = 0;

  // From the start of the next record to the end of its block; nullopt at the end of the file. A view, valid
  // until the next call of next(). Asking again without took() gives the same record.
  [[nodiscard]] virtual result<std::optional<bytes_view>> next() = 0;
  // The record at the front took `bytes`. errc::malformed when that was the block's last record and bytes are
  // left.
  [[nodiscard]] virtual result<void> took(std::size_t bytes) = 0;
  // Leaves the block's other records out.
  virtual void skip_block() noexcept = 0;
  // Where the block at hand begins in the file, and how many of its records are not read yet.
  [[nodiscard]] virtual std::uint64_t block_offset() const noexcept = 0;
  [[nodiscard]] virtual std::uint64_t records_left() const noexcept = 0;

  // Decodes the next record; false at the end of the file. `out` views the block: valid until the next call.
  template <class T>
  [[nodiscard]] result<bool> read(const decoder<T>& with, arena& memory, T& out) {
    auto front = next();
    if (!front) return std::move(front).error();
    if (!front->has_value()) return false;
    auto used = with.decode(**front, memory, out);
    if (!used) return in_block(used.error());
    if (auto done = took(*used); !done) return std::move(done).error();
    return true;
  }
  // Says of a record's error in which block it was.
  [[nodiscard]] error in_block(const error& of_record) const {
    return of_record.in("in the block at byte " + std::to_string(block_offset()));
  }

 protected:
  container_reader() = default;
};

struct container_write_options {
  container_codec codec = container_codec::deflate;
  // Of deflate (1 to 9) and zstandard (1 to 19); nullopt: the codec's own default.
  std::optional<int> level;
  // A block is written once it holds this many bytes of records.
  std::size_t block_bytes_target = std::size_t{64} << 10;
  // Beside `avro.schema` and `avro.codec`; names that begin with "avro." are the specification's.
  container_metadata metadata;
  // Random when absent. Given, the same records make the same file.
  std::optional<sync_marker> sync;
  container_limits container;
};

class container_writer {
 public:
  // Writes the header at once. errc::config_invalid: a level or a metadata name that cannot be.
  [[nodiscard]] static result<std::unique_ptr<container_writer>> create(
      const std::string& path, const schema& of, const container_write_options& options = {});
  [[nodiscard]] static result<std::unique_ptr<container_writer>> create(
      std::unique_ptr<byte_output> into, const schema& of, const container_write_options& options = {});

  // What was not closed lacks its last block.
  virtual ~container_writer() = default;
  container_writer(const container_writer&) = delete;
  container_writer& operator=(const container_writer&) = delete;

  // Appends one record, encoded by the file's schema. Its bytes are taken as they are.
  [[nodiscard]] virtual result<void> append(bytes_view datum) = 0;
  template <class T>
  [[nodiscard]] result<void> append(const encoder<T>& with, const T& value) {
    scratch_.clear();
    if (auto made = with.encode(value, scratch_); !made) return made;
    return append(scratch_);
  }
  // Ends the block, so that a reader sees everything appended so far.
  [[nodiscard]] virtual result<void> flush() = 0;
  // Flushes and closes the output. Nothing may follow.
  [[nodiscard]] virtual result<void> close() = 0;

 protected:
  container_writer() = default;

 private:
  byte_buffer scratch_;
};

}  // namespace millrace::avro
