#include <algorithm>

#include <millrace/base/assert.h>
#include <millrace/simulation/simulated_store.h>

namespace millrace::simulation {
namespace {

class simulated_rows final : public stream::rows_owner {
 public:
  simulated_rows(const std::vector<row>& rows, std::vector<statements::column> described)
      : columns_(std::move(described)) {
    columns = columns_;
    for (const row& r : rows) {
      for (const cell& c : r) c.append_to(bytes_);
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
  for (const cell& c : values) c.append_to(cells_);
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
