// Values of the shop's structs, which own what the structs view.
#pragma once

#include <chrono>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "processors.h"

namespace shop {

// 9 October 2025, 13:07 UTC.
inline constexpr millrace::timestamp placed_at{std::chrono::milliseconds(1'760'015'220'000)};

// Keeps the parts of the values that it makes.
class samples {
 public:
  // An order from FR of two articles: a1 for `cents`, a2 for 1.00; shipping is 4.90.
  Order order(std::string_view id, std::string_view customer, std::int64_t cents) {
    std::vector<Line>& lines = lines_.emplace_back();
    lines.push_back({.article = "a1", .quantity = 2, .amount = amount(cents)});
    lines.push_back({.article = "a2", .quantity = 1, .amount = amount(100)});
    return {.id = text(id),
            .customer = text(customer),
            .country = "FR",
            .placed = placed_at,
            .lines = lines,
            .shipping = amount(490)};
  }
  Payment payment(std::string_view id, std::int64_t cents, Method method) {
    return {.id = text(id),
            .order = "o1",
            .paid = placed_at,
            .amount = amount(cents),
            .method = method,
            .reference = {}};
  }
  Customer customer(std::string_view name) {
    return {.name = text(name), .country = "FR", .email = "ada@example.com", .credit_limit = amount(50'000)};
  }

 private:
  millrace::decimal_view amount(std::int64_t cents) { return amounts_.emplace_back(cents, 2); }
  std::string_view text(std::string_view of) { return texts_.emplace_back(of); }

  std::deque<std::string> texts_;
  std::deque<millrace::decimal> amounts_;
  std::deque<std::vector<Line>> lines_;
};

}  // namespace shop
