#include <algorithm>
#include <exception>
#include <stdexcept>
#include <utility>

#include <millrace/base/assert.h>
#include <millrace/base/exceptions.h>
#include <millrace/engine/options.h>
#include <millrace/simulation/processor_runner.h>
#include <millrace/stream/answer.h>
#include <millrace/stream/must.h>

namespace millrace::simulation {

namespace {

const std::size_t emits_max = engine::engine_options().emits_per_record_max;

emitted_record begun(const stream::emit_request& what, timestamp of_record) {
  const auto text = [](std::optional<bytes_view> bytes) {
    return bytes ? std::optional(std::string(as_text(*bytes))) : std::nullopt;
  };
  emitted_record made{what.to.topic(), text(what.key), std::nullopt};
  if (!what.tombstone) made.value.emplace();
  stream::emit_timestamp at = stream::emit_timestamp::of_record();
  if (what.options != nullptr) {
    for (const stream::emit_header& header : what.options->headers)
      made.headers.emplace_back(header.name, text(header.value));
    made.partition = what.options->partition;
    at = what.options->timestamp.value_or(at);
  }
  made.created = at.resolved(of_record);
  return made;
}

}  // namespace

std::optional<std::string> emitted_record::header(std::string_view name) const {
  std::optional<std::string> found;
  for (const auto& [each, value] : headers) {
    if (each == name) found = value;
  }
  return found;
}

// One record and its run.
struct processor_runner_base::fed final : engine::held_record, stream::execution, runtime::deferred {
  fed(processor_runner_base& runner, std::size_t place, stream::record_ref block, std::string from_topic,
      const void* at, std::shared_ptr<const void> keeps)
      : owner(runner), index(place), topic_text(std::move(from_topic)), kept(std::move(keeps)) {
    block_ = std::move(block);
    value_ = at;
    key_kept = runner.key_value_;
    key_value_ = key_kept.get();
    topic_ = topic_text;
    retain();
  }

  void start(engine::processor_base& with) {
    try {
      task = value_ == nullptr ? with.deleted(engine::deletion(*this), stream::context(*this))
                               : with.run(*this, stream::context(*this));
      if (!task.valid()) throw std::logic_error("process() returned no task");
    } catch (...) {
      thrown = std::current_exception();
      return owner.loop_.defer(*this);
    }
    task.start(owner.loop_, *this);
  }
  [[nodiscard]] stream::outcome take_outcome() {
    try {
      if (thrown != nullptr) std::rethrow_exception(std::exchange(thrown, nullptr));
      return task.take();
    } catch (const stream::early_end& end) {
      return end.how();
    } catch (...) {
      return error_of(errc::processor_threw, describe(std::current_exception()));
    }
  }

  runtime::loop& loop() noexcept override { return owner.loop_; }
  stream::store& database() noexcept override { return owner.store_; }
  [[nodiscard]] const stream::record_block& record() const noexcept override { return block(); }
  [[nodiscard]] std::uint32_t attempt() const noexcept override { return 1; }
  [[nodiscard]] std::int64_t write_time_us() const noexcept override { return written_at_us; }
  [[nodiscard]] nanoseconds put_off_for() const noexcept override { return put_off; }
  byte_buffer* begin_emit(const stream::emit_request& what) override {
    if (emits.size() >= emits_max) {
      emit_failed(error(errc::limit_exceeded, "more than " + std::to_string(emits_max) +
                                                  " emits, the default of engine.emits_per_record_max"));
      return nullptr;
    }
    if (const result<void> allowed = stream::check(what); !allowed) {
      emit_failed(allowed.error());
      return nullptr;
    }
    emitted_record& made = emits.emplace_back(begun(what, record().created()));
    return made.value ? &*made.value : nullptr;
  }
  [[nodiscard]] stream::record_log log() const noexcept override {
    return {&owner.log_, owner.built_.all.front()->name(), topic(), block().from().partition,
            block().offset()};
  }
  void emit_failed(const error& cause) override {
    if (!emit_error) emit_error = cause;
  }
  void answer_ignored(const std::string& name) noexcept override {
    if (ignored == nullptr) ignored = &name;
  }
  void run() override { owner.ended(*this); }
  void recycle() noexcept override {}

  processor_runner_base& owner;
  std::size_t index;
  std::string topic_text;
  std::shared_ptr<const void> kept;
  std::shared_ptr<const void> key_kept;
  runtime::task<stream::outcome> task;
  std::exception_ptr thrown;  // before there was a task
  std::deque<emitted_record> emits;
  std::optional<error> emit_error;
  const std::string* ignored = nullptr;  // whose answer, by the processor
  std::int64_t written_at_us = 0;
  nanoseconds put_off{0};
};

processor_runner_base::processor_runner_base(const engine::processor_factory& factory) {
  result<engine::processors> built = engine::build({factory});
  if (!built) invariant_broken(built.error().message().c_str());
  built_ = std::move(*built);
  metrics::shard& cells = counts_.add_shard();
  for (statements::metric_declaration* each : built_.declared.metrics) each->bind(cells);
  services_.bind(built_.declared);
}

const engine::value_format* processor_runner_base::key_type() const noexcept {
  const std::vector<const engine::input_base*>& inputs = built_.inputs.front();
  return inputs.empty() ? nullptr : inputs.front()->key_type();
}

processor_runner_base::~processor_runner_base() {
  invariant(at_work_.empty(), "every record has ended before its runner does: advance the clock");
}

result<void> processor_runner_base::prepare() {
  for (statements::statement_declaration* statement : built_.declared.statements) {
    const result<void> prepared = store_.prepare(*statement);
    if (!prepared) return prepared.error();
  }
  for (statements::lookup_declaration* lookup : built_.declared.lookups) {
    if (auto opened = lookup->open(room_, lookup->declared()); !opened) return opened;
  }
  if (auto connected = statements::connect(built_.declared, board_); !connected) return connected;
  if (auto primed = store_.check_primed(); !primed) return primed;
  prepared_ = true;
  return {};
}

void processor_runner_base::advance(nanoseconds by) {
  const instant end = time_.now() + by;
  loop_.run_pending();
  while (const auto next = loop_.next_deadline()) {
    if (*next > end) break;
    time_.advance_to(*next);
    loop_.run_pending();
  }
  time_.advance_to(end);
  loop_.run_pending();
}

stream::record_ref processor_runner_base::make_block(const record_origin& from,
                                                     std::optional<bytes_view> value) {
  std::vector<stream::header_view> headers;
  headers.reserve(from.headers.size());
  for (const auto& [name, text] : from.headers) headers.push_back({name, as_bytes(text)});
  stream::record_view view;
  view.from = {0, from.partition};
  view.offset = from.offset.value_or(next_offset_);
  next_offset_ = view.offset + 1;
  view.created = from.created.value_or(std::chrono::time_point_cast<milliseconds>(time_.wall()));
  if (from.key) view.key = as_bytes(*from.key);
  view.value = value;
  view.headers = headers;
  return blocks_.copy(view);
}

result<void> processor_runner_base::feed_bytes(std::string_view writer_schema, bytes_view body,
                                               record_origin from) {
  const engine::value_format& format = built_.all.front()->read_format();
  const auto plan = format.compile({std::string(writer_schema), {}});
  if (!plan) return plan.error();
  stream::record_ref block = make_block(from, body);
  struct decoded {
    std::shared_ptr<const engine::value_plan> plan;
    std::unique_ptr<engine::value_slot> slot;
  };
  auto kept = std::make_shared<decoded>(decoded{*plan, format.make_slot()});
  const result<std::size_t> consumed = kept->slot->decode(**plan, *block->value());
  if (!consumed) return consumed.error();
  if (*consumed != body.size()) return error(errc::trailing_bytes, "bytes follow the value");
  const void* value = kept->slot->value();
  feed_value(value, std::move(kept), std::move(from), std::move(block));
  return {};
}

void processor_runner_base::feed_tombstone(record_origin from) {
  stream::record_ref block = make_block(from, std::nullopt);
  feed_value(nullptr, nullptr, std::move(from), std::move(block));
}

void processor_runner_base::feed_value(const void* value, std::shared_ptr<const void> owner,
                                       record_origin from, stream::record_ref block) {
  const result<void> usable = prepared_ ? store_.check_primed() : prepare();
  if (!usable) invariant_broken(usable.error().message().c_str());
  outcomes_.emplace_back();
  at_work_.push_back(std::make_unique<fed>(*this, outcomes_.size() - 1, std::move(block),
                                           std::move(from.topic), value, std::move(owner)));
  fed& made = *at_work_.back();
  const stream::record_block& block_of_it = made.record();
  made.written_at_us = writes_[block_of_it.from().partition].next(block_of_it.created(),
                                                                  time_.wall().time_since_epoch().count());
  made.put_off = from.put_off_for;
  made.start(*built_.all.front());
  loop_.run_pending();
}

statements::lookup_statistics processor_runner_base::lookups(std::string_view name) const {
  const auto found = room_.states.find(name);
  invariant(found != room_.states.end(), "the processor declares a lookup of that name, and was prepared");
  return found->second->statistics();
}

void processor_runner_base::collected_log::write(const stream::log_line& line) {
  logged_line& made = lines.emplace_back(logged_line{line.level, std::string(line.message), {}, line.offset});
  for (const stream::log_field& each : line.fields)
    made.fields.emplace_back(std::string(each.name), stream::text_of(each.value));
}

std::optional<std::string> logged_line::field(std::string_view name) const {
  for (const auto& [known, value] : fields) {
    if (known == name) return value;
  }
  return std::nullopt;
}

const metrics::family& processor_runner_base::declared_metric(std::string_view name) const {
  const metrics::family* const found = declared_.find(name);
  invariant(found != nullptr, "the processor declares a metric of that name");
  return *found;
}

simulated_http& processor_runner_base::http(std::string_view name) {
  invariant(services_.is_declared(name), "the processor declares an http_client of that name");
  return services_.http(name);
}

simulated_blocking& processor_runner_base::blocking(std::string_view name) {
  invariant(services_.is_declared(name), "the processor declares a blocking service of that name");
  return services_.blocking(name);
}

std::uint64_t processor_runner_base::counted(std::string_view name, metrics::label_filter labels) {
  const metrics::family& of = declared_metric(name);
  invariant(of.kind != metrics::kind::gauge, "a gauge has a value, which gauged() returns");
  const metrics::snapshot now = counts_.take_snapshot();
  if (of.kind == metrics::kind::histogram) return now.histogram(name, labels).count();
  return static_cast<std::uint64_t>(now.value(name, labels).value_or(0));
}

double processor_runner_base::gauged(std::string_view name, metrics::label_filter labels) {
  invariant(declared_metric(name).kind == metrics::kind::gauge, "counted() is for counters and histograms");
  return counts_.take_snapshot().value(name, labels).value_or(0);
}

void processor_runner_base::ended(fed& which) {
  stream::outcome outcome = which.take_outcome();
  which.task = {};
  if (which.ignored != nullptr && stream::finishes(outcome.what()))
    outcome = stream::ignored_answer(*which.ignored);
  if (which.emit_error && outcome.what() == stream::outcome::kind::done) outcome = *which.emit_error;
  if (outcome.what() == stream::outcome::kind::done) {
    for (emitted_record& e : which.emits) emitted_.push_back(std::move(e));
  }
  outcomes_[which.index] = std::move(outcome);
  std::erase_if(at_work_, [&which](const auto& each) { return each.get() == &which; });
}

stream::reaction processor_runner_base::classified(const error& cause) const {
  return built_.all.front()->classify(cause);
}

const stream::outcome& processor_runner_base::last() const {
  invariant(!outcomes_.empty() && outcomes_.back().has_value(), "a record was fed and has ended");
  return *outcomes_.back();
}

std::vector<executed_statement> processor_runner_base::executed(std::string_view cql) const {
  const std::string wanted = folded_cql(cql);
  std::vector<executed_statement> found;
  for (const executed_statement& e : store_.executed()) {
    if (e.cql == wanted) found.push_back(e);
  }
  return found;
}

}  // namespace millrace::simulation
