#include "references.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <millrace/base/file_descriptor.h>
#include <millrace/config/load.h>

namespace millrace::config {
namespace {

error last_failure() { return {errc::io_error, std::generic_category().message(errno)}; }

error unresolved(std::string why) { return {errc::config_invalid, std::move(why)}; }
error no_reference(std::string why) { return {errc::malformed, std::move(why)}; }

}  // namespace

result<std::string> read_file(const std::string& path) {
  // Not blocking, so that a FIFO is refused below and not waited for.
  const file_descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return last_failure();
  struct stat what{};
  if (::fstat(file.get(), &what) != 0) return last_failure();
  if (S_ISDIR(what.st_mode)) return error(errc::io_error, "it is a directory");
  if (!S_ISREG(what.st_mode)) return error(errc::io_error, "it is not a regular file");
  std::string text(file_bytes_max + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(file.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return last_failure();
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > file_bytes_max) {
    return error(errc::limit_exceeded, "it is larger than " + to_text(byte_size{file_bytes_max}));
  }
  text.resize(size);
  text.shrink_to_fit();
  return text;
}

result<resolved_text> reference_reader::resolve(std::string_view text) const {
  resolved_text done;
  for (std::size_t at = 0; at < text.size();) {
    if (text.substr(at).starts_with("$${")) {
      done.text += "${";
      at += 3;
      continue;
    }
    if (!text.substr(at).starts_with("${")) {
      done.text += text[at++];
      continue;
    }
    const std::size_t end = text.find('}', at);
    if (end == std::string_view::npos)
      return no_reference("`${` without a closing `}`; write $${ for a literal ${");
    const std::string_view inside = text.substr(at + 2, end - at - 2);
    const std::size_t colon = inside.find(':');
    if (colon == std::string_view::npos) {
      return no_reference("`${" + std::string(inside) +
                          "}` has no scheme: write ${env:" + std::string(inside) + "} or ${file:/path}");
    }
    std::string used;
    auto value = follow(inside.substr(0, colon), inside.substr(colon + 1), used);
    if (!value) return value.error();
    done.text += *value;
    wipe(*value);
    done.used.push_back(std::move(used));
    at = end + 1;
  }
  return done;
}

result<std::string> reference_reader::follow(std::string_view scheme, std::string_view target,
                                             std::string& used) const {
  if (scheme == "env") {
    const std::size_t fallback = target.find(":-");
    const std::string name(target.substr(0, fallback));
    used = "${env:" + name + "}";
    const auto found = environment_.find(name);
    if (found != environment_.end()) return found->second;
    if (fallback != std::string_view::npos) return std::string(target.substr(fallback + 2));
    return unresolved("the environment variable " + name + " is not set; a default is written ${env:" + name +
                      ":-default}");
  }
  if (scheme == "file") {
    used = "${file:" + std::string(target) + "}";
    const auto path = std::filesystem::path(folder_) / std::filesystem::path(target);
    auto content = read_file(path.string());
    if (!content) return unresolved("cannot read " + path.string() + ": " + content.error().message());
    if (content->ends_with('\n')) content->pop_back();
    if (content->ends_with('\r')) content->pop_back();
    return std::move(*content);
  }
  return no_reference("`${" + std::string(scheme) + ":...}` is unknown: use ${env:NAME} or ${file:/path}");
}

}  // namespace millrace::config
