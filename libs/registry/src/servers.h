// The registry's URLs: which one is used, and which ones are in backoff. Any thread.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <millrace/base/backoff.h>
#include <millrace/http/exchange.h>
#include <millrace/registry/client.h>

#include "credentials.h"
#include "registry_metrics.h"

namespace millrace::registry {

class servers {
 public:
  // Everything referred to must outlive this. `urls` is not empty.
  servers(const client_options& options, const http::limits& limits, const std::vector<http::endpoint>& urls,
          const http::proxy_server* proxy, const http::tls_files& files, credentials& who, const clock& time,
          meters& counts);

  // The answer's body. Asks every URL that does not rest, the one that answered last first, until one
  // answers; "not found" and "unauthorized" count only without a better answer. Errors: see client.h.
  [[nodiscard]] result<nlohmann::json> ask(http::request request);
  [[nodiscard]] std::size_t resting() const;

 private:
  struct server {
    http::endpoint at;
    std::string text;
    backoff pause;
    instant rests_until = {};
    std::optional<error> problem = {};  // since it failed
  };
  struct answer {
    asked outcome = asked::answered;
    result<nlohmann::json> body = nlohmann::json();
  };

  // One exchange, and once more with a new token.
  [[nodiscard]] answer ask_one(std::size_t index, const http::request& request);
  [[nodiscard]] answer exchange_once(std::size_t index, http::request request,
                                     const std::string& authorization);
  [[nodiscard]] std::optional<error> rest_of(std::size_t index) const;
  void succeeded(std::size_t index);
  void failed(std::size_t index, const error& why, std::string_view retry_after_header);
  void tell(const client_event& event) const;

  const client_options& options_;
  const http::limits limits_;
  const http::proxy_server* const proxy_;
  const http::tls_files& files_;
  credentials& who_;
  const clock& time_;
  meters& counts_;
  mutable std::mutex mutex_;  // guards what follows
  std::vector<server> servers_;
  std::size_t preferred_ = 0;
};

}  // namespace millrace::registry
