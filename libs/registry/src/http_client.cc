#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <utility>

#include <millrace/base/assert.h>
#include <millrace/registry/client.h>

#include "answers.h"
#include "credentials.h"
#include "disk_cache.h"
#include "documents.h"
#include "memory_cache.h"
#include "servers.h"

namespace millrace::registry {
namespace {

constexpr seconds disk_problem_told_every{60};
constexpr std::size_t file_bytes_overhead = 64U << 10U;

// Options in the form in which they are used.
struct checked_options {
  client_options given;
  std::vector<http::endpoint> urls;
  std::optional<http::endpoint> token_server;
  std::optional<http::proxy_server> proxy;
  http::tls_files files;
};

// A registry and context by the addresses of its servers, whatever their order.
std::string identity_of(const checked_options& options) {
  std::vector<std::string> urls;
  urls.reserve(options.urls.size());
  for (const http::endpoint& each : options.urls) urls.push_back(each.text());
  std::sort(urls.begin(), urls.end());
  std::string name;
  for (const std::string& each : urls) name += each + " ";
  return name + options.given.context;
}

http::limits limits_of(const client_options& options, const std::atomic<bool>* abandoned) {
  return {options.connect_timeout,    options.timeout,     options.response_bytes_max.count(), abandoned,
          errc::registry_unavailable, "response_bytes_max"};
}

class http_client final : public client {
 public:
  explicit http_client(checked_options options)
      : options_(std::move(options)),
        time_(options_.given.time != nullptr ? *options_.given.time : millrace::system_clock()),
        counts_(options_.given.counts),
        who_(options_.given, limits_of(options_.given, &abandoned_), options_.token_server,
             options_.proxy ? &*options_.proxy : nullptr, time_, counts_),
        servers_(options_.given, limits_of(options_.given, &abandoned_), options_.urls,
                 options_.proxy ? &*options_.proxy : nullptr, options_.files, who_, time_, counts_),
        cache_(options_.given.cached_ids_max, options_.given.cached_bytes_max.count()) {}

  http_client(const http_client&) = delete;
  http_client& operator=(const http_client&) = delete;
  ~http_client() override;

  // errc::config_invalid: the cache folder. errc::io_error: the system refuses a thread.
  result<void> start();

  void fetch(std::int32_t id, on_schema done) override {
    look_up("ids/" + std::to_string(id), std::move(done));
  }
  void fetch(const uuid& guid, on_schema done) override {
    look_up("guids/" + guid.to_string(), std::move(done));
  }
  result<std::int32_t> register_schema(std::string_view subject, std::string_view text,
                                       const std::vector<schema_reference>& references) override;
  result<subject_version> find(std::string_view subject, std::int32_t version) override;
  result<compatibility> compare(std::string_view subject, std::string_view text,
                                const std::vector<schema_reference>& references) override;
  result<void> check() override;
  result<void> use(const login& now) override { return who_.use(now); }
  statistics stats() const override;

 private:
  struct absent {
    error failure;
    instant until;
  };

  // `key` is the resource's name: "ids/7".
  void look_up(std::string key, on_schema done);
  result<void> start_threads();
  void serve();
  result<document> get(const std::string& key);
  result<document> get_or_fail(const std::string& key) noexcept;
  result<document> ask_for(const std::string& key);
  void remember(const std::string& key, const result<document>& found);
  void tell_of_disk();

  const checked_options options_;
  const clock& time_;
  std::atomic<bool> abandoned_{false};
  meters counts_;
  credentials who_;
  servers servers_;
  std::unique_ptr<disk_cache> disk_;  // may be null

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  bool stopping_ = false;
  std::deque<std::string> queue_;
  std::unordered_map<std::string, std::vector<on_schema>> waiting_;
  std::unordered_map<std::string, absent> missing_;
  memory_cache cache_;
  std::optional<instant> disk_problem_told_;

  std::vector<std::thread> threads_;  // last: started when everything above exists
};

http_client::~http_client() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  abandoned_.store(true, std::memory_order_relaxed);
  wake_.notify_all();
  for (std::thread& each : threads_) each.join();
  counts_.stop_scrapes();
  for (auto& [key, waiting] : waiting_) {
    for (auto& done : waiting) done(error(errc::cancelled, "the registry client was shut down"));
  }
}

result<void> http_client::start() {
  if (!options_.given.cache_folder.empty()) {
    auto opened =
        disk_cache::open(options_.given.cache_folder, identity_of(options_), options_.given.disk_ids_max,
                         2 * options_.given.response_bytes_max.count() + file_bytes_overhead, counts_);
    if (!opened) return opened.error();
    disk_ = std::move(*opened);
  }
  counts_.at_scrape([this] {
    const statistics now = stats();
    const std::lock_guard lock(mutex_);
    return gauges{static_cast<double>(now.entries), static_cast<double>(now.bytes),
                  static_cast<double>(now.disk_entries), static_cast<double>(now.resting),
                  static_cast<double>(waiting_.size())};
  });
  return start_threads();
}

result<void> http_client::start_threads() {
  try {
    for (std::uint32_t i = 0; i < options_.given.connections_max; ++i)
      threads_.emplace_back([this] { serve(); });
  } catch (const std::system_error& refused) {
    return error(errc::io_error, std::string("registry: cannot start a thread: ") + refused.what() +
                                     "; raise the limit of threads of the process");
  }
  return {};
}

void http_client::look_up(std::string key, on_schema done) {
  std::optional<result<document>> at_once;
  {
    const std::lock_guard lock(mutex_);
    if (document known = cache_.find(key)) {
      counts_.count(looked_up::memory);
      at_once.emplace(std::move(known));
    } else if (const auto gone = missing_.find(key);
               gone != missing_.end() && time_.now() < gone->second.until) {
      counts_.count(looked_up::remembered_missing);
      at_once.emplace(gone->second.failure);
    } else if (const auto under_way = waiting_.find(key); under_way != waiting_.end()) {
      counts_.count(looked_up::shared);
      under_way->second.push_back(std::move(done));
      return;
    } else if (waiting_.size() >= lookups_max) {
      at_once.emplace(error(errc::registry_unavailable, "too many schemas are being looked up"));
    } else {
      waiting_[key].push_back(std::move(done));
      queue_.push_back(std::move(key));
      wake_.notify_one();
      return;
    }
  }
  done(std::move(*at_once));
}

void http_client::serve() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    const std::string key = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    result<document> found = get_or_fail(key);
    lock.lock();
    remember(key, found);
    auto node = waiting_.extract(key);
    lock.unlock();
    for (auto& done : node.mapped()) done(found);
    lock.lock();
  }
}

// Memory that runs out on this thread fails one lookup, which is repeated later.
result<client::document> http_client::get_or_fail(const std::string& key) noexcept {
  try {
    return get(key);
  } catch (const std::exception& refused) {
    return error(errc::registry_unavailable, "schema " + key + ": " + refused.what());
  }
}

// From disk, or from the registry and then to disk.
result<client::document> http_client::get(const std::string& key) {
  if (disk_ != nullptr) {
    document kept = disk_->find(key);
    tell_of_disk();
    if (kept) {
      counts_.count(looked_up::disk);
      return kept;
    }
  }
  result<document> found = ask_for(key);
  counts_.count(found ? looked_up::registry : looked_up::failed);
  if (found && disk_ != nullptr) {
    disk_->put(key, **found);
    tell_of_disk();
  }
  return found;
}

result<client::document> http_client::ask_for(const std::string& key) {
  const std::string place = "schema " + key;
  const auto body = servers_.ask({"GET", "/schemas/" + key});
  if (!body) return body.error().in(place);
  auto root = schema_of(*body);
  if (!root) return root.error().in(place);
  auto made = complete(servers_, std::move(*root), options_.given.response_bytes_max.count());
  if (!made) return made.error().in(place);
  return made;
}

void http_client::remember(const std::string& key, const result<document>& found) {
  if (found) {
    cache_.put(key, *found);
    missing_.erase(key);
    return;
  }
  if (found.error().code() != errc::schema_not_found) return;
  if (missing_.size() >= options_.given.cached_ids_max) missing_.clear();
  missing_.insert_or_assign(key, absent{found.error(), time_.now() + options_.given.not_found_ttl});
}

void http_client::tell_of_disk() {
  const auto problem = disk_->take_problem();
  if (!problem || !options_.given.on_event) return;
  {
    const std::lock_guard lock(mutex_);
    const instant now = time_.now();
    if (disk_problem_told_ && now - *disk_problem_told_ < disk_problem_told_every) return;
    disk_problem_told_ = now;
  }
  options_.given.on_event({"schema_cache_failed", {}, *problem});
}

result<std::int32_t> http_client::register_schema(std::string_view subject, std::string_view text,
                                                  const std::vector<schema_reference>& references) {
  const std::string place = "subject '" + std::string(subject) + "'";
  const std::string body = sent(text, references);
  const std::string kept = "registered/" + digest(std::string(subject) + "\n" + body);
  const std::string query = options_.given.normalizes ? "?normalize=true" : "";
  const std::string target = "/subjects/" + http::escaped(subject);
  const auto answer = options_.given.registers ? servers_.ask({"POST", target + "/versions" + query, body})
                                               : servers_.ask({"POST", target + query, body});
  if (answer) {
    auto id = number_of(*answer, "id");
    if (!id) return id.error().in(place);
    if (disk_ != nullptr) {
      disk_->put_id(kept, *id);
      tell_of_disk();
    }
    return id;
  }
  if (answer.error().code() == errc::registry_unavailable && disk_ != nullptr) {
    const auto id = disk_->find_id(kept);
    tell_of_disk();
    if (id) return *id;
  }
  if (answer.error().code() == errc::schema_not_found && !options_.given.registers) {
    return error(errc::schema_not_found, place +
                                             ": the schema is not registered, and registration is "
                                             "disabled: " +
                                             answer.error().message());
  }
  return answer.error().in(place);
}

result<subject_version> http_client::find(std::string_view subject, std::int32_t version) {
  const std::string number = version == latest ? "latest" : std::to_string(version);
  const std::string place = "subject '" + std::string(subject) + "' version " + number;
  const auto body = servers_.ask({"GET", "/subjects/" + http::escaped(subject) + "/versions/" + number});
  if (!body) return body.error().in(place);
  const auto id = number_of(*body, "id");
  if (!id) return id.error().in(place);
  const auto found = number_of(*body, "version");
  if (!found) return found.error().in(place);
  auto root = schema_of(*body);
  if (!root) return root.error().in(place);
  auto schema = complete(servers_, std::move(*root), options_.given.response_bytes_max.count());
  if (!schema) return schema.error().in(place);
  return subject_version{std::string(subject), *found, *id, **schema};
}

result<compatibility> http_client::compare(std::string_view subject, std::string_view text,
                                           const std::vector<schema_reference>& references) {
  const std::string place = "subject '" + std::string(subject) + "'";
  const auto body = servers_.ask(
      {"POST", "/compatibility/subjects/" + http::escaped(subject) + "/versions/latest?verbose=true",
       sent(text, references)});
  if (!body) {
    // Nothing to be compatible with.
    if (body.error().code() == errc::schema_not_found) return compatibility{true, ""};
    return body.error().in(place);
  }
  const auto verdict = body->find("is_compatible");
  if (!body->is_object() || verdict == body->end() || !verdict->is_boolean())
    return error(errc::registry_unavailable, place + ": the answer holds no is_compatible");
  compatibility seen{verdict->get<bool>(), ""};
  const auto messages = body->find("messages");
  if (!seen.compatible && messages != body->end() && messages->is_array()) {
    for (const auto& each : *messages) {
      if (!each.is_string() || seen.why.size() > 2'000) continue;
      seen.why += (seen.why.empty() ? "" : "; ") + http::printable(each.get_ref<const std::string&>());
    }
  }
  return seen;
}

result<void> http_client::check() {
  // The cheapest request that needs credentials; a list of subjects may be megabytes.
  const auto body = servers_.ask({"GET", "/schemas/types"});
  if (!body) return body.error();
  return {};
}

client::statistics http_client::stats() const {
  statistics now;
  now.hits = counts_.total(looked_up::memory) + counts_.total(looked_up::remembered_missing);
  now.disk_hits = counts_.total(looked_up::disk);
  now.misses = counts_.total(looked_up::registry) + counts_.total(looked_up::failed) + now.disk_hits;
  now.requests = counts_.requests();
  now.failures = counts_.failures();
  now.tokens = counts_.tokens();
  now.disk_failures = counts_.disk_problems();
  now.resting = servers_.resting();
  if (disk_ != nullptr) now.disk_entries = disk_->files();
  const std::lock_guard lock(mutex_);
  now.entries = cache_.entries();
  now.bytes = cache_.bytes();
  return now;
}

void check_credentials(const client_options& given, const option_problem& refuse) {
  const int ways =
      (given.user.empty() ? 0 : 1) + (given.bearer_token.empty() ? 0 : 1) + (given.oauth ? 1 : 0);
  if (ways > 1)
    refuse("", "more than one of `user`, `bearer_token` and `oauth` is set; the registry takes one");
  check(login_of(given), refuse);
  if (given.oauth && given.oauth->client_id.empty()) refuse("oauth.client_id", "OAuth needs a client id");
  if (given.oauth && given.oauth->client_secret.empty())
    refuse("oauth.client_secret", "OAuth needs a client secret");
  for (const auto& [name, value] : given.headers) {
    if (name.empty() || name.find_first_of(": ") != std::string::npos || !fits_a_header(name) ||
        !fits_a_header(value)) {
      refuse("headers", "'" + http::printable(name) + "' is not a valid HTTP header");
    }
  }
}

std::optional<http::endpoint> endpoint_of(std::string_view option, const std::string& url,
                                          const option_problem& refuse) {
  auto parsed = http::parse_url(url);
  if (parsed) return std::move(*parsed);
  refuse(option, parsed.error().message());
  return std::nullopt;
}

void check_addresses(const client_options& given, const option_problem& refuse) {
  if (given.urls.empty()) refuse("urls", "no registry URL is set");
  for (std::size_t i = 0; i < given.urls.size(); ++i)
    (void)endpoint_of("urls[" + std::to_string(i) + "]", given.urls[i], refuse);
  if (given.oauth) (void)endpoint_of("oauth.token_url", given.oauth->token_url, refuse);
  if (!given.proxy) return;
  const auto proxy = endpoint_of("proxy.url", given.proxy->url, refuse);
  if (proxy && proxy->tls) refuse("proxy.url", "the proxy must be reached with http, not https");
  if (given.proxy->user.empty() && !given.proxy->password.empty())
    refuse("proxy.user", "a password is set without a user");
}

result<checked_options> checked(client_options given) {
  std::optional<error> first;
  check(given, [&first](std::string_view option, const std::string& why) {
    if (!first) first.emplace(errc::config_invalid, (option.empty() ? "" : std::string(option) + ": ") + why);
  });
  if (first) return first->in("registry");
  checked_options made;
  const option_problem unexpected = [](std::string_view, const std::string&) {
    invariant_broken("the options were checked");
  };
  for (const std::string& url : given.urls) made.urls.push_back(*endpoint_of("", url, unexpected));
  if (given.oauth) made.token_server = endpoint_of("", given.oauth->token_url, unexpected);
  if (given.proxy) {
    made.proxy = http::proxy_server{*endpoint_of("", given.proxy->url, unexpected), ""};
    if (!given.proxy->user.empty())
      made.proxy->authorization =
          "Basic " + http::base64(given.proxy->user + ":" + std::string(given.proxy->password.reveal()));
  }
  made.files = {given.ca_file, given.certificate_file, given.key_file,
                std::string(given.key_password.reveal())};
  made.given = std::move(given);
  const bool secure =
      std::any_of(made.urls.begin(), made.urls.end(), [](const http::endpoint& e) { return e.tls; });
  if (secure || !made.files.ca_file.empty() || !made.files.certificate_file.empty()) {
    if (auto readable = check(made.files); !readable) return readable.error();
  }
  if (made.token_server && made.token_server->tls && !made.given.oauth->ca_file.empty()) {
    if (auto readable = check(http::tls_files{.ca_file = made.given.oauth->ca_file}); !readable)
      return readable.error();
  }
  return made;
}

}  // namespace

void check(const client_options& options, const option_problem& refuse) {
  check_addresses(options, refuse);
  check_credentials(options, refuse);
  if (options.certificate_file.empty() != options.key_file.empty())
    refuse("key_file", "a client certificate needs both `certificate_file` and `key_file`");
  if (options.key_file.empty() && !options.key_password.empty())
    refuse("key_password", "the password of a key is set without `key_file`");
  if (options.backoff_first > options.backoff_max)
    refuse("backoff_first", "`backoff_first` is longer than `backoff_max`");
  if (options.connections_max == 0) refuse("connections_max", "`connections_max` must be at least 1");
}

result<void> check_url(std::string_view url) {
  const auto parsed = http::parse_url(url);
  if (!parsed) return parsed.error();
  return {};
}

result<std::unique_ptr<client>> client::create(client_options options) {
  auto usable = checked(std::move(options));
  if (!usable) return usable.error();
  auto made = std::make_unique<http_client>(std::move(*usable));
  if (auto started = made->start(); !started) return started.error();
  return std::unique_ptr<client>(std::move(made));
}

}  // namespace millrace::registry
