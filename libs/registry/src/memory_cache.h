// Schemas in memory, the longest unused first to go. Not thread-safe.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include <millrace/stream/schemas.h>

namespace millrace::registry {

class memory_cache {
 public:
  using document = std::shared_ptr<const stream::schema_document>;

  memory_cache(std::size_t entries_max, std::size_t bytes_max)
      : entries_max_(entries_max), bytes_max_(bytes_max) {}

  // nullptr when it is not here.
  [[nodiscard]] document find(const std::string& key) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) return nullptr;
    recent_.splice(recent_.begin(), recent_, found->second.place);
    return found->second.what;
  }

  void put(const std::string& key, document what) {
    if (entries_.contains(key)) return;  // it never changes
    const std::size_t size = size_of(key, *what);
    recent_.push_front(key);
    entries_.emplace(key, entry{std::move(what), size, recent_.begin()});
    bytes_ += size;
    while (!entries_.empty() && (entries_.size() > entries_max_ || bytes_ > bytes_max_)) drop_oldest();
  }

  [[nodiscard]] std::size_t entries() const noexcept { return entries_.size(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  struct entry {
    document what;
    std::size_t bytes;
    std::list<std::string>::iterator place;
  };

  static std::size_t size_of(const std::string& key, const stream::schema_document& what) {
    constexpr std::size_t overhead = 256;
    constexpr std::size_t text_overhead = sizeof(std::string);
    std::size_t size = overhead + 2 * key.size() + what.text.size();
    for (const std::string& each : what.references) size += text_overhead + each.size();
    return size;
  }
  void drop_oldest() {
    const auto oldest = entries_.find(recent_.back());
    bytes_ -= oldest->second.bytes;
    entries_.erase(oldest);
    recent_.pop_back();
  }

  std::size_t entries_max_;
  std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::unordered_map<std::string, entry> entries_;
  std::list<std::string> recent_;
};

}  // namespace millrace::registry
