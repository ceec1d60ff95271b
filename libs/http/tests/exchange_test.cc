// Against a socket with scripted answers. TLS, certificates and proxies: the tests of libs/registry,
// whose double is a whole server.
#include <array>
#include <thread>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <millrace/http/exchange.h>

namespace millrace::http {
namespace {

using namespace std::string_literals;

// Accepts one connection, reads a request up to a given text, answers, and closes.
class one_answer {
 public:
  explicit one_answer(std::string answer, std::string until = "\r\n\r\n")
      : answer_(std::move(answer)), until_(std::move(until)), listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    auto* address = reinterpret_cast<sockaddr*>(&at);
    EXPECT_EQ(::bind(listener_, address, size), 0);
    EXPECT_EQ(::listen(listener_, 1), 0);
    EXPECT_EQ(::getsockname(listener_, address, &size), 0);
    place_.host = "127.0.0.1";
    place_.port = std::to_string(ntohs(at.sin_port));
    thread_ = std::thread([this] { serve(); });
  }
  one_answer(const one_answer&) = delete;
  one_answer& operator=(const one_answer&) = delete;
  ~one_answer() { (void)request(); }

  [[nodiscard]] const endpoint& place() const { return place_; }
  // The request it received; when the connection has ended.
  const std::string& request() {
    if (thread_.joinable()) {
      ::shutdown(listener_, SHUT_RDWR);
      thread_.join();
      ::close(listener_);
    }
    return request_;
  }

 private:
  void serve() {
    const int peer = ::accept(listener_, nullptr, nullptr);
    if (peer < 0) return;
    std::array<char, 1024> part{};
    for (ssize_t got = 1; got > 0 && request_.find(until_) == std::string::npos;) {
      got = ::recv(peer, part.data(), part.size(), 0);
      if (got > 0) request_.append(part.data(), static_cast<std::size_t>(got));
    }
    (void)::send(peer, answer_.data(), answer_.size(), MSG_NOSIGNAL);
    // Without an answer the other side ends it.
    while (answer_.empty() && ::recv(peer, part.data(), part.size(), 0) > 0) {
    }
    ::close(peer);
  }

  const std::string answer_;
  const std::string until_;
  const int listener_;
  endpoint place_;
  std::string request_;
  std::thread thread_;
};

constexpr milliseconds patient{30'000};
constexpr milliseconds impatient{50};

limits ample() {
  limits made{patient, patient, 1'000};
  made.no_answer = errc::registry_unavailable;
  made.body_setting = "answer_bytes_max";
  return made;
}

TEST(exchange_test, sends_the_request_and_returns_the_answer) {
  one_answer server("HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nhi", "body");
  endpoint at = server.place();
  at.path = "/prefix";
  const auto answer = exchange({at}, {"POST", "/x?y=z", "body", {{"X-A", "b"}}}, ample());
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->status, 429U);
  EXPECT_EQ(answer->body, "hi");
  EXPECT_EQ(answer->retry_after, "7");
  const std::string& asked = server.request();
  EXPECT_TRUE(asked.starts_with("POST /prefix/x?y=z HTTP/1.1\r\n")) << asked;
  EXPECT_NE(asked.find("\r\nX-A: b\r\n"), std::string::npos) << asked;
  EXPECT_NE(asked.find("\r\nHost: "s + at.authority() + "\r\n"), std::string::npos) << asked;
  EXPECT_NE(asked.find("\r\nContent-Length: 4\r\n"), std::string::npos) << asked;
}

TEST(exchange_test, an_answer_that_is_too_long_names_the_setting) {
  one_answer server("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + std::string(1'001, 'x'));
  const auto answer = exchange({server.place()}, {"GET", "/"}, ample());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), errc::registry_unavailable);
  EXPECT_NE(answer.error().message().find("more than 1000 bytes (answer_bytes_max)"), std::string::npos)
      << answer.error().message();
}

TEST(exchange_test, a_missing_or_partial_answer_has_the_callers_error_code) {
  one_answer silent("");
  limits brief = ample();
  brief.timeout = impatient;
  const auto none = exchange({silent.place()}, {"GET", "/"}, brief);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), errc::registry_unavailable);
  EXPECT_NE(none.error().message().find("no answer in time"), std::string::npos) << none.error().message();
  one_answer torn("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  const auto half = exchange({torn.place()}, {"GET", "/"}, ample());
  ASSERT_FALSE(half);
  EXPECT_EQ(half.error().code(), errc::registry_unavailable);
}

TEST(body_of_test, returns_the_body_of_a_200) {
  one_answer server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
  const auto body = body_of({server.place()}, {"GET", "/x"}, ample());
  ASSERT_TRUE(body) << body.error().message();
  EXPECT_EQ(*body, "hi");
}

TEST(body_of_test, any_other_status_is_an_error_with_the_first_line_of_the_body) {
  one_answer server("HTTP/1.1 503 Busy\r\nContent-Length: 11\r\n\r\nstill\nbusy\n");
  const auto body = body_of({server.place()}, {"GET", "/x"}, ample());
  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().code(), errc::registry_unavailable);
  EXPECT_EQ(body.error().message(), server.place().text() + ": GET /x: HTTP 503: still");
}

TEST(exchange_test, can_be_abandoned) {
  one_answer silent("");
  const std::atomic<bool> abandoned = true;
  limits within = ample();
  within.abandoned = &abandoned;
  const auto given_up = exchange({silent.place()}, {"GET", "/"}, within);
  ASSERT_FALSE(given_up);
  EXPECT_EQ(given_up.error().code(), errc::cancelled);
}

TEST(tls_files_test, an_unusable_file_is_named) {
  const auto refused = check(tls_files{"/nowhere/ca.pem", "", "", ""});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::tls_error);
  EXPECT_NE(refused.error().message().find("/nowhere/ca.pem"), std::string::npos);
}

}  // namespace
}  // namespace millrace::http
