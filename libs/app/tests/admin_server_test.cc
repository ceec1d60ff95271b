#include <future>
#include <stdexcept>
#include <string>

#include <arpa/inet.h>
#include <fixtures/exhausted_descriptors.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <millrace/app/admin_server.h>

namespace millrace::app {
namespace {

std::string exchange(std::uint16_t port, const std::string& request) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  EXPECT_EQ(::send(fd, request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
  std::string answer;
  char part[1024];
  for (ssize_t got = 0; (got = ::recv(fd, part, sizeof part, 0)) > 0;)
    answer.append(part, static_cast<std::size_t>(got));
  ::close(fd);
  return answer;
}

admin_page echo(std::string_view path) {
  return {path == "/known" ? 200U : 404U, "text/plain", std::string(path)};
}

TEST(AdminServer, ReturnsTheResponseOfItsHandler) {
  auto server = admin_server::start("127.0.0.1", 0, echo);
  ASSERT_TRUE(server);
  const std::string found = exchange((*server)->port(), "GET /known?q=1 HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(found.starts_with("HTTP/1.1 200")) << found;
  EXPECT_TRUE(found.ends_with("/known"));
  EXPECT_TRUE(exchange((*server)->port(), "GET /x HTTP/1.1\r\nHost: a\r\n\r\n").starts_with("HTTP/1.1 404"));
}

TEST(AdminServer, AnswersHeadWithTheLengthAndNoBody) {
  auto server = admin_server::start("127.0.0.1", 0, echo);
  ASSERT_TRUE(server);
  const std::string head = exchange((*server)->port(), "HEAD /known HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(head.starts_with("HTTP/1.1 200")) << head;
  EXPECT_NE(head.find("Content-Length: 6"), std::string::npos) << head;
  EXPECT_TRUE(head.ends_with("\r\n\r\n")) << head;
}

TEST(AdminServer, RefusesPostOutsideOperatorCommands) {
  auto server = admin_server::start("127.0.0.1", 0, echo);
  ASSERT_TRUE(server);
  EXPECT_TRUE(exchange((*server)->port(), "POST /known HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
                  .starts_with("HTTP/1.1 405"));
}

TEST(AdminServer, PassesOperatorCommandsOnWithTheirAuthorization) {
  auto server = admin_server::start("127.0.0.1", 0, echo, [](const admin_request& order) {
    admin_page page{401, "text/plain", std::string(order.path) + " by " + std::string(order.authorization)};
    page.asks_for_token = true;
    return page;
  });
  ASSERT_TRUE(server);
  const std::string answer =
      exchange((*server)->port(),
               "POST /do/it?q=1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer t\r\nContent-Length: 0\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 401")) << answer;
  EXPECT_TRUE(answer.ends_with("/do/it by Bearer t")) << answer;
  EXPECT_NE(answer.find("WWW-Authenticate: Bearer"), std::string::npos) << answer;
  EXPECT_TRUE(exchange((*server)->port(), "PUT /do/it HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
                  .starts_with("HTTP/1.1 405"));
}

TEST(AdminServer, PagesAreServedWhileAnActionRuns) {
  std::promise<void> entered;
  std::promise<void> may_end;
  auto server = admin_server::start("127.0.0.1", 0, echo, [&](const admin_request&) {
    entered.set_value();
    may_end.get_future().wait();
    return admin_page{};
  });
  ASSERT_TRUE(server);
  const std::uint16_t port = (*server)->port();
  auto action = std::async(std::launch::async, [port] {
    return exchange(port, "POST /tap HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  });
  entered.get_future().wait();
  EXPECT_TRUE(exchange(port, "GET /known HTTP/1.1\r\nHost: a\r\n\r\n").starts_with("HTTP/1.1 200"));
  may_end.set_value();
  EXPECT_TRUE(action.get().starts_with("HTTP/1.1 200"));
}

TEST(AdminServer, AnExceptionOfAHandlerEndsItsConnectionOnly) {
  const auto throws = [](auto&&...) -> admin_page { throw std::runtime_error("out of descriptors"); };
  auto server = admin_server::start(
      "127.0.0.1", 0, [&](std::string_view path) { return path == "/known" ? echo(path) : throws(); },
      throws);
  ASSERT_TRUE(server);
  const std::uint16_t port = (*server)->port();
  EXPECT_EQ(exchange(port, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"), "");
  EXPECT_EQ(exchange(port, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"), "");
  EXPECT_TRUE(exchange(port, "GET /known HTTP/1.1\r\nHost: a\r\n\r\n").starts_with("HTTP/1.1 200"));
}

TEST(AdminServer, WithoutDescriptorsTheStartIsAnError) {
  if (!fixtures::may_exhaust_descriptors) GTEST_SKIP() << "the sanitizers need descriptors";
  const fixtures::exhausted_descriptors none;
  const auto server = admin_server::start("127.0.0.1", 0, echo);
  ASSERT_FALSE(server);
  EXPECT_EQ(server.error().code(), errc::io_error);
}

TEST(AdminServer, APortInUseIsAnErrorThatNamesIt) {
  auto first = admin_server::start("127.0.0.1", 0, echo);
  ASSERT_TRUE(first);
  const auto second = admin_server::start("127.0.0.1", (*first)->port(), echo);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), errc::address_in_use);
  EXPECT_NE(second.error().message().find(std::to_string((*first)->port())), std::string::npos);
}

TEST(AdminServer, AHostNameIsNotAnAddress) {
  const auto server = admin_server::start("not-an-ip", 0, echo);
  ASSERT_FALSE(server);
  EXPECT_EQ(server.error().code(), errc::config_invalid);
}

}  // namespace
}  // namespace millrace::app
