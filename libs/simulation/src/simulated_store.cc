#include <algorithm>

#include <millrace/base/assert.h>
#include <millrace/base/suggest.h>
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

// "bigint or counter" and "timestamp or bigint" share a type.
bool shares_type(std::string_view a, std::string_view b) {
  const auto words = [](std::string_view of) {
    std::vector<std::string> all;
    std::size_t begin = 0;
    for (std::size_t at = 0; (at = of.find(" or ", begin)) != std::string_view::npos; begin = at + 4)
      all.emplace_back(of.substr(begin, at - begin));
    all.emplace_back(of.substr(begin));
    return all;
  };
  const std::vector<std::string> first = words(a);
  for (const std::string& each : words(b)) {
    if (std::find(first.begin(), first.end(), each) != first.end()) return true;
  }
  return false;
}

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
  table_entry& of = statements_[folded_cql(cql)];
  of.rows_for = std::move(rows_for);
  of.fixed.clear();
  primed_unchecked_ = true;
}

void simulated_store::prime(std::string_view cql, std::vector<row> rows) {
  answer(cql, [rows](std::span<const cell>) { return result<std::vector<row>>(rows); });
  statements_[folded_cql(cql)].fixed = std::move(rows);
}

result<void> simulated_store::check_primed() {
  if (!primed_unchecked_) return {};
  for (const auto& [cql, entry] : statements_) {
    const auto found = prepared_.find(cql);
    if (found == prepared_.end()) {
      std::vector<std::string> known;
      for (const auto& [text, statement] : prepared_) known.push_back(text);
      const auto nearest = closest(cql, known);
      return error(errc::db_invalid,
                   "rows are primed for '" + cql + "', which is not a statement of a processor; " +
                       (nearest ? "the nearest is '" + *nearest + "'" : "there is no statement"));
    }
    if (auto fits = check_rows(*found->second, entry.fixed); !fits) return fits;
  }
  primed_unchecked_ = false;
  return {};
}

result<void> simulated_store::check_rows(const statements::statement_declaration& of,
                                         std::span<const row> rows) const {
  const auto expected = of.result_columns();
  if (!expected) return {};
  const auto wrong = [&](const std::string& what) {
    return error(errc::db_type_mismatch,
                 "a row that is primed for statement '" + of.name() + "' (" + of.cql() + ") " + what);
  };
  for (const row& each : rows) {
    if (each.size() != expected->size()) {
      return wrong("has " + std::to_string(each.size()) + " cells, and the C++ type of its result " +
                   std::to_string(expected->size()));
    }
    for (std::size_t k = 0; k < each.size(); ++k) {
      const statements::column& column = (*expected)[k];
      if (each[k].types().empty() || shares_type(each[k].types(), column.type)) continue;
      return wrong("has cell " + std::to_string(k + 1) +
                   (column.name.empty() ? "" : " ('" + column.name + "')") + " of type " +
                   std::string(each[k].types()) + ", and its C++ type is for " + column.type);
    }
  }
  return {};
}

void simulated_store::describe(std::string_view cql, std::vector<statements::column> parameters,
                               std::vector<statements::column> columns) {
  statements_[folded_cql(cql)].described = std::pair(std::move(parameters), std::move(columns));
}

result<void> simulated_store::prepare(statements::statement_declaration& declaration) {
  declaration.prepared_as(++last_id_);
  const std::string cql = folded_cql(declaration.cql());
  prepared_[cql] = &declaration;
  const auto found = statements_.find(cql);
  if (found != statements_.end() && found->second.described)
    return declaration.check(found->second.described->first, found->second.described->second);
  if (options_.tables == nullptr) return {};
  const auto described = options_.tables->describe(declaration.cql());
  if (!described) return described.error().in("statement '" + declaration.name() + "'");
  return declaration.check(described->parameters, described->columns);
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

// The statements of a batch take effect together; the first that is refused ends it.
result<stream::rows_ref> simulated_store::execute_in_tables(const flight& f) {
  const stream::store_request& request = f.request;
  const std::int64_t now_us = loop_.time().wall().time_since_epoch().count();
  last_write_us_ = std::max(last_write_us_ + 1, now_us);
  const std::int64_t at_us = request.write_timestamp_us.value_or(last_write_us_);
  if (request.batch.empty()) {
    auto done = options_.tables->execute(request.statement->cql(), request.cells, at_us);
    if (!done) return done.error();
    if (done->columns.empty()) return stream::rows_ref();
    return stream::rows_ref(new simulated_rows(done->rows, std::move(done->columns)));
  }
  for (const stream::store_request::part& each : request.batch) {
    auto done = options_.tables->execute(each.statement->cql(), each.cells, at_us);
    if (!done) return done.error();
  }
  return stream::rows_ref();
}

result<stream::rows_ref> simulated_store::apply(const flight& f) {
  const auto found = statements_.find(f.what.cql);
  const bool primed = found != statements_.end() && found->second.rows_for;
  result<std::vector<row>> rows = std::vector<row>();
  if (primed) rows = found->second.rows_for(f.what.parameters);
  const auto took_place = [this](const executed_statement& what) {
    executed_.push_back(what);
    if (options_.on_applied) options_.on_applied(what);
  };
  took_place(f.what);
  for (const executed_statement& other : f.others) took_place(other);
  if (!primed && options_.tables != nullptr) return execute_in_tables(f);
  if (!rows) return rows.error();
  if (auto fits = check_rows(*f.request.statement, *rows); !fits) return fits.error();
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
