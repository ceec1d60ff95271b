#include "disk_cache.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <millrace/base/bytes.h>
#include <millrace/base/file_descriptor.h>

namespace millrace::registry {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::string_view format_line = "millrace-schema-cache 1\n";
constexpr std::size_t digest_bytes = 64;  // in hexadecimal
constexpr std::string_view unfinished_suffix = ".new";

std::string reason() { return std::generic_category().message(errno); }

bool write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t took = ::write(file, bytes.data(), bytes.size());
    if (took < 0 && errno == EINTR) continue;
    if (took <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(took));
  }
  return true;
}

// nullopt with errno set.
std::optional<std::string> read_all(const std::string& path, std::size_t bytes_max) {
  const file_descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return std::nullopt;
  std::string text;
  std::array<char, 16'384> buffer{};
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
    if (text.size() > bytes_max) return text;  // too long to be ours: its digest will not fit
  }
}

bool is_ours(const fs::directory_entry& entry) {
  std::error_code failed;
  return entry.is_regular_file(failed) && entry.path().extension() != unfinished_suffix;
}

}  // namespace

std::string digest(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> raw{};
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), raw.data(), &size, EVP_sha256(), nullptr);
  return to_hex(std::as_bytes(std::span(raw).first(size)));
}

disk_cache::disk_cache(std::string folder, std::string identity, std::size_t files_max, std::size_t bytes_max,
                       meters& counts)
    : folder_(std::move(folder)),
      identity_(std::move(identity)),
      files_max_(files_max),
      bytes_max_(bytes_max),
      counts_(counts) {}

result<std::unique_ptr<disk_cache>> disk_cache::open(const std::string& folder, std::string identity,
                                                     std::size_t files_max, std::size_t bytes_max,
                                                     meters& counts) {
  const std::string own = (fs::path(folder) / digest(identity).substr(0, 16)).string();
  std::error_code failed;
  fs::create_directories(own, failed);
  if (failed)
    return error(errc::config_invalid, "cannot create the cache folder '" + own + "': " + failed.message());
  if (::access(own.c_str(), R_OK | W_OK | X_OK) != 0)
    return error(errc::config_invalid, "cannot write to the cache folder '" + own + "': " + reason());
  std::unique_ptr<disk_cache> made(new disk_cache(own, std::move(identity), files_max, bytes_max, counts));
  const auto long_ago = fs::file_time_type::clock::now() - std::chrono::hours(1);
  for (fs::directory_iterator at(own, failed), end; !failed && at != end; at.increment(failed)) {
    std::error_code gone;
    if (is_ours(*at)) {
      ++made->files_;
    } else if (at->path().extension() == unfinished_suffix && at->last_write_time(gone) < long_ago) {
      fs::remove(at->path(), gone);  // of a process that was killed
    }
  }
  return made;
}

std::string disk_cache::path_of(const std::string& key) const {
  std::string name = key;
  for (char& c : name) {
    if (c == '/') c = '-';
  }
  return folder_ + "/" + name;
}

std::optional<std::string> disk_cache::read(const std::string& key) {
  const std::string path = path_of(key);
  auto text = read_all(path, bytes_max_);
  if (!text) {
    if (errno != ENOENT) problem(disk_problem::read, "cannot read '" + path + "': " + reason());
    return std::nullopt;
  }
  const std::size_t head = format_line.size() + digest_bytes + 1;
  if (text->starts_with(format_line) && text->size() > head && text->size() <= bytes_max_) {
    std::string body = text->substr(head);
    if (text->compare(format_line.size(), digest_bytes + 1, digest(body) + "\n") == 0) {
      const json parsed = json::parse(body, nullptr, false);
      if (parsed.is_object() && parsed.value("registry", "") == identity_ && parsed.value("key", "") == key)
        return body;
    }
  }
  std::error_code ignored;
  if (fs::remove(path, ignored)) {
    const std::lock_guard lock(mutex_);
    if (files_ > 0) --files_;
  }
  problem(disk_problem::corrupt, "'" + path + "' was corrupt and has been removed");
  return std::nullopt;
}

disk_cache::document disk_cache::find(const std::string& key) {
  const auto body = read(key);
  if (!body) return nullptr;
  const json parsed = json::parse(*body, nullptr, false);
  const auto text = parsed.find("schema");
  const auto references = parsed.find("references");
  if (text == parsed.end() || !text->is_string() || references == parsed.end() || !references->is_array())
    return nullptr;
  auto made = std::make_shared<stream::schema_document>();
  made->text = text->get<std::string>();
  for (const json& each : *references) {
    if (!each.is_string()) return nullptr;
    made->references.push_back(each.get<std::string>());
  }
  return made;
}

std::optional<std::int32_t> disk_cache::find_id(const std::string& key) {
  const auto body = read(key);
  if (!body) return std::nullopt;
  const json parsed = json::parse(*body, nullptr, false);
  const auto id = parsed.find("id");
  if (id == parsed.end() || !id->is_number_integer()) return std::nullopt;
  return id->get<std::int32_t>();
}

void disk_cache::put(const std::string& key, const stream::schema_document& what) {
  const json body{
      {"registry", identity_}, {"key", key}, {"schema", what.text}, {"references", what.references}};
  write(key, body.dump(-1, ' ', false, json::error_handler_t::replace));
}

void disk_cache::put_id(const std::string& key, std::int32_t id) {
  write(key, json{{"registry", identity_}, {"key", key}, {"id", id}}.dump());
}

// The oldest file goes. Seldom: only when a full cache gets something new.
void disk_cache::make_room() {
  std::error_code failed;
  fs::path oldest;
  fs::file_time_type since = fs::file_time_type::max();
  std::size_t count = 0;
  for (fs::directory_iterator at(folder_, failed), end; !failed && at != end; at.increment(failed)) {
    if (!is_ours(*at)) continue;
    ++count;
    std::error_code unknown;
    const auto written = at->last_write_time(unknown);
    if (!unknown && written < since) {
      since = written;
      oldest = at->path();
    }
  }
  if (count >= files_max_ && !oldest.empty() && fs::remove(oldest, failed)) --count;
  const std::lock_guard lock(mutex_);
  files_ = count;
}

void disk_cache::write(const std::string& key, const std::string& body) {
  if (files() >= files_max_) make_room();
  const std::string path = path_of(key);
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    number = ++written_;
  }
  const std::string unfinished =
      path + "." + std::to_string(::getpid()) + "-" + std::to_string(number) + std::string(unfinished_suffix);
  const std::string text = std::string(format_line) + digest(body) + "\n" + body;
  if (text.size() > bytes_max_) return;
  const bool is_new = ::access(path.c_str(), F_OK) != 0;
  file_descriptor file(::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  const bool written = file.get() >= 0 && write_all(file.get(), text) && ::fsync(file.get()) == 0 &&
                       file.close() && ::rename(unfinished.c_str(), path.c_str()) == 0;
  if (!written) {
    const std::string why = reason();
    ::unlink(unfinished.c_str());
    return problem(disk_problem::write, "cannot write '" + path + "': " + why);
  }
  const std::lock_guard lock(mutex_);
  if (is_new) ++files_;
}

void disk_cache::problem(disk_problem what, std::string text) {
  counts_.count(what);
  const std::lock_guard lock(mutex_);
  problem_ = std::move(text);
}

std::size_t disk_cache::files() const {
  const std::lock_guard lock(mutex_);
  return files_;
}

std::optional<std::string> disk_cache::take_problem() {
  const std::lock_guard lock(mutex_);
  return std::exchange(problem_, std::nullopt);
}

}  // namespace millrace::registry
