#include "credentials.h"

#include <random>

#include <nlohmann/json.hpp>

namespace millrace::registry {
namespace {

using nlohmann::json;

constexpr seconds renewed_before_max{300};
constexpr seconds life_unsaid{300};  // of a token whose answer has no lifetime
constexpr seconds life_max{86'400};
constexpr std::size_t secret_bytes_min = 4;  // shorter ones are in every text

seconds life_of(const json& answer) {
  const auto given = answer.find("expires_in");
  double life = static_cast<double>(life_unsaid.count());
  if (given != answer.end() && given->is_number()) life = given->get<double>();
  if (given != answer.end() && given->is_string()) {
    life = std::strtod(given->get_ref<const std::string&>().c_str(), nullptr);
  }
  if (!(life > 0)) return seconds(0);
  return std::min(life_max, seconds(static_cast<std::int64_t>(std::min(life, 1e9))));
}

}  // namespace

credentials::credentials(const client_options& options, const http::limits& limits,
                         std::optional<http::endpoint> token_server, const http::proxy_server* proxy,
                         const clock& time, meters& counts)
    : oauth_(options.oauth),
      limits_(limits),
      token_server_(std::move(token_server)),
      proxy_(proxy),
      time_(time),
      counts_(counts),
      backoff_(options.backoff_first, options.backoff_max, std::random_device{}()) {
  files_.ca_file = !oauth_ || oauth_->ca_file.empty() ? options.ca_file : oauth_->ca_file;
  if (!options.user.empty())
    fixed_ = "Basic " + http::base64(options.user + ":" + std::string(options.password.reveal()));
  if (!options.bearer_token.empty()) fixed_ = "Bearer " + std::string(options.bearer_token.reveal());
  const auto hide = [this](const secret& value) {
    if (value.reveal().size() >= secret_bytes_min) secrets_.emplace_back(value.reveal());
  };
  hide(options.password);
  hide(options.bearer_token);
  hide(options.key_password);
  if (oauth_) hide(oauth_->client_secret);
  if (options.proxy) hide(options.proxy->password);
  if (const auto space = fixed_.find(' '); space != std::string::npos)
    secrets_.push_back(fixed_.substr(space + 1));
}

result<credentials::token> credentials::ask_for_token() const {
  const std::string place = "token endpoint " + token_server_->text();
  http::request request{"POST", "", "grant_type=client_credentials"};
  if (!oauth_->scope.empty()) request.body += "&scope=" + http::escaped(oauth_->scope);
  request.headers = {
      // Not form-encoded first, whatever RFC 6749 says: Kafka's and Confluent's clients do not either, and a
      // server that decodes leaves what needs no encoding as it is.
      {"Authorization",
       "Basic " + http::base64(oauth_->client_id + ":" + std::string(oauth_->client_secret.reveal()))},
      {"Content-Type", "application/x-www-form-urlencoded"},
      {"Accept", "application/json"}};
  const instant asked_at = time_.now();
  const auto response = exchange({*token_server_, &files_, proxy_}, request, limits_);
  if (!response) return response.error().in("token endpoint");
  const json body = json::parse(response->body, nullptr, false);
  const bool spoken = body.is_object();
  if (response->status == 400 || response->status == 401 || response->status == 403) {
    // The error's name only: descriptions may repeat what was sent.
    const auto name = spoken ? body.find("error") : body.end();
    const bool named = spoken && name != body.end() && name->is_string();
    return error(errc::registry_unauthorized,
                 place + " refused the client: HTTP " + std::to_string(response->status) +
                     (named ? " " + http::printable(name->get<std::string>()) : ""));
  }
  if (response->status != 200)
    return error(errc::registry_unavailable, place + " answered HTTP " + std::to_string(response->status));
  const auto text = spoken ? body.find("access_token") : body.end();
  if (!spoken || text == body.end() || !text->is_string() || text->get_ref<const std::string&>().empty())
    return error(errc::registry_unavailable, place + " answered without a token");
  const auto& value = text->get_ref<const std::string&>();
  if (http::printable(value.substr(0, 300)) != value.substr(0, 300))
    return error(errc::registry_unavailable, place + " answered with a token that is not valid in a header");
  const nanoseconds life = life_of(body);
  const nanoseconds early = std::min<nanoseconds>(renewed_before_max, life / 5);
  return token{"Bearer " + value, asked_at + (life - early), asked_at + life};
}

result<std::string> credentials::authorization() {
  if (!token_server_) return fixed_;
  const auto usable = [this](instant token::* until) {
    return token_ && time_.now() < *token_.*until ? std::optional(token_->header) : std::nullopt;
  };
  std::optional<std::string> old;
  {
    const std::lock_guard lock(mutex_);
    if (auto fresh = usable(&token::renew_at)) return *fresh;
    old = usable(&token::valid_until);
  }
  std::unique_lock alone(asking_, std::defer_lock);
  if (old) {
    if (!alone.try_lock()) return *old;  // another thread renews it already
  } else {
    alone.lock();
  }
  {
    const std::lock_guard lock(mutex_);
    if (auto fresh = usable(&token::renew_at)) return *fresh;
    if (time_.now() < rests_until_) return old ? result<std::string>(*old) : *failure_;
  }
  auto made = ask_for_token();
  counts_.count_token(made.ok());
  const std::lock_guard lock(mutex_);
  if (made) {
    backoff_.succeeded();
    token_ = std::move(*made);
    return token_->header;
  }
  rests_until_ = backoff_.failed(time_.now());
  failure_ = made.error();
  if (old) return *old;
  return made.error();
}

bool credentials::renews(std::string_view used) {
  if (!token_server_) return false;
  const std::lock_guard lock(mutex_);
  if (token_ && token_->header == used) token_.reset();
  return true;
}

std::string credentials::redacted(std::string text) const {
  std::vector<std::string> all = secrets_;
  {
    const std::lock_guard lock(mutex_);
    if (token_) all.push_back(token_->header.substr(std::string_view("Bearer ").size()));
  }
  for (const std::string& secret : all) {
    for (auto at = text.find(secret); at != std::string::npos; at = text.find(secret, at + 3)) {
      text.replace(at, secret.size(), "***");
    }
  }
  return text;
}

}  // namespace millrace::registry
