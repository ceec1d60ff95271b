// The byte budget: what records hold in memory counts, decoded values and emits included.
#include <array>
#include <vector>

#include <fixtures/engine_fixture.h>

#include <millrace/runtime/wait.h>

namespace millrace::engine {

// A number of cells that one byte of the wire decodes to 24 bytes each.
struct inflated {
  std::vector<std::array<std::byte, 24>> cells;
};

template <>
struct value_traits<inflated> {
  class plan final : public value_plan {};
  class slot final : public value_slot {
   public:
    [[nodiscard]] result<std::size_t> decode(const value_plan&, bytes_view body) override {
      if (body.size() * sizeof(value_.cells[0]) > bytes_max_)
        return error(errc::limit_exceeded, "the decoded value is too large");
      value_.cells.assign(body.size(), {});
      return body.size();
    }
    [[nodiscard]] const void* value() const noexcept override { return &value_; }
    [[nodiscard]] std::size_t bytes_held() const noexcept override {
      return value_.cells.capacity() * sizeof(value_.cells[0]);
    }
    void set_bytes_max(std::size_t bytes_max) override { bytes_max_ = bytes_max; }
    void trim(std::size_t bytes_max) noexcept override {
      value_.cells.clear();
      if (bytes_held() > bytes_max) std::vector<std::array<std::byte, 24>>().swap(value_.cells);
    }

   private:
    inflated value_;
    std::size_t bytes_max_ = SIZE_MAX;
  };
  class inflated_format final : public value_format {
   public:
    [[nodiscard]] std::string_view type_name() const noexcept override { return "inflated"; }
    [[nodiscard]] std::unique_ptr<value_slot> make_slot() const override { return std::make_unique<slot>(); }
    [[nodiscard]] result<std::shared_ptr<const value_plan>> compile(
        const stream::schema_document&) const override {
      return std::shared_ptr<const value_plan>(std::make_shared<plan>());
    }
  };
  [[nodiscard]] static const value_format& format() {
    static const inflated_format instance;
    return instance;
  }
};

namespace {

using namespace std::chrono_literals;

// Keeps every record for a while; counts the memory of all of them.
class keeping final : public processor<inflated> {
 public:
  static inline std::size_t bytes = 0;
  static inline std::size_t bytes_most = 0;

  runtime::task<stream::outcome> process(record<inflated> p, stream::context ctx) override {
    const std::size_t mine = p->cells.size() * sizeof(p->cells[0]);
    bytes += mine;
    bytes_most = std::max(bytes_most, bytes);
    co_await runtime::sleep_for(ctx.loop(), 1s);
    bytes -= mine;
    co_return stream::outcome::done();
  }
};

// Emits as many parcels of 200 bytes as the record's number says.
class flooding final : public processor<parcel> {
 public:
  runtime::task<stream::outcome> process(record<parcel> p, stream::context ctx) override {
    const std::string word(200, 'w');
    for (std::int64_t i = 0; i < p->number; ++i) ctx.emit(sent_, "key", {i, word});
    co_return stream::outcome::done();
  }

 private:
  output<parcel> sent_{"sent"};
};

class memory_test : public record_engine_test {
 protected:
  void produce_inflated(std::int32_t partition, std::size_t wire_bytes) {
    byte_buffer value{std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0}, std::byte{7}};
    value.resize(value.size() + wire_bytes);
    produce_bytes(partition, std::move(value));
  }

  byte_budget small_budget{8U << 20U};
};

TEST_F(memory_test, DecodedValuesCountAgainstTheBudget) {
  engine_budget = &small_budget;
  start_with({make<keeping>()});
  assign({0});
  constexpr std::size_t wire_bytes = 10'000;
  for (int i = 0; i < 400; ++i) produce_inflated(0, wire_bytes);  // 96 MB when decoded
  advance(120s);
  EXPECT_EQ(engine_->counts().done, 400U);
  // The size of the first records is not known before they are decoded.
  constexpr std::size_t first_batch = 32 * wire_bytes * 24;
  EXPECT_LE(keeping::bytes_most, (8U << 20U) + first_batch);
  EXPECT_GT(keeping::bytes_most, 4U << 20U) << "the budget is used";
}

TEST_F(memory_test, AValueOverItsLimitIsADeadLetter) {
  options.decoded_bytes_max = 100'000;
  start_with({make<keeping>()});
  assign({0});
  produce_inflated(0, 10'000);
  produce_inflated(0, 1'000);
  advance(5s);
  EXPECT_EQ(engine_->counts().dead_lettered, 1U);
  EXPECT_EQ(engine_->counts().done, 1U);
  EXPECT_EQ(sink.written_to("dead").front()->header("millrace.dlq.code"), "limit_exceeded");
}

TEST_F(memory_test, EverythingIsGivenBackAndIdleMemoryIsReleased) {
  start_with({make<keeping>()});
  assign({0});
  for (int i = 0; i < 50; ++i) produce_inflated(0, 2'000);
  run();
  EXPECT_GT(engine_->status_now().in_flight_bytes, 50U * 48'000U);
  advance(10s);
  EXPECT_EQ(engine_->counts().done, 50U);
  EXPECT_EQ(engine_->status_now().in_flight_bytes, 0U);
}

TEST_F(memory_test, EmitsCountAgainstTheBudgetUntilTheyAreAcknowledged) {
  hold_sink = true;
  start_with({make<flooding>()});
  assign({0});
  produce(0, 500);
  run();
  EXPECT_GT(engine_->status_now().in_flight_bytes, 500U * 200U);
  hold_sink = false;
  advance(200s);
  EXPECT_EQ(engine_->counts().done, 1U);
  EXPECT_EQ(engine_->status_now().in_flight_bytes, 0U);
}

TEST_F(memory_test, EmitsOverTheLimitMakeTheRecordADeadLetter) {
  options.emit_bytes_per_record_max = 50'000;
  start_with({make<flooding>()});
  assign({0});
  produce(0, 900);
  produce(0, 10);
  advance(5s);
  EXPECT_EQ(engine_->counts().dead_lettered, 1U);
  EXPECT_EQ(engine_->counts().done, 1U);
  EXPECT_EQ(sink.written_to("sent").size(), 10U) << "nothing of a failed attempt is produced";
}

}  // namespace
}  // namespace millrace::engine
