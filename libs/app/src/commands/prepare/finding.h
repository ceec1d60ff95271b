// What `prepare` finds about one thing that an application needs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::app::provisioning {

enum class need_state : std::uint8_t {
  present,
  missing,
  made,     // by --create
  differs,  // it is there, and not as the application needs it
  unknown,  // it could not be looked at
};

struct finding {
  std::string kind;  // topic, subject, keyspace, type, table, column, index
  std::string name;
  need_state state = need_state::present;
  std::string note;    // what is known of it
  std::string remedy;  // the command or statement that makes it; "" when there is none
};

[[nodiscard]] std::string_view to_string(need_state state) noexcept;
// One line each, its remedy below.
[[nodiscard]] std::string to_text(const std::vector<finding>& all);
// Nothing is missing, different or unknown.
[[nodiscard]] bool complete(const std::vector<finding>& all) noexcept;

}  // namespace millrace::app::provisioning
