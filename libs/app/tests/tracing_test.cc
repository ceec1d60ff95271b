#include "tracing.h"

#include <array>
#include <thread>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace::app {
namespace {

using namespace std::chrono_literals;
using engine::followed_record;
using nlohmann::json;

constexpr const char* trace = "4bf92f3577b34da6a3ce929d0e0e4736";

followed_record traced() {
  followed_record r;
  r.topic = "navigation";
  r.partition = 3;
  r.offset = 17;
  r.outcome = "done";
  r.taken_us = 1'700'000'000'000'000;
  r.taken_at = {1'000};
  r.ended_at = {6'001'000};
  r.trace_id = trace;
  r.parent_id = "00f067aa0ba902b7";
  r.span_id = "00000000000000aa";
  r.stages.push_back({"process", "visits", 2, {1'001'000}, {5'001'000}, "db_timeout: late"});
  r.statements.push_back({"insert visit", nullptr, {}, {1'001'000}, {3'001'000}, {}});
  return r;
}

// A collector: takes requests, one connection at a time, and answers with `status`.
class collector_double {
 public:
  explicit collector_double(std::string status = "200 OK") : status_(std::move(status)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&at), size), 0);
    EXPECT_EQ(::listen(listener_, 8), 0);
    EXPECT_EQ(::getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size), 0);
    port_ = ntohs(at.sin_port);
  }
  collector_double(const collector_double&) = delete;
  collector_double& operator=(const collector_double&) = delete;
  ~collector_double() { ::close(listener_); }

  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  // The next request, whole.
  std::string take() {
    const int fd = ::accept(listener_, nullptr, nullptr);
    std::string request;
    std::array<char, 4096> part{};
    while (true) {
      const auto end = request.find("\r\n\r\n");
      if (end != std::string::npos) {
        const auto length = request.find("Content-Length: ");
        if (request.size() >= end + 4 + std::stoul(request.substr(length + 16))) break;
      }
      const ssize_t got = ::recv(fd, part.data(), part.size(), 0);
      if (got <= 0) break;
      request.append(part.data(), static_cast<std::size_t>(got));
    }
    const std::string answer = "HTTP/1.1 " + status_ + "\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    EXPECT_EQ(::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL), static_cast<ssize_t>(answer.size()));
    ::close(fd);
    return request;
  }

 private:
  std::string status_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
};

const trace_resource resource{"navigation", "1.0.0", "group"};

json attributes(const json& span) {
  json flat = json::object();
  for (const json& a : span["attributes"]) flat[a["key"].get<std::string>()] = a["value"].begin().value();
  return flat;
}

TEST(Otlp, ARecordIsASpanThatContainsItsStagesAndStatements) {
  const json body = json::parse(otlp_json({traced()}, resource));
  const json& one = body["resourceSpans"][0];
  EXPECT_EQ(one["resource"]["attributes"][0]["value"]["stringValue"], "navigation");
  const json& spans = one["scopeSpans"][0]["spans"];
  ASSERT_EQ(spans.size(), 3U);
  const json& root = spans[0];
  EXPECT_EQ(root["name"], "process navigation");
  EXPECT_EQ(root["kind"], 5);
  EXPECT_EQ(root["traceId"], trace);
  EXPECT_EQ(root["spanId"], "00000000000000aa");
  EXPECT_EQ(root["parentSpanId"], "00f067aa0ba902b7");
  EXPECT_EQ(root["startTimeUnixNano"], "1700000000000000000");
  EXPECT_EQ(root["endTimeUnixNano"], "1700000000006000000");
  EXPECT_EQ(attributes(root)["messaging.kafka.offset"], "17");
  EXPECT_EQ(attributes(root)["messaging.consumer.group.name"], "group");
  EXPECT_EQ(spans[1]["name"], "process visits");
  EXPECT_EQ(spans[1]["status"]["code"], 2);
  EXPECT_EQ(spans[2]["name"], "insert visit");
  EXPECT_EQ(spans[2]["kind"], 3);
  EXPECT_EQ(spans[2]["startTimeUnixNano"], "1700000000001000000");
  for (const json& inner : {spans[1], spans[2]}) {
    EXPECT_EQ(inner["parentSpanId"], "00000000000000aa");
    EXPECT_EQ(inner["spanId"].get<std::string>().size(), 16U);
  }
  EXPECT_NE(spans[1]["spanId"], spans[2]["spanId"]);
}

class Exporter : public testing::Test {
 protected:
  std::unique_ptr<trace_exporter> start(const std::string& endpoint) {
    tracing_settings settings;
    settings.endpoint = endpoint;
    auto made = trace_exporter::start(settings, resource, counts_);
    EXPECT_TRUE(made);
    return std::move(*made);
  }
  double total(std::string_view result) {
    return counts_.take_snapshot().value("millrace_traces_total", {{"result", result}}).value_or(-1);
  }
  metrics::catalogue declared_;
  metrics::registry counts_{declared_};
};

TEST_F(Exporter, SendsSpansToTheCollector) {
  collector_double collector;
  const auto exporter = start(collector.url());
  exporter->add(traced());
  const std::string request = collector.take();
  EXPECT_TRUE(request.starts_with("POST /v1/traces HTTP/1.1\r\n")) << request;
  EXPECT_NE(request.find("Content-Type: application/json"), std::string::npos);
  const json body = json::parse(request.substr(request.find("\r\n\r\n") + 4));
  EXPECT_EQ(body["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"], trace);
  while (total("sent") < 1) std::this_thread::yield();
  EXPECT_EQ(total("dropped"), 0);
}

TEST_F(Exporter, RefusedSpansAreCounted) {
  collector_double collector("503 Service Unavailable");
  const auto exporter = start(collector.url() + "/otlp/v1/traces");
  exporter->add(traced());
  EXPECT_TRUE(collector.take().starts_with("POST /otlp/v1/traces "));
  while (total("dropped") < 1) std::this_thread::yield();
  EXPECT_EQ(total("sent"), 0);
}

TEST_F(Exporter, AnUnreachableCollectorDropsTracesOnly) {
  std::string nowhere;
  {
    nowhere = collector_double().url();
  }
  auto exporter = start(nowhere);
  for (std::size_t i = 0; i < trace_exporter::queued_max + 500; ++i) exporter->add(traced());
  while (total("dropped") < 100) std::this_thread::yield();
}

TEST_F(Exporter, EachRecordIsCountedAsSentOrDroppedAtTheEnd) {
  collector_double collector;
  constexpr std::size_t records = 3 * trace_exporter::batch_max + 7;
  auto exporter = start(collector.url());
  for (std::size_t i = 0; i < records; ++i) exporter->add(traced());
  const trace_exporter::totals counted = exporter->stop();
  EXPECT_EQ(counted.sent + counted.dropped, records);
}

TEST_F(Exporter, TheEndpointIsAUrl) {
  for (const char* wrong : {"collector:4318", "ftp://collector", "http://", "http://:4318"}) {
    tracing_settings settings;
    settings.endpoint = wrong;
    EXPECT_FALSE(trace_exporter::start(settings, resource, counts_)) << wrong;
  }
}

class Sampler : public Exporter {
 protected:
  bool follows(std::string_view traceparent) {
    const stream::header_view header{"traceparent", as_bytes(traceparent)};
    stream::record_view view;
    if (!traceparent.empty()) view.headers = {&header, 1};
    record_ = {};
    const stream::record_ref block = blocks_.copy(view);
    return sampler_->follows(*block, record_);
  }
  void sample(double ratio, std::uint32_t per_second = 1'000'000) {
    tracing_settings settings;
    settings.endpoint = collector_.url();
    settings.sample_ratio = ratio;
    settings.records_per_second = per_second;
    exporter_ = start(settings.endpoint);
    sampler_ = std::make_unique<record_sampler>(tap_, exporter_.get(), settings, 42);
  }
  collector_double collector_;
  stream::block_pool blocks_;
  tap tap_{system_clock()};
  std::unique_ptr<trace_exporter> exporter_;
  std::unique_ptr<record_sampler> sampler_;
  followed_record record_;
};

TEST_F(Sampler, FollowsTheSamplingDecisionOfTheProducer) {
  sample(0);
  EXPECT_FALSE(follows(""));
  EXPECT_FALSE(follows("nonsense"));
  EXPECT_FALSE(follows("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"));
  EXPECT_TRUE(follows("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
  EXPECT_EQ(record_.trace_id, trace);
  EXPECT_EQ(record_.parent_id, "00f067aa0ba902b7");
  EXPECT_EQ(record_.span_id.size(), 16U);
}

TEST_F(Sampler, BeginsTracesForTheConfiguredShareOfOtherRecords) {
  sample(0.5);
  int followed = 0;
  for (int i = 0; i < 1'000; ++i) followed += follows("") ? 1 : 0;
  EXPECT_NEAR(followed, 500, 100);
}

TEST_F(Sampler, KeepsTheConfiguredRate) {
  sample(1, 10);
  int followed = 0;
  for (int i = 0; i < 10'000; ++i) followed += follows("") ? 1 : 0;
  EXPECT_LE(followed, 10 * 60);
}

}  // namespace
}  // namespace millrace::app
