#include "contestants.h"

#include <string_view>
#include <unordered_map>

#include <navigation.avsc.h>

#include <millrace/engine/millrace.h>

namespace millrace::bench {
namespace {

using tracking::Navigation;

struct profile {
  std::string_view segment;
  double score = 0;
};
constexpr profile unknown_visitor{"unknown", 0.0};

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
  statement<profile(std::string_view visitor_id)> select_profile_{
      "SELECT segment, score FROM visitor_profile WHERE visitor_id = ?"};
  statement<void(std::string_view visitor_id, timestamp event_time, uuid event_id, std::string_view url,
                 std::string_view segment, double score)>
      insert_visit_{
          "INSERT INTO visit (visitor_id, event_time, event_id, url, segment, score) VALUES (?, ?, ?, ?, ?, "
          "?)"};
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

const engine::application& visit_application() {
  static const engine::application all{
      .name = "bench", .version = "1.0.0", .processors = {pipeline::make<visit>()}};
  return all;
}

const engine::application& memory_application() {
  static const engine::application all{
      .name = "bench", .version = "1.0.0", .processors = {pipeline::make<visit_in_memory>()}};
  return all;
}

const engine::application& idle_application() {
  static const engine::application all{
      .name = "bench", .version = "1.0.0", .processors = {pipeline::make<idle>()}};
  return all;
}

}  // namespace millrace::bench
