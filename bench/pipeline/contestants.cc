#include "contestants.h"

#include <string_view>
#include <unordered_map>

#include <navigation.avsc.h>

#include <millrace/app/millrace.h>

namespace millrace::bench {
namespace {

using tracking::Navigation;

struct profile {
  std::string_view segment;
  double score = 0;
};
constexpr profile unknown_visitor{"unknown", 0.0};
constexpr std::string_view select_profile = "SELECT segment, score FROM visitor_profile WHERE visitor_id = ?";
using insert_visit = void(std::string_view visitor_id, timestamp event_time, uuid event_id,
                          std::string_view url, std::string_view segment, double score);
constexpr std::string_view insert_visit_cql =
    "INSERT INTO visit (visitor_id, event_time, event_id, url, segment, score) VALUES (?, ?, ?, ?, ?, ?)";

class visit final : public processor<Navigation> {
 public:
  task<outcome> process(record<Navigation> nav, context ctx) override {
    auto found = co_await select_profile_(ctx, nav->visitor_id);
    if (!found) co_return found.error();
    const profile& visitor = *found ? ***found : unknown_visitor;
    auto written = co_await insert_visit_(ctx, nav->visitor_id, nav->event_time, nav->event_id, nav->page.url,
                                          visitor.segment, visitor.score);
    if (!written) co_return written.error();
    co_return outcome::done();
  }

 private:
  statement<profile(std::string_view visitor_id)> select_profile_{select_profile};
  statement<insert_visit> insert_visit_{insert_visit_cql};
};

class visit_cached final : public processor<Navigation> {
 public:
  task<outcome> process(record<Navigation> nav, context ctx) override {
    auto visitor = co_await profiles_(ctx, nav->visitor_id);
    if (!visitor) co_return visitor.ending();
    auto written = co_await insert_visit_(ctx, nav->visitor_id, nav->event_time, nav->event_id, nav->page.url,
                                          visitor->segment, visitor->score);
    if (!written) co_return written.error();
    co_return outcome::done();
  }

 private:
  lookup<profile(std::string_view visitor_id)> profiles_{"profiles", select_profile, {}, unknown_visitor};
  statement<insert_visit> insert_visit_{insert_visit_cql};
};

class visit_in_memory final : public processor<Navigation> {
 public:
  task<outcome> process(record<Navigation> nav, context /*ctx*/) override {
    const auto found = profiles_.try_emplace(std::string(nav->visitor_id), unknown_visitor).first;
    co_return found->second.score < 0 ? outcome::skipped("impossible") : outcome::done();
  }

 private:
  std::unordered_map<std::string, profile> profiles_;
};

class idle final : public processor<Navigation> {
 public:
  task<outcome> process(record<Navigation> /*nav*/, context /*ctx*/) override { co_return outcome::done(); }
};

}  // namespace

const app::application& visit_application() {
  static const app::application all{
      .name = "bench", .version = "1.0.0", .processors = {engine::make<visit>()}};
  return all;
}

const app::application& cached_application() {
  static const app::application all{
      .name = "bench", .version = "1.0.0", .processors = {engine::make<visit_cached>()}};
  return all;
}

const app::application& memory_application() {
  static const app::application all{
      .name = "bench", .version = "1.0.0", .processors = {engine::make<visit_in_memory>()}};
  return all;
}

const app::application& idle_application() {
  static const app::application all{
      .name = "bench", .version = "1.0.0", .processors = {engine::make<idle>()}};
  return all;
}

}  // namespace millrace::bench
