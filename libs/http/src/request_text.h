// A request as it is sent.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <millrace/base/result.h>
#include <millrace/http/exchange.h>

namespace millrace::http {

using header_list = std::vector<std::pair<std::string, std::string>>;

// errc::service_rejected: the method, the target or a header would end the line that it is on, or is not allowed
// there. The message has no value of a header.
[[nodiscard]] result<std::string> text_of(const request& question, const endpoint& server,
                                          const header_list& always);

}  // namespace millrace::http
