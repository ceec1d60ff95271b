#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include <millrace/avro/byte_stream.h>
#include <millrace/base/file_descriptor.h>

namespace millrace::avro {
namespace {

[[nodiscard]] error failure_of(const std::string& path, const char* what) {
  return {errc::io_error, path + ": " + what + ": " + std::generic_category().message(errno)};
}

class file_input final : public byte_input {
 public:
  file_input(std::string path, file_descriptor file) : path_(std::move(path)), file_(std::move(file)) {}

  result<std::size_t> read(std::span<std::byte> into) override {
    for (;;) {
      const auto got = ::read(number_, into.data(), into.size());
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) return failure_of(path_, "cannot be read");
    }
  }

 private:
  std::string path_;
  file_descriptor file_;  // none for a standard stream, which stays open
  int number_ = file_ ? file_.get() : STDIN_FILENO;
};

class file_output final : public byte_output {
 public:
  file_output(std::string path, file_descriptor file) : path_(std::move(path)), file_(std::move(file)) {}

  result<void> write(bytes_view bytes) override {
    while (!bytes.empty()) {
      const auto put = ::write(number_, bytes.data(), bytes.size());
      if (put >= 0) {
        bytes = bytes.subspan(static_cast<std::size_t>(put));
      } else if (errno != EINTR) {
        return failure_of(path_, "cannot be written");
      }
    }
    return {};
  }
  result<void> close() override {
    number_ = -1;
    if (!file_.close()) return failure_of(path_, "cannot be written");
    return {};
  }

 private:
  std::string path_;
  file_descriptor file_;  // none for a standard stream, which stays open
  int number_ = file_ ? file_.get() : STDOUT_FILENO;
};

class memory_input final : public byte_input {
 public:
  explicit memory_input(bytes_view bytes) : rest_(bytes) {}

  result<std::size_t> read(std::span<std::byte> into) override {
    const std::size_t size = std::min(into.size(), rest_.size());
    std::copy_n(rest_.begin(), size, into.begin());
    rest_ = rest_.subspan(size);
    return size;
  }

 private:
  bytes_view rest_;
};

class memory_output final : public byte_output {
 public:
  explicit memory_output(byte_buffer& buffer) : buffer_(buffer) {}

  result<void> write(bytes_view bytes) override {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    return {};
  }
  result<void> close() override { return {}; }

 private:
  byte_buffer& buffer_;
};

}  // namespace

result<std::unique_ptr<byte_input>> open_file(const std::string& path) {
  if (path == "-") return std::make_unique<file_input>("standard input", file_descriptor());
  file_descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return failure_of(path, "cannot be opened");
  return std::make_unique<file_input>(path, std::move(file));
}

result<std::unique_ptr<byte_output>> create_file(const std::string& path) {
  if (path == "-") return std::make_unique<file_output>("standard output", file_descriptor());
  file_descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (!file) return failure_of(path, "cannot be created");
  return std::make_unique<file_output>(path, std::move(file));
}

std::unique_ptr<byte_input> input_of(bytes_view bytes) { return std::make_unique<memory_input>(bytes); }

std::unique_ptr<byte_output> output_into(byte_buffer& buffer) {
  return std::make_unique<memory_output>(buffer);
}

}  // namespace millrace::avro
