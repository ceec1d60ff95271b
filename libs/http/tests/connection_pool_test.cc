// The pool against a server in the process, on a loop in real time.
#include <memory>

#include <fixtures/scripted_server.h>
#include <gtest/gtest.h>

#include <millrace/http/connection_pool.h>
#include <millrace/runtime/loop.h>

namespace millrace::http {
namespace {

using namespace std::string_literals;

constexpr milliseconds patient{30'000};
constexpr milliseconds impatient{30};

std::string answer_of(std::string_view body, std::string_view headers = "") {
  return "HTTP/1.1 200 OK\r\n" + std::string(headers) + "Content-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + std::string(body);
}

class connection_pool_test : public testing::Test {
 protected:
  ~connection_pool_test() override { pool_.reset(); }

  void use(const scripted_server& server) { use({.server = server.place()}); }
  void use(pool_options options) {
    if (options.connect_timeout == pool_options{}.connect_timeout) options.connect_timeout = patient;
    pool_ = std::make_unique<connection_pool>(loop_, std::move(options), as_, names_);
  }
  [[nodiscard]] std::unique_ptr<transfer> begin(request what, nanoseconds timeout = patient) {
    auto made = std::make_unique<transfer>();
    made->request = std::move(what);
    made->timeout = timeout;
    made->on_complete = [](transfer&) {};
    pool_->submit(*made);
    return made;
  }
  void finish(const transfer& what) {
    while (!what.answer) loop_.run_turn(milliseconds(50));
  }
  [[nodiscard]] result<response> ask(request what, nanoseconds timeout = patient) {
    const auto made = begin(std::move(what), timeout);
    finish(*made);
    return *made->answer;
  }
  [[nodiscard]] result<response> get(std::string target = "/", nanoseconds timeout = patient) {
    return ask({.method = "GET", .target = std::move(target)}, timeout);
  }
  void expect_error(const result<response>& got, errc code, std::string_view part) {
    ASSERT_FALSE(got) << got->status;
    EXPECT_EQ(got.error().code(), code) << got.error().to_string();
    EXPECT_NE(got.error().message().find(part), std::string::npos) << got.error().message();
  }

  runtime::loop loop_{system_clock()};
  name_resolver names_;
  std::shared_ptr<identity> as_ = std::make_shared<identity>(identity::headers{{"X-Key", "k"}});
  std::unique_ptr<connection_pool> pool_;
};

TEST_F(connection_pool_test, SendsTheRequestWithItsHeadersAndBody) {
  scripted_server server({{{answer_of("hi", "ETag: \"7\"\r\n")}}});
  endpoint at = server.place();
  at.path = "/v1";
  use({.server = at});
  const auto got = ask({"POST", "/x?y=z", "body", {{"Content-Type", "text/plain"}}});
  ASSERT_TRUE(got) << got.error().to_string();
  EXPECT_EQ(got->status, 200U);
  EXPECT_EQ(got->body, "hi");
  ASSERT_NE(got->header("etag"), nullptr);
  EXPECT_EQ(*got->header("etag"), "\"7\"");
  const std::string sent = server.requests().at(0);
  EXPECT_TRUE(sent.starts_with("POST /v1/x?y=z HTTP/1.1\r\nHost: " + at.authority() + "\r\n")) << sent;
  for (const char* part :
       {"\r\nX-Key: k\r\n", "\r\nContent-Type: text/plain\r\n", "\r\nContent-Length: 4\r\n"})
    EXPECT_NE(sent.find(part), std::string::npos) << sent;
  EXPECT_TRUE(sent.ends_with("\r\n\r\nbody")) << sent;
}

TEST_F(connection_pool_test, AConnectionIsKeptForTheNextRequest) {
  scripted_server server({{{answer_of("a"), answer_of("b"), answer_of("c")}}});
  use(server);
  for (const char* expected : {"a", "b", "c"}) EXPECT_EQ(get().value().body, expected);
  EXPECT_EQ(pool_->opened(), 1U);
  EXPECT_EQ(pool_->connections(), 1U);
}

TEST_F(connection_pool_test, RequestsAtTheSameTimeHaveConnectionsOfTheirOwnUpToTheLimit) {
  scripted_server server({{{""}}, {{""}}});
  use({.server = server.place(), .connections_max = 2});
  const auto first = begin({"GET", "/1"});
  const auto second = begin({"GET", "/2"});
  expect_error(get("/3"), errc::service_overloaded, "connections_max");
  EXPECT_EQ(pool_->connections(), 2U);
  pool_->cancel(*first);
  pool_->cancel(*second);
  expect_error(*first->answer, errc::cancelled, "cancelled");
}

TEST_F(connection_pool_test, BodiesMayBeChunkedOrEndWithTheConnection) {
  scripted_server server(
      {{{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n",
         "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"}},
       {{"HTTP/1.1 200 OK\r\n\r\nuntil the end"}, false}});
  use(server);
  EXPECT_EQ(get().value().body, "abcde");
  EXPECT_EQ(get().value().status, 204U);
  EXPECT_EQ(pool_->opened(), 1U);
  const auto other = begin({"GET", "/"});  // the scripted connection has no answer left
  pool_->cancel(*other);
  EXPECT_EQ(get().value().body, "until the end");
  EXPECT_EQ(pool_->connections(), 0U);
}

TEST_F(connection_pool_test, TheAnswerToHeadHasNoBody) {
  scripted_server server({{{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", answer_of("next")}}});
  use(server);
  EXPECT_EQ(ask({"HEAD", "/"}).value().body, "");
  EXPECT_EQ(get().value().body, "next");
}

TEST_F(connection_pool_test, ARedirectIsAnAnswer) {
  scripted_server server({{{"HTTP/1.1 302 Found\r\nLocation: http://other/\r\nContent-Length: 0\r\n\r\n"}}});
  use(server);
  EXPECT_EQ(get().value().status, 302U);
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST_F(connection_pool_test, AConnectionThatEndsInABodyIsAProtocolError) {
  scripted_server server({{{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"}, false}});
  use(server);
  expect_error(get(), errc::service_protocol, "ended early");
}

TEST_F(connection_pool_test, AnIdleConnectionThatTheServerClosesIsNoFailure) {
  scripted_server server({{{answer_of("a")}, false}, {{answer_of("b")}}});
  use(server);
  EXPECT_EQ(get().value().body, "a");
  const auto next = get();
  ASSERT_TRUE(next) << next.error().to_string();
  EXPECT_EQ(next->body, "b");
  EXPECT_EQ(pool_->opened(), 2U);
}

TEST_F(connection_pool_test, ARequestThatMustNotBeRepeatedIsSentOnce) {
  scripted_server server({{{answer_of("a"), ""}, false}, {{answer_of("b")}}});
  use(server);
  EXPECT_EQ(get().value().body, "a");
  transfer once;
  once.request = {"POST", "/"};
  once.timeout = patient;
  once.may_repeat = false;
  once.on_complete = [](transfer&) {};
  pool_->submit(once);
  finish(once);
  expect_error(*once.answer, errc::service_unavailable, server.place().text());
  EXPECT_EQ(pool_->opened(), 1U);
}

TEST_F(connection_pool_test, BytesThatFollowAnAnswerEndTheConnection) {
  scripted_server server(
      {{{answer_of("a") + "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"}}, {{answer_of("b")}}});
  use(server);
  EXPECT_EQ(get().value().body, "a");
  EXPECT_EQ(get().value().body, "b");
  EXPECT_EQ(pool_->opened(), 2U);
}

TEST_F(connection_pool_test, GarbageIsAProtocolError) {
  scripted_server server({{{"SSH-2.0-OpenSSH_9.2\r\n\r\n"}}});
  use(server);
  expect_error(get(), errc::service_protocol, "not HTTP/1.1");
}

TEST_F(connection_pool_test, AHeaderThatDoesNotEndMeetsTheDeadline) {
  scripted_server server({{{"HTTP/1.1 200 OK\r\nX-Slow: a"}}});
  use(server);
  expect_error(get("/", impatient), errc::service_timeout, "no complete answer within 30 ms");
  EXPECT_EQ(pool_->connections(), 0U);
}

TEST_F(connection_pool_test, HeadersAndBodiesHaveLimits) {
  scripted_server server({{{"HTTP/1.1 200 OK\r\nX: " + std::string(5'000, 'x') + "\r\n\r\n"}},
                          {{answer_of(std::string(1'001, 'x'))}},
                          {{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" +
                            std::string(1'001, 'x') + "\r\n0\r\n\r\n"}}});
  use({.server = server.place(), .header_bytes_max = 4'096, .body_bytes_max = 1'000});
  expect_error(get(), errc::service_protocol, "4096 bytes");
  expect_error(get(), errc::limit_exceeded, "more than 1000 bytes (`response_bytes_max`)");
  expect_error(get(), errc::limit_exceeded, "more than 1000 bytes (`response_bytes_max`)");
}

TEST_F(connection_pool_test, AServerThatDoesNotListenIsUnavailable) {
  endpoint nowhere;
  {
    const scripted_server server({});
    nowhere = server.place();
  }
  use({.server = nowhere});
  expect_error(get(), errc::service_unavailable, "Connection refused");
}

TEST_F(connection_pool_test, ANameIsResolvedOnce) {
  scripted_server server({{{answer_of("a"), answer_of("b")}}});
  endpoint at = server.place();
  at.host = "localhost";
  use({.server = at});
  EXPECT_EQ(get().value().body, "a");
  EXPECT_EQ(get().value().body, "b");
}

TEST_F(connection_pool_test, ANameThatDoesNotExistIsUnavailable) {
  use({.server = {.host = "no-such-host.invalid", .port = "80"}});
  const auto got = get();
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), errc::service_unavailable) << got.error().to_string();
}

TEST_F(connection_pool_test, ARequestThatBreaksItsLineIsNotSent) {
  scripted_server server({{{answer_of("a")}}});
  use(server);
  expect_error(get("/a b"), errc::service_rejected, "escaped()");
  expect_error(ask({"GET", "/", "", {{"X", "a\r\nY: b"}}}), errc::service_rejected, "'X'");
  EXPECT_EQ(pool_->opened(), 0U);
}

TEST_F(connection_pool_test, HeadersOfTheServerMayChange) {
  scripted_server server({{{answer_of("a"), answer_of("b")}}});
  use(server);
  EXPECT_EQ(get().value().body, "a");
  EXPECT_TRUE(as_->use({{"X-Key", "renewed"}}));
  EXPECT_FALSE(as_->use({{"X-Key", "renewed"}}));
  EXPECT_EQ(get().value().body, "b");
  EXPECT_NE(server.requests().at(1).find("\r\nX-Key: renewed\r\n"), std::string::npos);
}

TEST_F(connection_pool_test, TheEndOfThePoolCancelsWhatIsAtWork) {
  scripted_server server({{{""}}});
  use(server);
  const auto waits = begin({"GET", "/"});
  pool_.reset();
  ASSERT_TRUE(waits->answer);
  expect_error(*waits->answer, errc::cancelled, "the process ends");
}

}  // namespace
}  // namespace millrace::http
