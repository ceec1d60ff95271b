// Compression of one block of a container file.
#pragma once

#include <memory>
#include <optional>

#include <millrace/avro/container.h>

namespace millrace::avro {

// What the compression libraries can count, whatever the limits say.
inline constexpr std::size_t block_bytes_cap = std::size_t{1} << 30;

// Keeps the working memory of its library from block to block.
class block_codec {
 public:
  block_codec() = default;
  block_codec(const block_codec&) = delete;
  block_codec& operator=(const block_codec&) = delete;
  virtual ~block_codec() = default;

  // Replaces `out` by the block as it is stored.
  [[nodiscard]] virtual result<void> compress(bytes_view block, byte_buffer& out) = 0;
  // Replaces `out` by the block's records, at most `bytes_max` of them: more is errc::limit_exceeded.
  // errc::malformed: not the codec's form, or a wrong checksum.
  [[nodiscard]] virtual result<void> expand(bytes_view stored, std::size_t bytes_max, byte_buffer& out) = 0;
};

// errc::config_invalid: a level that the codec does not have.
[[nodiscard]] result<std::unique_ptr<block_codec>> make_block_codec(container_codec codec,
                                                                    std::optional<int> level);

}  // namespace millrace::avro
