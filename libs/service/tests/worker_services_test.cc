// Declared services on a real loop: a server in the process, and threads.
#include <fixtures/scripted_server.h>
#include <gtest/gtest.h>

#include <millrace/metrics/registry.h>
#include <millrace/service/blocking.h>
#include <millrace/service/http_client.h>
#include <millrace/service/worker_services.h>

#include "service_fixture.h"

namespace millrace::service {
namespace {

using namespace std::chrono_literals;
using response = stream::answer<http::response>;

constexpr const char* ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

class worker_services_test : public testing::Test {
 protected:
  worker_services_test() {
    const statements::declaration_scope scope(declared_);
    client_ = std::make_unique<http_client>("scales");
    archive_ = std::make_unique<blocking>("archive");
  }
  void use(const http::endpoint& server) {
    http_service options;
    options.name = "scales";
    options.limits.timeout = 30s;
    options.pool.server = server;
    options.pool.connect_timeout = 30s;
    options.headers = {{"X-Key", "k"}};
    shared_ = std::make_unique<process_services>(std::vector<http_service>{options},
                                                 std::vector<blocking_service>{});
    services_ = std::make_unique<worker_services>(*shared_, loop_, &counts_.add_shard(), 1);
    ASSERT_TRUE(services_->bind(declared_));
  }
  template <typename T>
  [[nodiscard]] T finish(begun<T>& call) {
    while (!call.ended()) loop_.run_turn(50ms);
    return call.take();
  }
  [[nodiscard]] response get() {
    begun<response> call(loop_, client_->get(stream::context(run_), "/x"));
    return finish(call);
  }
  [[nodiscard]] std::optional<double> counted(std::string_view metric, metrics::label_filter labels) {
    return counts_.take_snapshot().value(metric, labels);
  }

  runtime::loop loop_{system_clock()};
  metrics::catalogue families_;
  metrics::registry counts_{families_};
  run_of_test run_{loop_};
  statements::declarations declared_;
  std::unique_ptr<http_client> client_;
  std::unique_ptr<blocking> archive_;
  std::unique_ptr<process_services> shared_;
  std::unique_ptr<worker_services> services_;
};

TEST_F(worker_services_test, AnHttpClientCallsItsServerWithItsHeaders) {
  http::scripted_server server({{{ok, ok}}});
  use(server.place());
  for (int i = 0; i < 2; ++i) {
    const response got = get();
    ASSERT_TRUE(got) << got.error().to_string();
    EXPECT_EQ(got->body, "hi");
  }
  EXPECT_NE(server.requests().at(1).find("\r\nX-Key: k\r\n"), std::string::npos);
  EXPECT_EQ(counted("millrace_service_requests_total", {{"dependency", "scales"}}), 2);
}

TEST_F(worker_services_test, FailuresAreCountedByError) {
  http::scripted_server server({{{"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "garbage\r\n\r\n"}}});
  use(server.place());
  EXPECT_EQ(get().error().code(), errc::service_failed);
  const response torn = get();
  ASSERT_FALSE(torn);
  EXPECT_EQ(torn.error().code(), errc::service_protocol);
  EXPECT_TRUE(torn.error().message().starts_with("scales: http://127.0.0.1:")) << torn.error().message();
  EXPECT_EQ(
      counted("millrace_service_failures_total", {{"dependency", "scales"}, {"error", "service_failed"}}), 1);
  EXPECT_EQ(
      counted("millrace_service_failures_total", {{"dependency", "scales"}, {"error", "service_protocol"}}),
      1);
  EXPECT_EQ(counted("millrace_service_in_flight", {{"dependency", "scales"}}), 0);
}

TEST_F(worker_services_test, ACancelledCallClosesItsConnection) {
  http::scripted_server server({{{""}}});
  use(server.place());
  begun<response> call(loop_, client_->get(stream::context(run_), "/x"));
  while (server.requests().empty()) loop_.run_turn(5ms);
  run_.cancel();
  const response got = finish(call);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), errc::cancelled);
}

TEST_F(worker_services_test, ABlockingServiceNeedsNoSettings) {
  http::scripted_server server({});
  use(server.place());
  begun<stream::answer<int>> call(loop_, (*archive_)(stream::context(run_), [] { return 7; }));
  EXPECT_EQ(finish(call).value(), 7);
  EXPECT_EQ(counted("millrace_service_requests_total", {{"dependency", "archive"}}), 1);
  std::string running;
  EXPECT_TRUE(shared_->end_within(30s, running)) << running;
}

}  // namespace
}  // namespace millrace::service
