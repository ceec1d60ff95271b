#include <algorithm>
#include <bit>

#include <millrace/base/assert.h>
#include <millrace/simulation/simulated_store.h>

namespace millrace::simulation {
namespace {

template <typename Unsigned>
byte_buffer big_endian(Unsigned value) {
  byte_buffer bytes(sizeof value);
  for (std::size_t i = 0; i < sizeof value; ++i) {
    bytes[sizeof value - 1 - i] = static_cast<std::byte>(value & 0xFFU);
    value = static_cast<Unsigned>(value >> (sizeof value > 1 ? 8U : 0U));
  }
  return bytes;
}

template <typename Unsigned>
Unsigned from_big_endian(const std::optional<byte_buffer>& bytes) {
  invariant(bytes && bytes->size() == sizeof(Unsigned), "a cell is read as the type it was written as");
  Unsigned value = 0;
  for (const std::byte b : *bytes) value = static_cast<Unsigned>((value << 8U) | static_cast<Unsigned>(b));
  return value;
}

void append_cell(const cell& c, byte_buffer& into) {
  const auto length = c.is_null() ? std::uint32_t{0xFFFFFFFF} : static_cast<std::uint32_t>(c.bytes()->size());
  const byte_buffer prefix = big_endian(length);
  into.insert(into.end(), prefix.begin(), prefix.end());
  if (!c.is_null()) into.insert(into.end(), c.bytes()->begin(), c.bytes()->end());
}

class simulated_rows final : public stream::rows_owner {
 public:
  simulated_rows(const std::vector<row>& rows, std::vector<statements::column> described)
      : columns_(std::move(described)) {
    columns = columns_;
    for (const row& r : rows) {
      for (const cell& c : r) append_cell(c, bytes_);
    }
    cells = bytes_;
    row_count = static_cast<std::uint32_t>(rows.size());
    column_count = rows.empty() ? 0 : static_cast<std::uint32_t>(rows.front().size());
  }

 private:
  void destroy() noexcept override { delete this; }
  byte_buffer bytes_;
  std::vector<statements::column> columns_;
};

}  // namespace

std::string folded_cql(std::string_view cql) {
  std::string text;
  for (const char c : cql) {
    const bool space = c == ' ' || c == '\n' || c == '\t' || c == '\r';
    if (!space) {
      text.push_back(c);
    } else if (!text.empty() && text.back() != ' ') {
      text.push_back(' ');
    }
  }
  if (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

cell::cell(std::string_view text) : bytes_(byte_buffer(as_bytes(text).begin(), as_bytes(text).end())) {}
cell::cell(std::int64_t bigint) : bytes_(big_endian(static_cast<std::uint64_t>(bigint))) {}
cell::cell(std::int32_t number) : bytes_(big_endian(static_cast<std::uint32_t>(number))) {}
cell::cell(double number) : bytes_(big_endian(std::bit_cast<std::uint64_t>(number))) {}
cell::cell(bool yes) : bytes_(byte_buffer(1, yes ? std::byte{1} : std::byte{0})) {}

std::string cell::text() const {
  invariant(bytes_.has_value(), "a null cell has no text");
  return std::string(as_text(*bytes_));
}
std::int64_t cell::bigint() const {
  return static_cast<std::int64_t>(from_big_endian<std::uint64_t>(bytes_));
}
std::int32_t cell::int32() const { return static_cast<std::int32_t>(from_big_endian<std::uint32_t>(bytes_)); }
double cell::float64() const { return std::bit_cast<double>(from_big_endian<std::uint64_t>(bytes_)); }

std::vector<cell> split_cells(bytes_view cells) {
  std::vector<cell> all;
  while (!cells.empty()) {
    invariant(cells.size() >= 4, "cells are in wire form");
    std::uint32_t raw = 0;
    for (std::size_t i = 0; i < 4; ++i) raw = (raw << 8U) | static_cast<std::uint32_t>(cells[i]);
    cells = cells.subspan(4);
    const auto length = static_cast<std::int32_t>(raw);
    if (length < 0) {
      all.emplace_back(std::nullopt);
      continue;
    }
    invariant(cells.size() >= static_cast<std::size_t>(length), "cells are in wire form");
    const bytes_view bytes = cells.first(static_cast<std::size_t>(length));
    all.emplace_back(byte_buffer(bytes.begin(), bytes.end()));
    cells = cells.subspan(static_cast<std::size_t>(length));
  }
  return all;
}

struct simulated_store::flight final : runtime::timer {
  flight(simulated_store& store, stream::store_request& asked, executed_statement parsed)
      : owner(store), request(asked), what(std::move(parsed)) {}
  void on_timer() override { owner.move_on(*this); }

  simulated_store& owner;
  stream::store_request& request;
  executed_statement what;                 // of a batch: its first statement
  std::vector<executed_statement> others;  // of a batch
  store_fate fate;
  std::optional<result<stream::rows_ref>> answer;
};

simulated_store::simulated_store(runtime::loop& loop, options settings)
    : loop_(loop), options_(std::move(settings)) {}
simulated_store::~simulated_store() {
  invariant(flights_.empty(), "every request is completed before its store ends");
}

void simulated_store::answer(std::string_view cql, answer_function rows_for) {
  statements_[folded_cql(cql)].rows_for = std::move(rows_for);
}

void simulated_store::prime(std::string_view cql, std::vector<row> rows) {
  answer(cql, [rows = std::move(rows)](std::span<const cell>) { return result<std::vector<row>>(rows); });
}

void simulated_store::describe(std::string_view cql, std::vector<statements::column> parameters,
                               std::vector<statements::column> columns) {
  statements_[folded_cql(cql)].described = std::pair(std::move(parameters), std::move(columns));
}

result<void> simulated_store::prepare(statements::statement_declaration& declaration) {
  declaration.prepared_as(++last_id_);
  const auto found = statements_.find(folded_cql(declaration.cql()));
  if (found == statements_.end() || !found->second.described) return {};
  return declaration.check(found->second.described->first, found->second.described->second);
}

void simulated_store::submit(stream::store_request& request) {
  const auto executed = [&request](const statements::statement_declaration& statement, bytes_view cells) {
    return executed_statement{folded_cql(statement.cql()), split_cells(cells), request.write_timestamp_us};
  };
  const bool batched = !request.batch.empty();
  flights_.push_back(std::make_unique<flight>(
      *this, request, executed(*request.statement, batched ? request.batch.front().cells : request.cells)));
  for (std::size_t k = 1; k < request.batch.size(); ++k) {
    flights_.back()->others.push_back(executed(*request.batch[k].statement, request.batch[k].cells));
  }
  in_flight_max_ = std::max(in_flight_max_, flights_.size());
  flight& f = *flights_.back();
  if (options_.fate_of && !severed_) f.fate = options_.fate_of(f.what);
  loop_.start(f, severed_ ? nanoseconds(0) : f.fate.until_applied);
}

result<stream::rows_ref> simulated_store::apply(const flight& f) {
  const auto found = statements_.find(f.what.cql);
  result<std::vector<row>> rows = std::vector<row>();
  if (found != statements_.end() && found->second.rows_for) rows = found->second.rows_for(f.what.parameters);
  const auto took_place = [this](const executed_statement& what) {
    executed_.push_back(what);
    if (options_.on_applied) options_.on_applied(what);
  };
  took_place(f.what);
  for (const executed_statement& other : f.others) took_place(other);
  if (!rows) return rows.error();
  std::vector<statements::column> columns;
  if (found != statements_.end() && found->second.described) columns = found->second.described->second;
  return stream::rows_ref(new simulated_rows(*rows, std::move(columns)));
}

void simulated_store::move_on(flight& f) {
  if (!severed_ && !f.answer) {
    const bool happens = !f.fate.failure || f.fate.applied_although;
    result<stream::rows_ref> answer = happens ? apply(f) : result<stream::rows_ref>(*f.fate.failure);
    if (f.fate.failure) answer = *f.fate.failure;
    f.answer = std::move(answer);
    return loop_.start(f, f.fate.until_answered);
  }
  const auto found =
      std::find_if(flights_.begin(), flights_.end(), [&f](const auto& each) { return each.get() == &f; });
  const std::unique_ptr<flight> landed = std::move(*found);
  flights_.erase(found);
  landed->request.answer =
      severed_ ? result<stream::rows_ref>(error(errc::cancelled)) : std::move(*landed->answer);
  landed->request.on_complete(landed->request);
}

void simulated_store::sever() {
  severed_ = true;
  for (const auto& f : flights_) loop_.start(*f, nanoseconds(0));
}

execute::execute(stream::context ctx, const statements::statement_declaration& statement,
                 std::initializer_list<cell> values, std::optional<std::int64_t> write_timestamp_us)
    : ctx_(ctx) {
  for (const cell& c : values) append_cell(c, cells_);
  request_.statement = &statement;
  request_.write_timestamp_us = write_timestamp_us;
}

void execute::await_suspend(std::coroutine_handle<> waiting) {
  request_.cells = cells_;
  request_.waiting = waiting;
  request_.on_complete = [](stream::store_request& request) { request.waiting.resume(); };
  ctx_.asks(request_);
  ctx_.database().submit(request_);
}

stream::answer<stream::rows_ref> execute::await_resume() {
  ctx_.answered(request_);
  return {std::move(*request_.answer), ctx_.duty_for(*request_.statement)};
}

}  // namespace millrace::simulation
