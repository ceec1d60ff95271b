#include "record_orders.h"

#include <array>
#include <charconv>
#include <string>
#include <string_view>

#include "log.h"

namespace millrace::app {
namespace {

using engine::record_name;
using engine::record_verb;
using engine::verb_answer;

constexpr std::string_view verbs_prefix = "/records/";
constexpr std::string_view usage =
    "POST /records/TOPIC/PARTITION/OFFSET/retry, .../skip or .../dead-letter acts on the oldest unfinished "
    "record of a partition";

admin_page text(unsigned status, std::string_view sentence) {
  return {status, "text/plain; charset=utf-8", std::string(sentence) + "\n"};
}

template <typename T>
bool read_number(std::string_view from, T& into) {
  const auto [end, failure] = std::from_chars(from.data(), from.data() + from.size(), into);
  return failure == std::errc{} && end == from.data() + from.size() && into >= 0;
}

std::optional<record_verb> verb_of(std::string_view name) {
  for (const record_verb verb : {record_verb::retry, record_verb::skip, record_verb::dead_letter}) {
    if (name == to_string(verb)) return verb;
  }
  return std::nullopt;
}

struct parsed {
  record_name which;
  record_verb verb = record_verb::retry;
};

// Kafka's topic names need no escaping in a path.
std::optional<parsed> parse(std::string_view path) {
  if (!path.starts_with(verbs_prefix)) return std::nullopt;
  path.remove_prefix(verbs_prefix.size());
  std::array<std::string_view, 4> parts;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::size_t slash = path.find('/');
    if ((slash == std::string_view::npos) != (i + 1 == parts.size())) return std::nullopt;
    parts[i] = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  parsed out;
  out.which.topic = parts[0];
  const std::optional<record_verb> verb = verb_of(parts[3]);
  if (parts[0].empty() || !verb || !read_number(parts[1], out.which.partition) ||
      !read_number(parts[2], out.which.offset)) {
    return std::nullopt;
  }
  out.verb = *verb;
  return out;
}

bool authorized(std::string_view header, const config::secret& token) {
  constexpr std::string_view scheme = "Bearer ";
  if (!header.starts_with(scheme)) return false;
  return config::secret(header.substr(scheme.size())) == token;  // in constant time
}

admin_page ask_workers(const parsed& order, const std::vector<worker_door>& workers) {
  verb_answer answer{verb_answer::kind::not_here, "no worker runs"};
  bool silent = false;
  for (const worker_door& worker : workers) {
    const std::optional<verb_answer> one = worker(order.which, order.verb);
    if (!one) {
      silent = true;
      continue;
    }
    // Of the workers that do not have it, one may say more than that the partition is not its own.
    answer = *one;
    if (answer.what != verb_answer::kind::not_here) break;
  }
  switch (answer.what) {
    case verb_answer::kind::obeyed:
      return text(200, answer.text);
    case verb_answer::kind::not_now:
      return text(409, "nothing was done: " + answer.text);
    case verb_answer::kind::not_here:
      break;
  }
  if (silent) return text(503, "nothing was done: a worker that may have the record does not turn its loop");
  return text(404, "nothing was done: " + answer.text);
}

}  // namespace

admin_page obey(const admin_order& order, const config::secret& token,
                const std::vector<worker_door>& workers) {
  if (token.empty()) {
    return text(403, "these verbs are off: the configuration has no `admin.token`");
  }
  if (!authorized(order.authorization, token)) {
    admin_page refused = text(
        401, "this needs the header `Authorization: Bearer TOKEN` with the configuration's `admin.token`");
    refused.asks_for_token = true;
    return refused;
  }
  const std::optional<parsed> what = parse(order.path);
  if (!what) return text(404, usage);
  admin_page page = ask_workers(*what, workers);
  log_event(log_level::warning, "operator",
            {{"verb", to_string(what->verb)},
             {"topic", what->which.topic},
             {"partition", what->which.partition},
             {"offset", what->which.offset},
             {"status", page.status},
             {"answer", std::string_view(page.body).substr(0, page.body.size() - 1)}});
  return page;
}

}  // namespace millrace::app
