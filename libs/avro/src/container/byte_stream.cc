#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include <millrace/avro/byte_stream.h>

namespace millrace::avro {
namespace {

[[nodiscard]] error failure_of(const std::string& path, const char* what) {
  return {errc::io_error, path + ": " + what + ": " + std::generic_category().message(errno)};
}

// A file descriptor of our own, or one of the standard ones, which stay open.
class descriptor {
 public:
  descriptor(int number, bool owned) noexcept : number_(number), owned_(owned) {}
  ~descriptor() {
    if (owned_ && number_ >= 0) ::close(number_);
  }
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;

  [[nodiscard]] int number() const noexcept { return number_; }
  [[nodiscard]] bool close() noexcept {
    const int number = std::exchange(number_, -1);
    return !owned_ || ::close(number) == 0;
  }

 private:
  int number_;
  bool owned_;
};

class file_input final : public byte_input {
 public:
  file_input(std::string path, int number, bool owned) : path_(std::move(path)), file_(number, owned) {}

  result<std::size_t> read(std::span<std::byte> into) override {
    for (;;) {
      const auto got = ::read(file_.number(), into.data(), into.size());
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) return failure_of(path_, "cannot be read");
    }
  }

 private:
  std::string path_;
  descriptor file_;
};

class file_output final : public byte_output {
 public:
  file_output(std::string path, int number, bool owned) : path_(std::move(path)), file_(number, owned) {}

  result<void> write(bytes_view bytes) override {
    while (!bytes.empty()) {
      const auto put = ::write(file_.number(), bytes.data(), bytes.size());
      if (put >= 0) {
        bytes = bytes.subspan(static_cast<std::size_t>(put));
      } else if (errno != EINTR) {
        return failure_of(path_, "cannot be written");
      }
    }
    return {};
  }
  result<void> close() override {
    if (!file_.close()) return failure_of(path_, "cannot be written");
    return {};
  }

 private:
  std::string path_;
  descriptor file_;
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
  if (path == "-") return std::make_unique<file_input>("standard input", STDIN_FILENO, false);
  const int number = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (number < 0) return failure_of(path, "cannot be opened");
  return std::make_unique<file_input>(path, number, true);
}

result<std::unique_ptr<byte_output>> create_file(const std::string& path) {
  if (path == "-") return std::make_unique<file_output>("standard output", STDOUT_FILENO, false);
  const int number = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (number < 0) return failure_of(path, "cannot be created");
  return std::make_unique<file_output>(path, number, true);
}

std::unique_ptr<byte_input> input_of(bytes_view bytes) { return std::make_unique<memory_input>(bytes); }

std::unique_ptr<byte_output> output_into(byte_buffer& buffer) {
  return std::make_unique<memory_output>(buffer);
}

}  // namespace millrace::avro
