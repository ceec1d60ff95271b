#include "operator_commands.h"

#include <array>
#include <charconv>
#include <string>
#include <string_view>

#include "log.h"

namespace millrace::app {
namespace {

using engine::command_answer;
using engine::operator_command;
using engine::record_name;

constexpr std::string_view commands_prefix = "/records/";
constexpr std::string_view usage =
    "POST /records/TOPIC/PARTITION/OFFSET/retry, .../skip or .../dead-letter applies to the oldest "
    "unfinished "
    "record of a partition";

admin_page text(unsigned status, std::string_view sentence) {
  return {status, "text/plain; charset=utf-8", std::string(sentence) + "\n"};
}

template <typename T>
bool read_number(std::string_view from, T& into) {
  const auto [end, failure] = std::from_chars(from.data(), from.data() + from.size(), into);
  return failure == std::errc{} && end == from.data() + from.size() && into >= 0;
}

std::optional<operator_command> command_of(std::string_view name) {
  for (const operator_command command :
       {operator_command::retry, operator_command::skip, operator_command::dead_letter}) {
    if (name == to_string(command)) return command;
  }
  return std::nullopt;
}

struct parsed {
  record_name which;
  operator_command command = operator_command::retry;
};

// Kafka's topic names need no escaping in a path.
std::optional<parsed> parse(std::string_view path) {
  if (!path.starts_with(commands_prefix)) return std::nullopt;
  path.remove_prefix(commands_prefix.size());
  std::array<std::string_view, 4> parts;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::size_t slash = path.find('/');
    if ((slash == std::string_view::npos) != (i + 1 == parts.size())) return std::nullopt;
    parts[i] = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  parsed out;
  out.which.topic = parts[0];
  const std::optional<operator_command> command = command_of(parts[3]);
  if (parts[0].empty() || !command || !read_number(parts[1], out.which.partition) ||
      !read_number(parts[2], out.which.offset)) {
    return std::nullopt;
  }
  out.command = *command;
  return out;
}

bool authorized(std::string_view header, const secret& token) {
  constexpr std::string_view scheme = "Bearer ";
  if (!header.starts_with(scheme)) return false;
  return secret(header.substr(scheme.size())) == token;  // in constant time
}

admin_page ask_workers(const parsed& order, const std::vector<worker_command>& workers) {
  command_answer answer{command_answer::kind::not_here, "no worker is running"};
  bool silent = false;
  for (const worker_command& worker : workers) {
    const std::optional<command_answer> one = worker(order.which, order.command);
    if (!one) {
      silent = true;
      continue;
    }
    // Of the workers that do not have it, one may say more than that the partition is not its own.
    answer = *one;
    if (answer.what != command_answer::kind::not_here) break;
  }
  switch (answer.what) {
    case command_answer::kind::obeyed:
      return text(200, answer.text);
    case command_answer::kind::not_now:
      return text(409, "not executed: " + answer.text);
    case command_answer::kind::not_here:
      break;
  }
  if (silent)
    return text(503, "not executed: the event loop of a worker that may hold the record is blocked");
  return text(404, "not executed: " + answer.text);
}

}  // namespace

admin_page handle(const admin_request& order, const secret& token,
                  const std::vector<worker_command>& workers) {
  if (token.empty()) {
    return text(403, "operator commands are disabled: the configuration has no `admin.token`");
  }
  if (!authorized(order.authorization, token)) {
    admin_page refused = text(
        401, "the header `Authorization: Bearer TOKEN` with the configuration's `admin.token` is required");
    refused.asks_for_token = true;
    return refused;
  }
  const std::optional<parsed> what = parse(order.path);
  if (!what) return text(404, usage);
  admin_page page = ask_workers(*what, workers);
  log_event(log_level::warning, "operator_command",
            {{"command", to_string(what->command)},
             {"topic", what->which.topic},
             {"partition", what->which.partition},
             {"offset", what->which.offset},
             {"status", page.status},
             {"answer", std::string_view(page.body).substr(0, page.body.size() - 1)}});
  return page;
}

}  // namespace millrace::app
