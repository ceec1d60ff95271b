// The Authorization header. Any thread; may call a token endpoint, so only for the client's threads.
#pragma once

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
  // The registry said 401 to `used`. True when it is worth asking for another one.
  [[nodiscard]] bool renews(std::string_view used);
  // `text` without anything that is secret.
  [[nodiscard]] std::string redacted(std::string text) const;

 private:
  struct token {
    std::string header;
    instant renew_at;
    instant valid_until;
  };

  [[nodiscard]] result<token> ask_for_token() const;

  const std::optional<oauth_options> oauth_;
  const http::limits limits_;
  const std::optional<http::endpoint> token_server_;
  const http::proxy_server* const proxy_;
  const clock& time_;
  meters& counts_;
  http::tls_files files_;
  std::string fixed_;
  std::vector<std::string> secrets_;

  std::mutex asking_;         // held while a token is fetched: one thread requests it for all
  mutable std::mutex mutex_;  // guards what follows
  std::optional<token> token_;
  backoff backoff_;
  instant rests_until_;
  std::optional<error> failure_;
};

}  // namespace millrace::registry
