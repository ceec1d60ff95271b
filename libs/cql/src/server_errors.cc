#include <algorithm>

#include <millrace/cql/server_errors.h>

namespace millrace::cql {
namespace {

constexpr const server_error& last = server_errors.back();
constexpr const server_error& before_last = server_errors[server_errors.size() - 2];
static_assert(last.code == server_error::other && before_last.code == server_error::negotiated);

}  // namespace

const server_error& server_error_of(std::int32_t code) noexcept {
  // The numbers in place of codes are negative; no row is found by them.
  const auto* const found = std::find_if(server_errors.begin(), server_errors.end(),
                                         [code](const server_error& one) { return one.code == code; });
  return code < 0 || found == server_errors.end() ? last : *found;
}

const server_error& rate_limit_error() noexcept { return before_last; }

}  // namespace millrace::cql
