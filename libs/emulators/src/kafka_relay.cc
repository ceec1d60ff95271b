#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <millrace/base/assert.h>
#include <millrace/base/file_descriptor.h>
#include <millrace/emulators/kafka_relay.h>

namespace millrace::emulators {
namespace {

constexpr std::size_t read_bytes = std::size_t{64} * 1024;
constexpr std::size_t length_bytes = 4;
constexpr int backlog = 64;
constexpr std::string_view host = "127.0.0.1";

file_descriptor opened(int number) {
  invariant(number >= 0, "the relay gets its sockets");
  return file_descriptor(number);
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return at;
}

std::uint32_t number_at(std::string_view bytes, std::size_t from, std::size_t size) {
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < size; ++i) number = number << 8U | static_cast<unsigned char>(bytes[from + i]);
  return number;
}

// Frames of Kafka's protocol, as they arrive.
class framing {
 public:
  void append(std::string_view bytes) { pending_.append(bytes); }
  // With its length in front; empty when none is complete.
  std::string take() {
    if (pending_.size() < length_bytes) return {};
    const std::size_t size = length_bytes + number_at(pending_, 0, length_bytes);
    if (pending_.size() < size) return {};
    std::string frame = pending_.substr(0, size);
    pending_.erase(0, size);
    return frame;
  }

 private:
  std::string pending_;
};

std::string bytes_of(std::size_t number, std::size_t size) {
  std::string bytes;
  for (std::size_t i = size; i > 0; --i) bytes += static_cast<char>(number >> (8U * (i - 1)) & 0xFFU);
  return bytes;
}

// Requests that only a broker with authentication knows; the mock cluster has none.
constexpr std::uint32_t sasl_handshake = 17;
constexpr std::uint32_t api_versions = 18;
constexpr std::uint32_t sasl_authenticate = 36;
constexpr std::uint32_t authentication_failed = 58;
constexpr std::uint32_t flexible_versions =
    3;  // of api_versions: its answers have another layout from here on
constexpr std::string_view mechanism = "PLAIN";

// The answer to a request: its length, the request's correlation id, the body.
std::string answer_to(std::string_view request, const std::string& body) {
  return bytes_of(length_bytes + body.size(), length_bytes) + std::string(request.substr(8, 4)) + body;
}

// The body of a request: behind length, kind, version, correlation id and the client's id.
std::string_view body_of(std::string_view request) { return request.substr(14 + number_at(request, 12, 2)); }

// "\0user\0password" (RFC 4616).
std::string plain_token(std::string_view user, std::string_view password) {
  return std::string(1, '\0').append(user).append(1, '\0').append(password);
}

// Adds the kinds of authentication to a broker's list: error (2 bytes), count (4), then kind, least and highest
// version (2 each).
void offer_authentication(std::string& answer) {
  constexpr std::size_t count_at = 10;
  if (number_at(answer, 8, 2) != 0) return;
  const std::string added = bytes_of(sasl_handshake, 2) + bytes_of(0, 2) + bytes_of(1, 2) +
                            bytes_of(sasl_authenticate, 2) + bytes_of(0, 2) + bytes_of(0, 2);
  const std::size_t count = number_at(answer, count_at, 4);
  answer.replace(count_at, 4, bytes_of(count + 2, 4) + added);
  answer.replace(0, length_bytes, bytes_of(answer.size() - length_bytes, length_bytes));
}

// False when the peer is gone.
bool send_all(int to, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

struct request_kind {
  std::uint32_t api = 0;
  std::uint32_t version = 0;
};

struct link {
  link(int of_client, int of_broker) : client(opened(of_client)), broker(opened(of_broker)) {}
  file_descriptor client;
  file_descriptor broker;
  framing requests;
  framing answers;
  std::map<std::uint32_t, request_kind> asked;  // by correlation id
  bool guarded = false;                         // must authenticate first
  bool open = true;
};

}  // namespace

class kafka_relay::carrier {
 public:
  explicit carrier(std::uint16_t broker_port)
      : broker_port_(broker_port),
        listener_(opened(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))),
        wake_(opened(::eventfd(0, EFD_CLOEXEC))) {
    sockaddr_in at = loopback(0);
    socklen_t size = sizeof at;
    const bool listening = ::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0 &&
                           ::listen(listener_.get(), backlog) == 0 &&
                           ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&at), &size) == 0;
    invariant(listening, "the relay listens");
    port_ = ntohs(at.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  carrier(const carrier&) = delete;
  carrier& operator=(const carrier&) = delete;
  ~carrier() {
    stop_ = true;
    wake();
    thread_.join();
  }

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  void withhold(kafka_api api, std::size_t requests) {
    const std::lock_guard lock(mutex_);
    to_withhold_[static_cast<std::int16_t>(api)] += requests;
  }
  [[nodiscard]] std::size_t withheld() const {
    const std::lock_guard lock(mutex_);
    return kept_.size();
  }
  void deliver_withheld() {
    const std::lock_guard lock(mutex_);
    for (const auto& [to, answer] : std::exchange(kept_, {})) {
      if (to->open) send_all(to->client.get(), answer);
    }
  }
  void fall_silent() { silent_ = true; }
  void require(const std::string& user, const std::string& password) {
    const std::lock_guard lock(mutex_);
    token_ = plain_token(user, password);
  }
  [[nodiscard]] std::size_t authenticated() const { return authenticated_; }
  [[nodiscard]] std::size_t refused() const { return refused_; }
  void drop_connections() {
    dropping_ = true;
    wake();
  }

 private:
  void wake() const {
    const std::uint64_t one = 1;
    const ssize_t written = ::write(wake_.get(), &one, sizeof one);
    invariant(written == sizeof one, "the relay is woken");
  }

  void run() {
    while (!stop_) {
      std::vector<pollfd> watched{{wake_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
      std::vector<link*> of;
      for (link& each : links_) {
        if (!each.open) continue;
        of.push_back(&each);
        watched.push_back({each.client.get(), POLLIN, 0});
        watched.push_back({each.broker.get(), POLLIN, 0});
      }
      ::poll(watched.data(), watched.size(), -1);
      if (stop_) return;
      if (watched[0].revents != 0) take_wakes();
      const std::lock_guard lock(mutex_);
      if (watched[1].revents != 0) accept();
      if (dropping_.exchange(false)) {
        for (link& each : links_) hang_up(each);
        continue;
      }
      for (std::size_t i = 0; i < of.size(); ++i) {
        if (watched[2 + 2 * i].revents != 0) carry_requests(*of[i]);
        if (of[i]->open && watched[3 + 2 * i].revents != 0) carry_answers(*of[i]);
      }
    }
  }

  void take_wakes() const {
    std::uint64_t wakes = 0;
    const ssize_t got = ::read(wake_.get(), &wakes, sizeof wakes);
    invariant(got == sizeof wakes, "the relay was woken");
  }

  void accept() {
    const int client = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) return;
    link& made = links_.emplace_back(client, ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    made.guarded = token_.has_value();
    const sockaddr_in to = loopback(broker_port_);
    const int yes = 1;
    ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    ::setsockopt(made.broker.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    made.open = ::connect(made.broker.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
    if (!made.open) hang_up(made);
  }

  // The descriptors stay reserved until the end, so that no other connection gets their numbers.
  static void hang_up(link& which) {
    which.open = false;
    ::shutdown(which.client.get(), SHUT_RDWR);
    ::shutdown(which.broker.get(), SHUT_RDWR);
  }

  static bool receive(int from, framing& into) {
    std::string buffer(read_bytes, '\0');
    const ssize_t got = ::recv(from, buffer.data(), buffer.size(), 0);
    if (got <= 0) return false;
    into.append(std::string_view(buffer).substr(0, static_cast<std::size_t>(got)));
    return true;
  }

  void carry_requests(link& on) {
    if (!receive(on.client.get(), on.requests)) return hang_up(on);
    for (std::string frame = on.requests.take(); !frame.empty(); frame = on.requests.take()) {
      if (silent_) continue;
      const request_kind kind{number_at(frame, 4, 2), number_at(frame, 6, 2)};
      if (on.guarded && kind.api != api_versions) {
        if (!authenticate(on, kind, frame)) return hang_up(on);
        continue;
      }
      on.asked[number_at(frame, 8, 4)] = kind;
      if (!send_all(on.broker.get(), frame)) return hang_up(on);
    }
  }

  // What a connection says before it may send anything else. False when it must end.
  bool authenticate(link& on, request_kind kind, std::string_view frame) {
    if (kind.api == sasl_handshake) {
      const std::string offered =
          bytes_of(0, 2) + bytes_of(1, 4) + bytes_of(mechanism.size(), 2) + std::string(mechanism);
      return send_all(on.client.get(), answer_to(frame, offered));
    }
    if (kind.api != sasl_authenticate) return false;
    const std::string_view body = body_of(frame);
    if (body.substr(4, number_at(body, 0, 4)) == *token_) {
      ++authenticated_;
      on.guarded = false;
      // No error, no text, no bytes.
      return send_all(on.client.get(),
                      answer_to(frame, bytes_of(0, 2) + bytes_of(0xFFFF, 2) + bytes_of(0, 4)));
    }
    ++refused_;
    constexpr std::string_view why = "Authentication failed: Invalid username or password";
    send_all(on.client.get(), answer_to(frame, bytes_of(authentication_failed, 2) + bytes_of(why.size(), 2) +
                                                   std::string(why) + bytes_of(0, 4)));
    return false;
  }

  void carry_answers(link& on) {
    if (!receive(on.broker.get(), on.answers)) return hang_up(on);
    for (std::string frame = on.answers.take(); !frame.empty(); frame = on.answers.take()) {
      if (silent_) continue;
      const auto asked = on.asked.find(number_at(frame, 4, 4));
      invariant(asked != on.asked.end(), "an answer follows its request");
      const request_kind kind = asked->second;
      const auto api = static_cast<std::int16_t>(kind.api);
      on.asked.erase(asked);
      if (on.guarded && kind.version < flexible_versions) offer_authentication(frame);
      if (api == static_cast<std::int16_t>(kafka_api::metadata) ||
          api == static_cast<std::int16_t>(kafka_api::find_coordinator)) {
        name_the_relay(frame);
      }
      std::size_t& to_withhold = to_withhold_[api];
      if (to_withhold > 0) {
        --to_withhold;
        kept_.emplace_back(&on, std::move(frame));
      } else if (!send_all(on.client.get(), frame)) {
        return hang_up(on);
      }
    }
  }

  // A broker is named by its host and, right behind it, its port as four bytes.
  void name_the_relay(std::string& frame) const {
    const auto named = [](std::uint16_t port) {
      return std::string(host) + std::string(2, '\0') + static_cast<char>(port >> 8U) +
             static_cast<char>(port & 0xFFU);
    };
    const std::string from = named(broker_port_);
    const std::string to = named(port_);
    for (std::size_t at = frame.find(from); at != std::string::npos; at = frame.find(from, at)) {
      frame.replace(at, from.size(), to);
    }
  }

  const std::uint16_t broker_port_;
  file_descriptor listener_;
  file_descriptor wake_;
  std::uint16_t port_ = 0;
  std::list<link> links_;  // of the thread; `open` under the mutex
  mutable std::mutex mutex_;
  std::map<std::int16_t, std::size_t> to_withhold_;
  std::vector<std::pair<link*, std::string>> kept_;
  std::optional<std::string> token_;  // that new connections must send; none: they need not authenticate
  std::atomic<std::size_t> authenticated_{0};
  std::atomic<std::size_t> refused_{0};
  std::atomic<bool> dropping_{false};
  std::atomic<bool> silent_{false};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

kafka_relay::kafka_relay(const mock_kafka& behind) {
  const std::string servers = behind.bootstrap_servers();
  carrier_ = std::make_unique<carrier>(
      static_cast<std::uint16_t>(std::stoi(servers.substr(servers.rfind(':') + 1))));
}
kafka_relay::~kafka_relay() = default;

std::string kafka_relay::bootstrap_servers() const {
  return std::string(host) + ":" + std::to_string(carrier_->port());
}
void kafka_relay::withhold(kafka_api api, std::size_t requests) { carrier_->withhold(api, requests); }
std::size_t kafka_relay::withheld() const { return carrier_->withheld(); }
void kafka_relay::deliver_withheld() { carrier_->deliver_withheld(); }
void kafka_relay::fall_silent() { carrier_->fall_silent(); }
void kafka_relay::require(const std::string& user, const std::string& password) {
  carrier_->require(user, password);
}
std::size_t kafka_relay::authenticated() const { return carrier_->authenticated(); }
std::size_t kafka_relay::refused() const { return carrier_->refused(); }
void kafka_relay::drop_connections() { carrier_->drop_connections(); }

}  // namespace millrace::emulators
