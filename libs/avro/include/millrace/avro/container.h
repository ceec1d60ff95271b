// Object container files: a schema, then blocks of records in its binary form. Each block ends with the
// file's sync marker and is compressed by the file's codec.
//
// Example:
//
//   const auto file = avro::container_reader::open("visits.avro");
//   if (!file) return file.error();
//   const auto decoder = avro::decoder<avro::value>::compile((*file)->writer());
//   if (!decoder) return decoder.error();
//   avro::arena memory;
//   avro::value visit;
//   for (;;) {
//     const auto more = (*file)->read(*decoder, memory, visit);
//     if (!more) return more.error();
//     if (!*more) break;  // the end of the file
//     memory.reset();
//   }
//
// Example prelude:
//
//   #include <millrace/avro/value.h>
//
// Reading and writing hold one block in memory. A file is untrusted: every count and length is checked before
// memory is taken for it, a compressed block is expanded no further than the limit, and checksums and sync
// markers are verified.
//
// Errors: every error names the offset in the file. errc::truncated, errc::malformed, errc::limit_exceeded,
// errc::schema_invalid, errc::unsupported (an unknown codec), errc::io_error. After an error a reader or
// writer can only be destroyed.
// Threads: one thread at a time.
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

// Codecs of blocks.
enum class container_codec : std::uint8_t { null, deflate, snappy, zstandard };
// Returns the name in the file's `avro.codec`: "deflate".
[[nodiscard]] std::string_view to_string(container_codec codec) noexcept;
// Returns the codec of a name. Returns errc::unsupported, with the known names, for any other name.
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

// Options of a reader.
struct container_read_options {
  avro::limits limits;  // of the schema; of the records' number when they cost no bytes, per block
  container_limits container;
};

// Reads one file.
class container_reader {
 public:
  // Opens a file by its path ("-" is standard input) or an input, and reads its header.
  [[nodiscard]] static result<std::unique_ptr<container_reader>> open(
      const std::string& path, const container_read_options& options = {});
  [[nodiscard]] static result<std::unique_ptr<container_reader>> open(
      std::unique_ptr<byte_input> from, const container_read_options& options = {});

  virtual ~container_reader() = default;
  container_reader(const container_reader&) = delete;
  container_reader& operator=(const container_reader&) = delete;

  // The writer's schema and the codec of the file.
  [[nodiscard]] virtual const schema& writer() const noexcept = 0;
  [[nodiscard]] virtual container_codec codec() const noexcept = 0;
  // The metadata of the header in the file's order, with `avro.schema` and `avro.codec`; and the sync marker.
  [[nodiscard]] virtual const container_metadata& metadata() const noexcept = 0;
  [[nodiscard]] virtual const sync_marker& sync() const noexcept = 0;

  // Returns the bytes from the start of the next record to the end of its block; nullopt at the end of the
  // file. The view is valid until the next call of next(). Without a call of took() it returns the same
  // record again.
  [[nodiscard]] virtual result<std::optional<bytes_view>> next() = 0;
  // Reports that the record at the front took `bytes`. Returns errc::malformed when it was the block's last
  // record and bytes are left.
  [[nodiscard]] virtual result<void> took(std::size_t bytes) = 0;
  // Skips the remaining records of the block.
  virtual void skip_block() noexcept = 0;
  // The offset of the present block in the file, and the number of its records that are not read yet.
  [[nodiscard]] virtual std::uint64_t block_offset() const noexcept = 0;
  [[nodiscard]] virtual std::uint64_t records_left() const noexcept = 0;

  // Decodes the next record and returns true; false at the end of the file. `out` views the block until the
  // next call.
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
  // Returns the error of a record with the position of its block.
  [[nodiscard]] error in_block(const error& of_record) const {
    return of_record.in("in the block at byte " + std::to_string(block_offset()));
  }

 protected:
  container_reader() = default;
};

// Options of a writer.
struct container_write_options {
  container_codec codec = container_codec::deflate;
  // Level of deflate (1 to 9) or zstandard (1 to 19); nullopt: the codec's default.
  std::optional<int> level;
  // Size of the records, in bytes, at which a block is written.
  std::size_t block_bytes_target = std::size_t{64} << 10;
  // Metadata beside `avro.schema` and `avro.codec`. Names that begin with "avro." are reserved.
  container_metadata metadata;
  // The sync marker; random when absent. With a given marker the same records make the same file.
  std::optional<sync_marker> sync;
  container_limits container;
};

// Writes one file.
class container_writer {
 public:
  // Creates a file by its path ("-" is standard output) or uses an output, and writes the header at once.
  // Returns errc::config_invalid for an invalid level or metadata name.
  [[nodiscard]] static result<std::unique_ptr<container_writer>> create(
      const std::string& path, const schema& of, const container_write_options& options = {});
  [[nodiscard]] static result<std::unique_ptr<container_writer>> create(
      std::unique_ptr<byte_output> into, const schema& of, const container_write_options& options = {});

  // A writer that is destroyed without close() leaves out its last block.
  virtual ~container_writer() = default;
  container_writer(const container_writer&) = delete;
  container_writer& operator=(const container_writer&) = delete;

  // Appends one record, encoded by the file's schema. The bytes are not checked.
  [[nodiscard]] virtual result<void> append(bytes_view datum) = 0;
  template <class T>
  [[nodiscard]] result<void> append(const encoder<T>& with, const T& value) {
    scratch_.clear();
    if (auto made = with.encode(value, scratch_); !made) return made;
    return append(scratch_);
  }
  // Ends the block: a reader then sees every record appended so far.
  [[nodiscard]] virtual result<void> flush() = 0;
  // Flushes and closes the output. No call may follow.
  [[nodiscard]] virtual result<void> close() = 0;

 protected:
  container_writer() = default;

 private:
  byte_buffer scratch_;
};

}  // namespace millrace::avro
