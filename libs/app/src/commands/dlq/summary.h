// Dead letters counted by reason, processor and origin.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <ostream>
#include <string>
#include <tuple>

#include "dead_letter.h"

namespace millrace::app::dlq_commands {

class summary {
 public:
  // Further kinds are counted together.
  static constexpr std::size_t kinds_max = 1'000;

  void add(const dead_letter_record& of);
  [[nodiscard]] std::uint64_t dead_letters() const noexcept { return dead_letters_; }
  // A table, the most frequent kind first.
  void print(std::ostream& out) const;

 private:
  // reason, processor, topic/partition
  using kind = std::tuple<std::string, std::string, std::string>;
  struct tally {
    std::uint64_t count = 0;
    timestamp first;
    timestamp last;
  };

  std::map<kind, tally> kinds_;
  std::uint64_t dead_letters_ = 0;
};

}  // namespace millrace::app::dlq_commands
