// Names → numbers, made once: the fields of a record, the symbols of an enum.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::avro {

class name_table {
 public:
  static constexpr std::uint32_t not_found = UINT32_MAX;

  name_table() = default;
  // Of equal names the first counts.
  explicit name_table(std::vector<std::pair<std::string, std::uint32_t>> names) {
    std::size_t size = 4;
    while (size < 2 * names.size()) size *= 2;
    slots_.assign(size, not_found);
    mask_ = size - 1;
    for (auto& [name, number] : names) {
      std::size_t at = hash(name) & mask_;
      while (slots_[at] != not_found && names_[slots_[at]].first != name) at = (at + 1) & mask_;
      if (slots_[at] != not_found) continue;
      slots_[at] = static_cast<std::uint32_t>(names_.size());
      names_.emplace_back(std::move(name), number);
    }
  }

  [[nodiscard]] std::uint32_t find(std::string_view name) const noexcept {
    if (slots_.empty()) return not_found;
    for (std::size_t at = hash(name) & mask_; slots_[at] != not_found; at = (at + 1) & mask_) {
      const auto& [known, number] = names_[slots_[at]];
      if (known == name) return number;
    }
    return not_found;
  }

 private:
  // Both ends and the length: names of one record differ there.
  [[nodiscard]] static std::size_t hash(std::string_view name) noexcept {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    if (name.size() >= sizeof first) {
      std::memcpy(&first, name.data(), sizeof first);
      std::memcpy(&last, name.data() + name.size() - sizeof last, sizeof last);
    } else {
      std::memcpy(&first, name.data(), name.size());
    }
    const std::uint64_t mixed = (first ^ (last << 23U | last >> 41U) ^ name.size()) * 0x9E3779B97F4A7C15U;
    return static_cast<std::size_t>(mixed >> 32U);
  }

  std::vector<std::uint32_t> slots_;
  std::vector<std::pair<std::string, std::uint32_t>> names_;
  std::size_t mask_ = 0;
};

}  // namespace millrace::avro
