#include "servers.h"

#include <algorithm>
#include <random>

#include "answers.h"

namespace millrace::registry {
namespace {

using nlohmann::json;

constexpr const char* media_type = "application/vnd.schemaregistry.v1+json";

// Whether it counts against the server that said it.
bool is_problem(asked outcome) {
  switch (outcome) {
    case asked::answered:
    case asked::not_found:
    case asked::refused:
    case asked::unauthorized:
      return false;
    case asked::limited:
    case asked::server_error:
    case asked::unusable:
    case asked::no_answer:
    case asked::tls_refused:
      return true;
  }
  return true;
}

// Of several answers that are none, the one to act on: a registry that says "not found" is believed before
// one that says nothing, and one that may answer later before one that will not.
int weight(errc code) {
  if (code == errc::schema_not_found) return 3;
  if (code == errc::registry_unavailable) return 2;
  return 1;
}

}  // namespace

servers::servers(const client_options& options, const http::limits& limits,
                 const std::vector<http::endpoint>& urls, const http::proxy_server* proxy,
                 const http::tls_files& files, credentials& who, const clock& time, meters& counts)
    : options_(options),
      limits_(limits),
      proxy_(proxy),
      files_(files),
      who_(who),
      time_(time),
      counts_(counts) {
  for (const http::endpoint& each : urls) {
    server made{each, each.text(),
                backoff(options.backoff_first, options.backoff_max, std::random_device{}())};
    if (!options.context.empty()) made.at.path += "/contexts/" + http::escaped(options.context);
    servers_.push_back(std::move(made));
  }
}

void servers::tell(const client_event& event) const {
  if (options_.on_event) options_.on_event(event);
}

std::optional<error> servers::rest_of(std::size_t index) const {
  const std::lock_guard lock(mutex_);
  const server& one = servers_[index];
  const nanoseconds left = one.rests_until - time_.now();
  if (left.count() <= 0) return std::nullopt;
  const auto millis = std::chrono::duration_cast<milliseconds>(left).count();
  return error(errc::registry_unavailable,
               one.problem->message() + " (next request in " + std::to_string(millis) + " ms)");
}

std::size_t servers::resting() const {
  const std::lock_guard lock(mutex_);
  const instant now = time_.now();
  return static_cast<std::size_t>(
      std::ranges::count_if(servers_, [&](const server& one) { return one.rests_until > now; }));
}

void servers::succeeded(std::size_t index) {
  std::string recovered;
  {
    const std::lock_guard lock(mutex_);
    server& one = servers_[index];
    preferred_ = index;
    one.pause.succeeded();
    one.rests_until = {};
    if (one.problem) recovered = one.text;
    one.problem.reset();
  }
  if (!recovered.empty()) tell({"registry_recovered", recovered, {}});
}

void servers::failed(std::size_t index, const error& why, std::string_view retry_after_header) {
  bool first = false;
  std::string text;
  {
    const std::lock_guard lock(mutex_);
    server& one = servers_[index];
    const instant now = time_.now();
    one.rests_until = one.pause.failed(now);
    if (const auto named = retry_after(retry_after_header, time_.wall())) {
      const nanoseconds rest = std::min<nanoseconds>(*named, options_.retry_after_max);
      one.rests_until = std::max(one.rests_until, now + rest);
    }
    first = !one.problem;
    one.problem = why;
    text = one.text;
  }
  if (first) tell({"registry_failed", text, why.message()});
}

servers::answer servers::exchange_once(std::size_t index, http::request request,
                                       const std::string& authorization) {
  if (!authorization.empty()) request.headers.emplace_back("Authorization", authorization);
  std::string text;
  http::route route{{}, &files_, proxy_};
  {
    const std::lock_guard lock(mutex_);
    route.server = servers_[index].at;
    text = servers_[index].text;
  }
  const instant began = time_.now();
  auto response = exchange(route, request, limits_);
  const nanoseconds took = time_.now() - began;
  if (!response) {
    const asked outcome = response.error().code() == errc::tls_error ? asked::tls_refused : asked::no_answer;
    counts_.count(outcome, took);
    if (response.error().code() != errc::cancelled) failed(index, response.error(), "");
    return {outcome, response.error()};
  }
  judged seen = judge(text, *response);
  counts_.count(seen.outcome, took);
  if (!seen.failure) {
    succeeded(index);
    return {seen.outcome, std::move(seen.body)};
  }
  const error why(seen.failure->code(), who_.redacted(seen.failure->message()));
  if (is_problem(seen.outcome)) {
    failed(index, why, response->retry_after);
  } else {
    const std::lock_guard lock(mutex_);
    servers_[index].pause.succeeded();
  }
  return {seen.outcome, why};
}

servers::answer servers::ask_one(std::size_t index, const http::request& request) {
  const auto authorization = who_.authorization();
  if (!authorization) return {asked::no_answer, authorization.error()};
  answer first = exchange_once(index, request, *authorization);
  if (first.outcome != asked::unauthorized || !who_.renews(*authorization)) return first;
  const auto renewed = who_.authorization();
  if (!renewed || *renewed == *authorization) return first;
  return exchange_once(index, request, *renewed);
}

result<json> servers::ask(http::request request) {
  request.headers.emplace_back("Accept", std::string(media_type) + ", application/json");
  if (!request.body.empty()) request.headers.emplace_back("Content-Type", media_type);
  for (const auto& [name, value] : options_.headers) request.headers.emplace_back(name, value);
  std::size_t first = 0;
  std::size_t count = 0;
  {
    const std::lock_guard lock(mutex_);
    first = preferred_;
    count = servers_.size();
  }
  std::optional<error> worst;
  std::string others;
  const auto note = [&](const error& why) {
    if (!worst || weight(why.code()) > weight(worst->code())) {
      if (worst) others += "; " + worst->message();
      worst = why;
    } else {
      others += "; " + why.message();
    }
  };
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t index = (first + i) % count;
    if (const auto rests = rest_of(index)) {
      note(*rests);
      continue;
    }
    answer got = ask_one(index, request);
    if (got.body) return std::move(got.body);
    if (got.body.error().code() == errc::cancelled || got.outcome == asked::refused) return got.body.error();
    note(got.body.error());
  }
  return error(worst->code(), "schema registry " + worst->message() + others);
}

}  // namespace millrace::registry
