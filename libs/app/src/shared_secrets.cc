#include "shared_secrets.h"

#include <map>
#include <string>
#include <utility>

namespace millrace::app {
namespace {

using properties = std::map<std::string, std::string>;

struct sasl_login {
  std::string user;
  secret password;
};

// None without a user, and none without a password.
std::optional<sasl_login> login_of(const properties& given) {
  const auto user = given.find("sasl.username");
  const auto password = given.find("sasl.password");
  if (user == given.end() || password == given.end()) return std::nullopt;
  if (user->second.empty() || password->second.empty()) return std::nullopt;
  return sasl_login{user->second, secret(password->second)};
}

properties of_producer(const kafka_settings& from) {
  properties all = from.producer_properties;
  all.insert(from.client.properties.begin(), from.client.properties.end());
  return all;
}

std::shared_ptr<kafka::sasl_credentials> shared(std::optional<sasl_login> login) {
  if (!login) return nullptr;
  return std::make_shared<kafka::sasl_credentials>(std::move(login->user), std::move(login->password));
}

error gone(const std::string& settings) {
  return {errc::config_invalid, settings + " is empty or absent now; to remove it requires a restart"};
}

cql::credentials database_of(const app_config& from) {
  if (!from.cql) return {};
  return {from.cql->user, from.cql->password};
}

registry::login registry_of(const app_config& from) {
  return from.registry ? registry::login_of(*from.registry) : registry::login{};
}

}  // namespace

shared_secrets::shared_secrets(const app_config& at_start)
    : consumers_(shared(login_of(at_start.kafka.client.properties))),
      producers_(shared(login_of(of_producer(at_start.kafka)))),
      registry_at_start_(registry_of(at_start)),
      database_(database_of(at_start)) {}

cql::credentials shared_secrets::of_database() const {
  const std::lock_guard lock(mutex_);
  return database_;
}

result<registry::login> shared_secrets::of_registry(const app_config& now) const {
  registry::login login = registry_of(now);
  const registry::login& before = registry_at_start_;
  if (!before.password.empty() && login.password.empty()) return gone("`registry.password`");
  if (!before.bearer_token.empty() && login.bearer_token.empty()) return gone("`registry.bearer_token`");
  if (!before.oauth_client_secret.empty() && login.oauth_client_secret.empty())
    return gone("`registry.oauth.client_secret`");
  return login;
}

result<bool> shared_secrets::renew_kafka(const app_config& now) {
  const auto take = [](kafka::sasl_credentials* held, std::optional<sasl_login> login) -> result<bool> {
    if (held == nullptr) return false;
    if (!login) return gone("`sasl.username` or `sasl.password` of `kafka.properties`");
    return held->set(std::move(login->user), std::move(login->password));
  };
  const auto consumers = take(consumers_.get(), login_of(now.kafka.client.properties));
  const auto producers = take(producers_.get(), login_of(of_producer(now.kafka)));
  if (!consumers) return consumers;
  if (!producers) return producers;
  return *consumers || *producers;
}

result<bool> shared_secrets::renew_database(const app_config& now) {
  cql::credentials login = database_of(now);
  const std::lock_guard lock(mutex_);
  if (database_.user.empty()) return false;
  if (login.user.empty() || login.password.empty()) return gone("`cql.user` or `cql.password`");
  if (login.user == database_.user && login.password == database_.password) return false;
  database_ = std::move(login);
  return true;
}

shared_secrets::changes shared_secrets::renew(const app_config& now) {
  changes made;
  const auto note = [&made](const result<bool>& renewed, bool& changed) {
    if (renewed) {
      changed = *renewed;
    } else if (!made.failure) {
      made.failure = renewed.error();
    }
  };
  note(renew_kafka(now), made.kafka);
  note(renew_database(now), made.database);
  return made;
}

}  // namespace millrace::app
