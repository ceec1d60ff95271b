#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include <arpa/inet.h>
#include <netdb.h>

#include <millrace/http/name_resolver.h>

namespace millrace::http {
namespace {

name_resolver::addresses addresses_of(const std::string& host) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  if (const int failed = ::getaddrinfo(host.c_str(), nullptr, &wanted, &found); failed != 0) {
    return error(errc::service_unavailable,
                 "the name '" + host + "' cannot be resolved: " + ::gai_strerror(failed));
  }
  std::vector<std::string> all;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    char text[INET6_ADDRSTRLEN + 1] = {};
    if (::getnameinfo(each->ai_addr, each->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0)
      all.emplace_back(text);
  }
  ::freeaddrinfo(found);
  if (all.empty()) return error(errc::service_unavailable, "the name '" + host + "' has no address");
  return all;
}

}  // namespace

// Shared with the thread, which may outlive the resolver: a name server that does not answer holds it up.
struct name_resolver::state {
  struct question {
    std::string host;
    std::function<void(addresses)> resolved;
  };

  void work() {
    std::unique_lock lock(mutex);
    for (;;) {
      more.wait(lock, [this] { return ended || !questions.empty(); });
      if (ended) return;
      question next = std::move(questions.front());
      questions.pop_front();
      lock.unlock();
      addresses found = addresses_of(next.host);
      lock.lock();
      if (ended) return;
      // Under the lock: after the destructor of the resolver nothing is called.
      next.resolved(std::move(found));
    }
  }

  std::mutex mutex;
  std::condition_variable more;
  std::deque<question> questions;
  bool started = false;
  bool ended = false;
};

name_resolver::name_resolver() : state_(std::make_shared<state>()) {}

name_resolver::~name_resolver() {
  const std::lock_guard lock(state_->mutex);
  state_->ended = true;
  state_->more.notify_all();
}

void name_resolver::resolve(std::string host, std::function<void(addresses)> resolved) {
  std::unique_lock lock(state_->mutex);
  if (state_->questions.size() >= names_max) {
    lock.unlock();
    return resolved(error(errc::limit_exceeded, "too many names wait to be resolved"));
  }
  if (!state_->started) {
    try {
      std::thread([shared = state_] { shared->work(); }).detach();
      state_->started = true;
    } catch (const std::system_error& refused) {
      lock.unlock();
      return resolved(error(errc::service_unavailable,
                            std::string("no thread to resolve names can be started: ") + refused.what()));
    }
  }
  state_->questions.push_back({std::move(host), std::move(resolved)});
  state_->more.notify_one();
}

bool is_ip_address(const std::string& host) noexcept {
  in6_addr either{};
  return ::inet_pton(AF_INET, host.c_str(), &either) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &either) == 1;
}

}  // namespace millrace::http
