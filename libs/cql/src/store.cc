#include "store.h"

#include <algorithm>
#include <cstring>

#include <poll.h>

#include <millrace/base/assert.h>
#include <millrace/cql/row.h>
#include <millrace/runtime/frame_pool.h>

namespace millrace::cql {
namespace {

// Completions taken from the bridge in one call, and handled before the loop gets its turn.
constexpr std::size_t completions_batch = 256;
// An answer of several pages is collected in memory; more than this ends it as incomplete.
constexpr std::size_t answer_bytes_max = 16U << 20U;
// While closing: how long one wait for the I/O thread may take before it is a defect.
constexpr int closing_wait_ms = 10'000;

void* pooled(std::size_t bytes) { return runtime::allocate_frame(bytes); }

// The answer's own memory.
class one_page final : public stream::rows_owner {
 public:
  one_page(owner_handle memory, const millrace_cql_completion& completion) : memory_(std::move(memory)) {
    if (completion.column_count == 0) return;
    columns_ = std::make_unique<std::vector<statements::column>>();
    for (std::size_t k = 0; k < completion.column_count; ++k) {
      columns_->push_back({completion.columns[k].name, completion.columns[k].type});
    }
    columns = *columns_;
  }
  static void* operator new(std::size_t bytes) { return pooled(bytes); }
  static void operator delete(void* block, std::size_t bytes) noexcept { runtime::free_frame(block, bytes); }

 private:
  void destroy() noexcept override { delete this; }
  owner_handle memory_;
  std::unique_ptr<std::vector<statements::column>> columns_;
};

// The answer of a direct connection, copied out of its buffer: one block, the bytes behind the object.
class copied_page final : public stream::rows_owner {
 public:
  [[nodiscard]] static copied_page* make(bytes_view from, bytes_view state) {
    const std::size_t bytes = sizeof(copied_page) + from.size() + state.size();
    return new (pooled(bytes)) copied_page(bytes, from, state);
  }

 private:
  copied_page(std::size_t bytes, bytes_view from, bytes_view state) noexcept : bytes_(bytes) {
    auto* behind = reinterpret_cast<std::byte*>(this + 1);
    if (!from.empty()) std::memcpy(behind, from.data(), from.size());
    if (!state.empty()) std::memcpy(behind + from.size(), state.data(), state.size());
    cells = {behind, from.size()};
    paging_state = {behind + from.size(), state.size()};
  }
  ~copied_page() = default;
  void destroy() noexcept override {
    const std::size_t bytes = bytes_;
    this->~copied_page();
    runtime::free_frame(this, bytes);
  }
  std::size_t bytes_;
};

class joined_pages final : public stream::rows_owner {
 public:
  explicit joined_pages(byte_buffer bytes) noexcept : bytes_(std::move(bytes)) { cells = bytes_; }

 private:
  void destroy() noexcept override { delete this; }
  byte_buffer bytes_;
};

// The cells of the partition key, each with its length. False when they are not all known.
bool partition_of(const prepared_statement& of, bytes_view cells, byte_buffer& key) {
  key.clear();
  if (of.partition_key.empty()) return false;
  for (const std::uint16_t index : of.partition_key) {
    cell_reader reader(cells);
    std::optional<bytes_view> cell;
    bytes_view before;
    for (std::size_t k = 0; k <= index; ++k) {
      before = reader.rest();
      if (!reader.next(cell)) return false;
    }
    if (!cell) return false;
    const bytes_view whole = before.first(before.size() - reader.rest().size());
    key.insert(key.end(), whole.begin(), whole.end());
  }
  return true;
}

bytes_view cells_of(const millrace_cql_completion& completion) {
  return {reinterpret_cast<const std::byte*>(completion.cells), completion.cells_size};
}

std::uint64_t tag_of(std::uint32_t place, std::uint32_t generation) {
  return std::uint64_t{generation} << 32U | place;
}

}  // namespace

result<std::unique_ptr<stream::store>> channel_store::open(runtime::loop& worker, channel_handle channel,
                                                           store_options options, prepared_cache& statements,
                                                           const session_settings& settings,
                                                           std::shared_ptr<direct_counters> direct_counts,
                                                           metrics::shard* counts) {
  std::unique_ptr<channel_store> made(new channel_store(worker, std::move(channel), std::move(options),
                                                        statements, settings, std::move(direct_counts),
                                                        counts));
  channel_store* self = made.get();
  const int fd = millrace_cql_channel_event_fd(self->channel_.get());
  if (auto watched = worker.watch(fd, [self] { self->on_completions(); }); !watched) return watched.error();
  worker.add_step(runtime::phase::submit, *self);
  self->on_completions();  // arms the channel
  return std::unique_ptr<stream::store>(std::move(made));
}

channel_store::channel_store(runtime::loop& worker, channel_handle channel, store_options options,
                             prepared_cache& statements, const session_settings& settings,
                             std::shared_ptr<direct_counters> direct_counts, metrics::shard* counts)
    : loop_(worker),
      channel_(std::move(channel)),
      options_(std::move(options)),
      cache_(statements),
      settings_(settings),
      direct_counts_(std::move(direct_counts)),
      counts_(counts),
      metrics_(counts) {
  completions_.resize(completions_batch);
  if (settings_.direct) {
    direct_plane::requester& self = *this;
    plane_ = std::make_unique<direct_plane>(loop_, self, channel_.get(), *settings_.direct,
                                            options_.in_flight_max, *direct_counts_, counts_);
  }
}

channel_store::~channel_store() {
  cancel_everything();
  plane_.reset();
  loop_.unwatch(millrace_cql_channel_event_fd(channel_.get()));
  loop_.remove_step(*this);
}

result<void> channel_store::prepare(statements::statement_declaration& declaration) {
  const std::string where = "statement '" + declaration.name() + "'";
  auto prepared = cache_.prepare(declaration.cql(), declaration.options());
  if (!prepared) return prepared.error().in(where);
  if (auto fits = declaration.check((*prepared)->parameters, (*prepared)->columns); !fits) return fits;
  const statements::statement_options& options = declaration.options();
  const milliseconds timeout = options.timeout.value_or(settings_.request_timeout);
  // What the driver does and a plain execution does not.
  const bool plain = !options.trace && !(settings_.speculative && options.idempotent);
  declaration.prepared_as(static_cast<std::uint32_t>(statements_.size()));
  statements_.push_back(
      {.name = declaration.name(),
       .prepared = std::move(*prepared),
       .timeout_ms = static_cast<std::uint32_t>(std::clamp<std::int64_t>(timeout.count(), 1, INT32_MAX)),
       .consistency = consistency_number(options.consistency).value_or(settings_.consistency),
       .page_rows = static_cast<std::int32_t>(std::min<std::uint32_t>(options.page_rows, INT32_MAX)),
       .direct = plain,
       .meters = statement_metrics(counts_, declaration.name())});
  metrics_.prepared(statements_.size());
  if (plane_) plane_->wait_for_connections();
  return {};
}

result<void> channel_store::check_batch(const stream::store_request& request) const {
  byte_buffer first;
  byte_buffer key;
  for (const stream::store_request::part& part : request.batch) {
    invariant(part.statement->id() < statements_.size(), "a statement is prepared before it is used");
    const statement& what = statements_[part.statement->id()];
    const auto refused = [&](std::string_view why) {
      return error(errc::db_invalid, "a batch with statement '" + what.name + "': " + std::string(why));
    };
    if (!partition_of(*what.prepared, part.cells, key)) {
      return refused("every part of the partition key must be a parameter with a value");
    }
    if (&part == &request.batch.front())
      first = key;
    else if (key != first)
      return refused("its partition is not that of the first statement");
  }
  return {};
}

void channel_store::submit(stream::store_request& request) {
  invariant(request.statement->id() < statements_.size(), "a statement is prepared before it is used");
  ++in_flight_;
  waiting_.push_back({&request, loop_.time().now()});
}

bool channel_store::on_turn() {
  if (more_completions_) on_completions();
  if (plane_) plane_->begin_turn();
  hand_over();
  if (plane_) plane_->flush();
  metrics_.in_flight(in_flight_);
  return more_completions_ || !batch_.empty() || !next_pages_.empty() || (plane_ && plane_->has_more());
}

std::uint32_t channel_store::take_slot(stream::store_request& request, instant started) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const std::uint32_t place = free_slots_.back();
  free_slots_.pop_back();
  slot& taken = slots_[place];
  taken.request = &request;
  taken.started = started;
  taken.paging_state = request.paging_state;
  return place;
}

millrace_cql_request channel_store::request_for(std::uint32_t place) {
  slot& of = slots_[place];
  const statement& what = statements_[of.request->statement->id()];
  millrace_cql_request request{};
  request.tag = tag_of(place, of.generation);
  request.cells = reinterpret_cast<const std::uint8_t*>(of.request->cells.data());
  request.cells_size = of.request->cells.size();
  request.timestamp_us = of.request->write_timestamp_us.value_or(MILLRACE_CQL_NO_TIMESTAMP);
  request.statement = what.prepared->number;
  if (!of.paging_state.empty()) {
    request.paging_state = reinterpret_cast<const std::uint8_t*>(of.paging_state.data());
    request.paging_state_size = of.paging_state.size();
  }
  of.batch.clear();
  for (const stream::store_request::part& part : of.request->batch) {
    of.batch.push_back({.cells = reinterpret_cast<const std::uint8_t*>(part.cells.data()),
                        .cells_size = part.cells.size(),
                        .statement = statements_[part.statement->id()].prepared->number,
                        .reserved = 0});
  }
  request.batch = of.batch.empty() ? nullptr : of.batch.data();
  request.batch_count = of.batch.size();
  request.timeout_ms = what.timeout_ms;
  return request;
}

void channel_store::dispatch(std::uint32_t place) {
  const slot& of = slots_[place];
  const bool direct = plane_ && of.request->batch.empty() && statements_[of.request->statement->id()].direct;
  if (!direct || !plane_->send(place)) batch_.push_back(request_for(place));
}

void channel_store::hand_over() {
  if (waiting_.empty() && next_pages_.empty() && batch_.empty()) return;
  // A next page keeps its slot, so the slots in use count both.
  asking_.swap(next_pages_);
  for (const std::uint32_t place : asking_) dispatch(place);
  asking_.clear();
  const instant now = loop_.time().now();
  while (!waiting_.empty() && slots_.size() - free_slots_.size() < options_.in_flight_max) {
    const waiting_request next = waiting_.front();
    waiting_.pop_front();
    if (auto belongs = check_batch(*next.request); !belongs) {
      answer(*next.request, nanoseconds(0), belongs.error());
      continue;
    }
    metrics_.handed_over(now - next.since);
    dispatch(take_slot(*next.request, next.since));
  }
  if (batch_.empty()) return;
  const std::size_t accepted = millrace_cql_submit(channel_.get(), batch_.data(), batch_.size());
  invariant(accepted == batch_.size(), "the bridge accepts as many requests as the channel was opened for");
  batch_.clear();
}

void channel_store::on_completions() {
  // A full batch, or what arrived while arming, is left to the turn's step: others get their share of the
  // turn.
  const std::size_t taken = take_completions();
  more_completions_ = taken == completions_batch || millrace_cql_arm(channel_.get()) != 0;
}

std::size_t channel_store::take_completions() {
  const std::size_t count = millrace_cql_poll(channel_.get(), completions_.data(), completions_.size());
  if (count == 0) return 0;
  // One time for all: they are here now, and handling the first ones is not the database's time.
  const instant now = loop_.time().now();
  for (std::size_t k = 0; k < count; ++k) complete(completions_[k], now);
  return count;
}

void channel_store::complete(const millrace_cql_completion& completion, instant now) {
  const auto place = static_cast<std::uint32_t>(completion.tag);
  invariant(place < slots_.size() && slots_[place].request != nullptr &&
                completion.tag == tag_of(place, slots_[place].generation),
            "the bridge completes a request once");
  owner_handle memory(completion.owner);
  slot& of = slots_[place];
  if (completion.status != MILLRACE_CQL_OK) {
    const std::string_view message(completion.message, completion.message_size);
    return fail(place, to_error(completion.status, completion.code, message), now);
  }
  const page last{
      cells_of(completion),
      completion.row_count,
      {reinterpret_cast<const std::byte*>(completion.paging_state), completion.paging_state_size}};
  if (ask_for_next_page(place, last)) {
    of.before = std::move(memory);
    of.paging_state = last.paging_state;
    return;
  }
  if (completion.trace_id != nullptr) report_trace(*of.request->statement, completion.trace_id);
  if (!memory && of.rows == 0) return finish(place, stream::rows_ref(), now);
  const auto first = [&] {
    auto* rows = new one_page(std::move(memory), completion);
    rows->cells = last.cells;
    rows->paging_state = last.paging_state;
    return rows;
  };
  finish(place, rows_of(of, last, first), now);
}

direct_plane::request channel_store::direct_request(std::uint32_t place) {
  const slot& of = slots_[place];
  const statement& what = statements_[of.request->statement->id()];
  return {.statement = what.prepared->number,
          .partition_key = &what.prepared->partition_key,
          .what = {.id = {},
                   .consistency = what.consistency,
                   .value_count = static_cast<std::uint16_t>(what.prepared->parameters.size()),
                   .values = of.request->cells,
                   .page_rows = what.page_rows,
                   .paging_state = of.paging_state,
                   .timestamp_us = of.request->write_timestamp_us},
          .timeout_ms = what.timeout_ms};
}

void channel_store::direct_answer(std::uint32_t place, const wire::answer& with, instant now) {
  slot& of = slots_[place];
  if (!with.is_rows && of.rows == 0) return finish(place, stream::rows_ref(), now);
  const statement& what = statements_[of.request->statement->id()];
  if (with.column_count != what.prepared->columns.size()) {
    return fail(place,
                error(errc::db_type_mismatch, "the answer has " + std::to_string(with.column_count) +
                                                  " columns instead of " +
                                                  std::to_string(what.prepared->columns.size())),
                now);
  }
  const page last{with.cells, with.row_count, with.paging_state};
  if (ask_for_next_page(place, last)) {
    of.paging_state_memory.assign(last.paging_state.begin(), last.paging_state.end());
    of.paging_state = of.paging_state_memory;
    return;
  }
  finish(place, rows_of(of, last, [&] { return copied_page::make(last.cells, last.paging_state); }), now);
}

void channel_store::direct_failure(std::uint32_t place, const error& why, instant now) {
  fail(place, why, now);
}

void channel_store::give_to_driver(std::uint32_t place) { batch_.push_back(request_for(place)); }

void channel_store::fail(std::uint32_t place, const error& why, instant now) {
  const slot& of = slots_[place];
  const std::string where = "statement '" + statements_[of.request->statement->id()].name + "'";
  // Another server, or another version of it, may not know where the pages before ended. The statement is
  // valid: it is sent again with the record's next attempt.
  if (!of.paging_state.empty() && (why.code() == errc::db_protocol || why.code() == errc::db_invalid)) {
    return finish(place, error(errc::db_unavailable, "no further pages: " + why.message()).in(where), now);
  }
  finish(place, why.in(where), now);
}

void channel_store::finish(std::uint32_t place, result<stream::rows_ref> with, instant now) {
  slot& done = slots_[place];
  stream::store_request& request = *done.request;
  const nanoseconds took = now - done.started;
  done.request = nullptr;
  done.rows = 0;
  done.pages = {};
  done.paging_state = {};
  done.before.reset();
  ++done.generation;
  free_slots_.push_back(place);
  answer(request, took, std::move(with));
}

bool channel_store::ask_for_next_page(std::uint32_t place, const page& last) {
  slot& of = slots_[place];
  if (last.paging_state.empty() || closing_) return false;
  if (std::size_t{of.rows} + last.row_count >= of.request->rows_max ||
      of.pages.size() + last.cells.size() >= answer_bytes_max) {
    return false;
  }
  of.pages.insert(of.pages.end(), last.cells.begin(), last.cells.end());
  of.rows += last.row_count;
  ++of.generation;
  next_pages_.push_back(place);
  return true;
}

template <typename MakeFirst>
stream::rows_ref channel_store::rows_of(slot& of, const page& last, MakeFirst first) const {
  stream::rows_owner* rows = nullptr;
  if (of.rows == 0) {
    rows = first();
  } else {
    of.pages.insert(of.pages.end(), last.cells.begin(), last.cells.end());
    rows = new joined_pages(std::move(of.pages));
  }
  rows->row_count = of.rows + last.row_count;
  rows->column_count =
      static_cast<std::uint32_t>(statements_[of.request->statement->id()].prepared->columns.size());
  // The state's memory is the last page's, which joined pages do not keep.
  rows->has_more_pages = !last.paging_state.empty();
  return stream::rows_ref(rows);
}

void channel_store::report_trace(const statements::statement_declaration& of,
                                 const std::uint8_t* trace_id) const {
  if (!options_.on_trace) return;
  uuid trace;
  std::memcpy(trace.bytes.data(), trace_id, trace.bytes.size());
  options_.on_trace(of, trace);
}

void channel_store::answer(stream::store_request& request, nanoseconds took, result<stream::rows_ref> with) {
  --in_flight_;
  statement_metrics& meters = statements_[request.statement->id()].meters;
  if (with)
    meters.succeeded(took);
  else
    meters.failed(with.error().code(), took);
  request.answer.emplace(std::move(with));
  request.on_complete(request);
}

void channel_store::cancel_everything() {
  closing_ = true;
  if (plane_) plane_->close();
  millrace_cql_channel_close(channel_.get());
  // A submitted request has its slot already: the closed channel answers it. Resumed code may submit again.
  while (in_flight_ > 0) {
    while (!waiting_.empty()) {
      const waiting_request next = waiting_.front();
      waiting_.pop_front();
      const statement& what = statements_[next.request->statement->id()];
      answer(*next.request, loop_.time().now() - next.since,
             error(errc::cancelled, "statement '" + what.name + "': the store is closing"));
    }
    hand_over();
    if (take_completions() > 0 || in_flight_ == 0 || millrace_cql_arm(channel_.get()) != 0) continue;
    pollfd event{.fd = millrace_cql_channel_event_fd(channel_.get()), .events = POLLIN, .revents = 0};
    invariant(::poll(&event, 1, closing_wait_ms) != 0, "a closed channel completes what is in flight");
  }
}

}  // namespace millrace::cql
