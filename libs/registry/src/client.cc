#include <atomic>
#include <cctype>
#include <condition_variable>
#include <deque>
#include <list>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include <nlohmann/json.hpp>

#include <millrace/registry/client.h>

#include "http.h"

namespace millrace::registry {
namespace {

using nlohmann::json;

constexpr std::size_t queued_ids_max = 10'000;

std::string described(const http_response& response) {
  const json body = json::parse(response.body, nullptr, false);
  std::string text = "HTTP " + std::to_string(response.status);
  if (body.is_object() && body.contains("message") && body["message"].is_string()) {
    text += ": " + body["message"].get<std::string>().substr(0, 300);
  }
  return text;
}

// What a status means; ok for 200.
result<void> judged(const endpoint& server, const http_response& response) {
  if (response.status == 200) return {};
  const std::string text = "schema registry " + server.text() + " answered " + described(response);
  if (response.status == 404) return error(errc::schema_not_found, text);
  if (response.status == 401 || response.status == 403) return error(errc::registry_unauthorized, text);
  if (response.status == 408 || response.status == 429 || response.status >= 500) {
    return error(errc::registry_unavailable, text);
  }
  return error(errc::schema_invalid, text);
}

result<std::string> schema_of(const endpoint& server, const http_response& response) {
  const json body = json::parse(response.body, nullptr, false);
  if (!body.is_object() || !body.contains("schema") || !body["schema"].is_string()) {
    return error(errc::registry_unavailable,
                 "schema registry " + server.text() + " answered without a schema");
  }
  if (const std::string type = body.value("schemaType", std::string("AVRO")); type != "AVRO") {
    return error(errc::unsupported, "the schema is of type " + type + "; only AVRO is supported");
  }
  if (body.contains("ruleSet") && body["ruleSet"].is_object() && body["ruleSet"].contains("encodingRules") &&
      !body["ruleSet"]["encodingRules"].empty()) {
    return error(errc::unsupported,
                 "the schema has encoding rules: its payload is encrypted, which is not supported");
  }
  if (body.contains("references") && !body["references"].empty()) {
    return error(errc::unsupported,
                 "the schema has references to other subjects, which is not supported yet");
  }
  return body["schema"].get<std::string>();
}

class http_client final : public client {
 public:
  http_client(client_options options, std::vector<endpoint> servers)
      : options_(std::move(options)), servers_(std::move(servers)), thread_([this] { serve(); }) {
    if (!options_.user.empty()) authorization_ = "Basic " + base64(options_.user + ":" + options_.password);
  }

  http_client(const http_client&) = delete;
  http_client& operator=(const http_client&) = delete;
  ~http_client() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
    for (auto& [id, waiting] : waiting_) {
      for (auto& done : waiting) done(error(errc::cancelled, "the registry client was shut down"));
    }
  }

  void fetch(std::int32_t id, on_schema done) override {
    schema_text known;
    {
      const std::lock_guard lock(mutex_);
      if (const auto found = cache_.find(id); found != cache_.end()) {
        ++stats_.hits;
        recent_.splice(recent_.begin(), recent_, found->second.place);
        known = found->second.text;
      } else if (const auto gone = missing_.find(id);
                 gone != missing_.end() && system_clock().now() < gone->second.until) {
        error remembered = gone->second.failure;
        ++stats_.hits;
        waiting_now_.push_back({std::move(done), std::move(remembered)});
        wake_.notify_one();
        return;
      } else {
        ++stats_.misses;
        auto& waiting = waiting_[id];
        waiting.push_back(std::move(done));
        if (waiting.size() == 1) {
          invariant(queue_.size() < queued_ids_max, "the number of schema ids being looked up is bounded");
          queue_.push_back(id);
          wake_.notify_one();
        }
        return;
      }
    }
    done(std::move(known));
  }

  result<std::int32_t> register_schema(std::string_view subject, std::string_view text) override {
    const http_request request{"POST", "/subjects/" + escaped(subject) + "/versions",
                               json{{"schema", text}}.dump(), authorization_};
    const endpoint* answered = nullptr;
    const auto response = call(request, answered);
    if (!response) return response.error();
    if (auto good = judged(*answered, *response); !good)
      return good.error().in("subject '" + std::string(subject) + "'");
    const json body = json::parse(response->body, nullptr, false);
    if (!body.is_object() || !body.contains("id") || !body["id"].is_number_integer()) {
      return error(errc::registry_unavailable,
                   "schema registry " + answered->text() + " answered without an id");
    }
    return body["id"].get<std::int32_t>();
  }

  result<void> check() override {
    const endpoint* answered = nullptr;
    const auto response = call({"GET", "/subjects", "", authorization_}, answered);
    if (!response) return response.error();
    return judged(*answered, *response);
  }

  statistics stats() const override {
    const std::lock_guard lock(mutex_);
    statistics copy = stats_;
    copy.entries = cache_.size();
    return copy;
  }

 private:
  struct cached {
    schema_text text;
    std::list<std::int32_t>::iterator place;
  };
  struct absent {
    error failure;
    instant until;
  };
  struct answer_now {
    on_schema done;
    error failure;
  };

  static std::string escaped(std::string_view segment) {
    constexpr std::string_view hex = "0123456789ABCDEF";
    std::string text;
    for (const char c : segment) {
      const auto byte = static_cast<unsigned char>(c);
      if (std::isalnum(byte) != 0 || c == '-' || c == '_' || c == '.' || c == '~') {
        text.push_back(c);
      } else {
        text.push_back('%');
        text.push_back(hex[byte >> 4U]);
        text.push_back(hex[byte & 15U]);
      }
    }
    return text;
  }

  // Tries every URL once, the one that answered last first.
  result<http_response> call(const http_request& request, const endpoint*& answered) {
    error last(errc::registry_unavailable, "no registry URL is configured");
    const std::size_t first = preferred_.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      const std::size_t index = (first + i) % servers_.size();
      answered = &servers_[index];
      auto response =
          exchange(*answered, options_.ca_file, request, {options_.timeout, options_.response_bytes_max});
      count_request(!response || response->status >= 500);
      if (!response) {
        last = response.error();
        continue;
      }
      if (response->status == 408 || response->status == 429 || response->status >= 500) {
        last = judged(*answered, *response).error();
        continue;
      }
      preferred_.store(index, std::memory_order_relaxed);
      return response;
    }
    return last;
  }

  void count_request(bool failed) {
    const std::lock_guard lock(mutex_);
    ++stats_.requests;
    if (failed) ++stats_.failures;
  }

  result<schema_text> look_up(std::int32_t id) {
    const endpoint* answered = nullptr;
    const auto response = call({"GET", "/schemas/ids/" + std::to_string(id), "", authorization_}, answered);
    const std::string place = "schema id " + std::to_string(id);
    if (!response) return response.error().in(place);
    if (auto good = judged(*answered, *response); !good) return good.error().in(place);
    auto text = schema_of(*answered, *response);
    if (!text) return text.error().in(place);
    return std::make_shared<const std::string>(std::move(*text));
  }

  void serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty() || !waiting_now_.empty(); });
      if (stopping_) return;
      std::vector<answer_now> now = std::exchange(waiting_now_, {});
      if (!now.empty()) {
        lock.unlock();
        for (auto& a : now) a.done(std::move(a.failure));
        lock.lock();
        continue;
      }
      const std::int32_t id = queue_.front();
      queue_.pop_front();
      lock.unlock();
      result<schema_text> found = look_up(id);
      lock.lock();
      remember(id, found);
      auto node = waiting_.extract(id);
      lock.unlock();
      for (auto& done : node.mapped()) done(found);
      lock.lock();
    }
  }

  void remember(std::int32_t id, const result<schema_text>& found) {
    if (found) {
      recent_.push_front(id);
      cache_[id] = {*found, recent_.begin()};
      missing_.erase(id);
      if (cache_.size() > options_.cached_ids_max) {
        cache_.erase(recent_.back());
        recent_.pop_back();
      }
    } else if (found.error().code() == errc::schema_not_found) {
      if (missing_.size() >= options_.cached_ids_max) missing_.clear();
      missing_.insert_or_assign(id, absent{found.error(), system_clock().now() + options_.not_found_ttl});
    }
  }

  const client_options options_;
  const std::vector<endpoint> servers_;
  std::string authorization_;
  std::atomic<std::size_t> preferred_{0};

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::deque<std::int32_t> queue_;
  std::unordered_map<std::int32_t, std::vector<on_schema>> waiting_;
  std::vector<answer_now> waiting_now_;
  std::unordered_map<std::int32_t, cached> cache_;
  std::list<std::int32_t> recent_;
  std::unordered_map<std::int32_t, absent> missing_;
  statistics stats_;
  std::thread thread_;  // last: started when everything above exists
};

}  // namespace

result<std::unique_ptr<client>> client::create(client_options options) {
  if (options.urls.empty()) return error(errc::config_invalid, "no registry URL is configured");
  std::vector<endpoint> servers;
  for (const std::string& url : options.urls) {
    auto parsed = parse_url(url);
    if (!parsed) return parsed.error();
    servers.push_back(std::move(*parsed));
  }
  return std::unique_ptr<client>(std::make_unique<http_client>(std::move(options), std::move(servers)));
}

}  // namespace millrace::registry
