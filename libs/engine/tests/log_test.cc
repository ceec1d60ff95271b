// Log lines of processors in a running engine.
#include <fixtures/engine_fixture.h>

#include <millrace/runtime/wait.h>

namespace millrace::engine {
namespace {

using namespace std::chrono_literals;

// Keeps "level processor topic/partition@offset message number" of every line.
struct kept_log final : stream::log_sink {
  explicit kept_log(stream::log_level least) : log_sink(least) {}
  void write(const stream::log_line& line) override {
    std::string text(to_string(line.level));
    text.append(" ").append(line.processor).append(" ").append(line.topic);
    text += "/" + std::to_string(line.partition) + "@" + std::to_string(line.offset) + " ";
    text.append(line.message);
    for (const stream::log_field& each : line.fields) text += " " + stream::text_of(each.value);
    lines.push_back(text);
  }
  std::vector<std::string> lines;
};

class logging final : public processor<parcel> {
 public:
  runtime::task<stream::outcome> process(record<parcel> p, stream::context ctx) override {
    ctx.log().debug("seen", {{"number", p->number}});
    co_await runtime::sleep_for(ctx.loop(), 1s);
    ctx.log().info("slept", {{"number", p->number}});
    if (ctx.log().logs(stream::log_level::error)) ctx.log().error("over");
    co_return stream::outcome::done();
  }
};

class processor_log : public record_engine_test {
 protected:
  void start_with_log(stream::log_sink* log_of_processors) {
    result<processors> built = build({make<logging>()});
    ASSERT_TRUE(built) << built.error().to_string();
    source = std::make_unique<simulated_source>(log, loop, source_options);
    retries = std::make_unique<retry_budget>(retry_policy_of_process);
    engine_ =
        std::make_unique<record_engine>(engine_ports{loop, *source, sink, store, schemas, *engine_budget,
                                                     *retries, shard, observer, log_of_processors},
                                        options, std::move(*built));
    engine_->start();
    assign({0, 2});
  }
};

TEST_F(processor_log, ALineHasTheProcessorAndThePlaceOfItsRecord) {
  kept_log lines(stream::log_level::debug);
  start_with_log(&lines);
  produce(2, 7);
  advance(2s);
  EXPECT_EQ(lines.lines,
            (std::vector<std::string>{"debug logging parcels/2@0 seen 7", "info logging parcels/2@0 slept 7",
                                      "error logging parcels/2@0 over"}));
}

TEST_F(processor_log, LinesBelowTheLevelAreNotWritten) {
  kept_log lines(stream::log_level::error);
  start_with_log(&lines);
  produce(0, 7);
  advance(2s);
  EXPECT_EQ(lines.lines, (std::vector<std::string>{"error logging parcels/0@0 over"}));
}

TEST_F(processor_log, AnEngineWithoutALogProcessesAllTheSame) {
  start_with_log(nullptr);
  produce(0, 7);
  advance(2s);
  EXPECT_EQ(engine_->counts().done, 1U);
}

// The record was given up, and process() still runs.
TEST_F(processor_log, AnAbandonedAttemptStillLogsItsRecord) {
  kept_log lines(stream::log_level::info);
  start_with_log(&lines);
  produce(2, 7);
  run();
  lose({2});
  advance(2s);
  EXPECT_EQ(lines.lines.front(), "info logging parcels/2@0 slept 7");
}

}  // namespace
}  // namespace millrace::engine
