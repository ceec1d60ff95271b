#include "credentials.h"

#include <algorithm>
#include <cstdlib>
#include <random>
#include <utility>

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

bool equal(const login& a, const login& b) {
  return a.user == b.user && a.password == b.password && a.bearer_token == b.bearer_token &&
         a.oauth_client_id == b.oauth_client_id && a.oauth_client_secret == b.oauth_client_secret;
}

std::string header_of(const login& who) {
  if (!who.bearer_token.empty()) return "Bearer " + std::string(who.bearer_token.reveal());
  if (who.user.empty()) return {};
  return "Basic " + http::base64(who.user + ":" + std::string(who.password.reveal()));
}

void hide(const secret& value, std::vector<std::string>& among) {
  if (value.reveal().size() >= secret_bytes_min) among.emplace_back(value.reveal());
}

// All that a text about this login must not repeat.
std::vector<std::string> secrets_of(const login& who) {
  std::vector<std::string> all;
  for (const secret* each : {&who.password, &who.bearer_token, &who.oauth_client_secret}) hide(*each, all);
  const std::string header = header_of(who);
  if (const auto space = header.find(' '); space != std::string::npos)
    all.push_back(header.substr(space + 1));
  return all;
}

}  // namespace

bool fits_a_header(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; });
}

void check(const login& given, const option_problem& refuse) {
  if (given.user.empty() && !given.password.empty()) refuse("user", "a password is set without a user");
  if (given.user.find(':') != std::string::npos)
    refuse("user", "basic authentication does not allow a colon in a user name");
  if (!fits_a_header(given.bearer_token.reveal()))
    refuse("bearer_token", "the bearer token contains a control character");
}

login login_of(const client_options& options) {
  login who{options.user, options.password, options.bearer_token};
  if (options.oauth) {
    who.oauth_client_id = options.oauth->client_id;
    who.oauth_client_secret = options.oauth->client_secret;
  }
  return who;
}

credentials::credentials(const client_options& options, const http::limits& limits,
                         std::optional<http::endpoint> token_server, const http::proxy_server* proxy,
                         const clock& time, meters& counts)
    : oauth_(options.oauth),
      current_(options.current_credentials),
      on_event_(options.on_event),
      limits_(limits),
      token_server_(std::move(token_server)),
      proxy_(proxy),
      time_(time),
      counts_(counts),
      login_(login_of(options)),
      fixed_(header_of(login_)),
      login_secrets_(secrets_of(login_)),
      backoff_(options.backoff_first, options.backoff_max, std::random_device{}()) {
  files_.ca_file = !oauth_ || oauth_->ca_file.empty() ? options.ca_file : oauth_->ca_file;
  hide(options.key_password, secrets_);
  if (options.proxy) hide(options.proxy->password, secrets_);
}

result<void> credentials::use(const login& now) {
  std::optional<error> wrong;
  check(now, [&wrong](std::string_view option, const std::string& why) {
    if (!wrong) wrong.emplace(errc::config_invalid, std::string(option) + ": " + why);
  });
  if (!wrong && oauth_.has_value() != !now.oauth_client_id.empty())
    wrong.emplace(errc::config_invalid, "oauth: it was added or removed; that requires a restart");
  if (wrong) return wrong->in("registry");
  {
    const std::lock_guard lock(mutex_);
    if (equal(now, login_)) return {};
    std::vector<std::string> secrets = secrets_of(now);
    for (std::string& each : secrets_of(login_)) secrets.push_back(std::move(each));
    login_secrets_ = std::move(secrets);
    login_ = now;
    fixed_ = header_of(now);
    rests_until_ = {};
  }
  if (on_event_) on_event_({"credentials_renewed", {}, {}});
  return {};
}

// After a refusal; `asking_` is held.
void credentials::take_current() {
  if (!current_) return;
  if (const auto now = current_()) (void)use(*now);
}

login credentials::now() const {
  const std::lock_guard lock(mutex_);
  return login_;
}

result<credentials::token> credentials::ask_for_token(const login& who) const {
  const std::string place = "token endpoint " + token_server_->text();
  http::request request{"POST", "", "grant_type=client_credentials"};
  if (!oauth_->scope.empty()) request.body += "&scope=" + http::escaped(oauth_->scope);
  request.headers = {
      // Not form-encoded first, whatever RFC 6749 says: Kafka's and Confluent's clients do not either, and a
      // server that decodes leaves what needs no encoding as it is.
      {"Authorization",
       "Basic " + http::base64(who.oauth_client_id + ":" + std::string(who.oauth_client_secret.reveal()))},
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

// Once more with other credentials when those in use are refused. `asking_` is held.
result<credentials::token> credentials::renew_token() {
  const login used = now();
  auto made = ask_for_token(used);
  counts_.count_token(made.ok());
  if (made || made.error().code() != errc::registry_unauthorized) return made;
  take_current();
  const login others = now();
  if (equal(others, used)) return made;
  made = ask_for_token(others);
  counts_.count_token(made.ok());
  return made;
}

result<std::string> credentials::authorization() {
  if (!token_server_) {
    const std::lock_guard lock(mutex_);
    return fixed_;
  }
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
  auto made = renew_token();
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
  if (token_server_) {
    const std::lock_guard lock(mutex_);
    if (token_ && token_->header == used) token_.reset();
    return true;
  }
  const auto is_other = [this, used] {
    const std::lock_guard lock(mutex_);
    return fixed_ != used;
  };
  const std::lock_guard alone(asking_);
  if (is_other()) return true;  // another thread was faster
  take_current();
  return is_other();
}

std::string credentials::redacted(std::string text) const {
  std::vector<std::string> all = secrets_;
  {
    const std::lock_guard lock(mutex_);
    all.insert(all.end(), login_secrets_.begin(), login_secrets_.end());
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
