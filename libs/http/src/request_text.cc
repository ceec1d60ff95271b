#include "request_text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include <millrace/http/transport.h>

namespace millrace::http {
namespace {

bool is_token(std::string_view text) {
  constexpr std::string_view others = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || others.find(c) != std::string_view::npos;
  });
}

bool is_target(std::string_view text) {
  return text.starts_with('/') && std::all_of(text.begin(), text.end(), [](char c) {
           return static_cast<unsigned char>(c) > ' ' && static_cast<unsigned char>(c) < 0x7f;
         });
}

bool is_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= ' ' && byte != 0x7f);
  });
}

// They are those of the connection.
bool is_reserved(std::string_view name) {
  constexpr std::array<std::string_view, 7> reserved = {"connection",        "content-length", "host",  "te",
                                                        "transfer-encoding", "upgrade",        "expect"};
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
  return std::find(reserved.begin(), reserved.end(), lower) != reserved.end();
}

result<void> append(const header_list& headers, std::string& to) {
  for (const auto& [name, value] : headers) {
    if (!is_token(name) || is_reserved(name)) {
      return error(errc::service_rejected, "the request cannot have the header '" + printable(name) + "'");
    }
    if (!is_value(value))
      return error(errc::service_rejected, "the value of the header '" + name + "' has control characters");
    to.append(name).append(": ").append(value).append("\r\n");
  }
  return {};
}

}  // namespace

result<void> check(const identity::headers& headers) {
  std::string unused;
  return append(headers, unused);
}

result<std::string> text_of(const request& question, const endpoint& server, const header_list& always) {
  if (!is_token(question.method) || question.method == "CONNECT") {
    return error(errc::service_rejected,
                 "the request cannot have the method '" + printable(question.method) + "'");
  }
  const std::string target = server.path + question.target;
  if (!is_target(target)) {
    return error(errc::service_rejected, "the target '" + printable(target) +
                                             "' must begin with / and have no spaces or control characters; "
                                             "use http::escaped() for its parts");
  }
  std::string text = question.method + ' ' + target + " HTTP/1.1\r\nHost: " + server.authority() +
                     "\r\nUser-Agent: millrace\r\n";
  if (auto added = append(always, text); !added) return added.error();
  if (auto added = append(question.headers, text); !added) return added.error();
  const bool usually_has_body =
      question.method == "POST" || question.method == "PUT" || question.method == "PATCH";
  if (!question.body.empty() || usually_has_body)
    text += "Content-Length: " + std::to_string(question.body.size()) + "\r\n";
  text += "\r\n";
  text += question.body;
  return text;
}

}  // namespace millrace::http
