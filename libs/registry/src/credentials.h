// The Authorization header. Any thread; may call a token endpoint, so only for the client's threads.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/backoff.h>
#include <millrace/http/exchange.h>
#include <millrace/registry/client.h>

#include "registry_metrics.h"

namespace millrace::registry {

class credentials {
 public:
  // `proxy` and `counts` must outlive this. The options were checked.
  credentials(const client_options& options, const http::limits& limits,
              std::optional<http::endpoint> token_server, const http::proxy_server* proxy, const clock& time,
              meters& counts);

  // "" when there are none. errc::registry_unavailable or errc::registry_unauthorized: no token.
  [[nodiscard]] result<std::string> authorization();
  // The registry said 401 to `used`. True when there is another one, or may be.
  [[nodiscard]] bool renews(std::string_view used);
  // As client::use().
  [[nodiscard]] result<void> use(const login& now);
  // `text` without anything that is secret.
  [[nodiscard]] std::string redacted(std::string text) const;

 private:
  struct token {
    std::string header;
    instant renew_at;
    instant valid_until;
  };

  [[nodiscard]] result<token> ask_for_token(const login& who) const;
  [[nodiscard]] result<token> renew_token();
  void take_current();
  [[nodiscard]] login now() const;

  const std::optional<oauth_options> oauth_;
  const std::function<result<login>()> current_;             // may be empty
  const std::function<void(const client_event&)> on_event_;  // may be empty
  const http::limits limits_;
  const std::optional<http::endpoint> token_server_;
  const http::proxy_server* const proxy_;
  const clock& time_;
  meters& counts_;
  http::tls_files files_;
  std::vector<std::string> secrets_;  // that never change

  // Held while a token is fetched, or the credentials of now: one thread requests them for all.
  std::mutex asking_;
  mutable std::mutex mutex_;  // guards what follows
  login login_;
  std::string fixed_;                       // the header; "" with OAuth
  std::vector<std::string> login_secrets_;  // of this login, and of the former one: requests may be in flight
  std::optional<token> token_;
  backoff backoff_;
  instant rests_until_;
  std::optional<error> failure_;
};

// The rules of a login, with the names of its settings.
void check(const login& given, const option_problem& refuse);
// No control character.
[[nodiscard]] bool fits_a_header(std::string_view text);

}  // namespace millrace::registry
