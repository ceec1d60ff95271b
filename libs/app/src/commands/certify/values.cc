// Pages, large values, unset values, timestamps and conditions.
#include <algorithm>
#include <thread>

#include <fmt/format.h>

#include <millrace/cql/batch.h>
#include <millrace/cql/statement.h>

#include "phases.h"

namespace millrace::app::certify {
namespace {

constexpr std::int32_t rows_of_batch = 50;
constexpr const char* failed_text = "the request failed: ";

struct stored {
  std::string value;
  std::optional<std::int64_t> n;
};

struct holder_row {
  std::string holder;
};

struct value_statements {
  explicit value_statements(const run& in, std::uint32_t page_rows)
      : write(in.text("INSERT INTO {}.certify_kv (id, value, n) VALUES (?, ?, ?)")),
        read(in.text("SELECT value, n FROM {}.certify_kv WHERE id = ?")),
        write_row(in.text("INSERT INTO {}.certify_wide (part, n, note) VALUES (?, ?, ?)")),
        read_rows(in.text("SELECT n FROM {}.certify_wide WHERE part = ?"), {.page_rows = page_rows}) {}

  cql::statement<void(std::string_view, cql::or_unset<std::string_view>,
                      cql::or_unset<std::optional<std::int64_t>>)>
      write;
  cql::statement<stored(std::string_view)> read;
  cql::statement<void(std::string_view, std::int32_t, std::string_view)> write_row;
  cql::statement<cql::pages<std::int32_t>(std::string_view)> read_rows;
};

struct claim_statements {
  explicit claim_statements(const run& in)
      : claim(in.text("INSERT INTO {}.certify_claim (id, holder) VALUES (?, ?) IF NOT EXISTS")) {}
  cql::statement<cql::applied<holder_row>(std::string_view, std::string_view)> claim;
};

runtime::task<stream::answer<void>> write_rows(stream::context ctx, const value_statements* with,
                                               std::int32_t from, std::int32_t to) {
  cql::batch rows(ctx);
  for (std::int32_t n = from; n < to; ++n) {
    if (!rows.add(with->write_row, "pages", n, "a row among many")) {
      co_return error(errc::limit_exceeded, "the batch is full");
    }
  }
  co_return co_await rows.run();
}

struct paged {
  std::size_t pages = 0;
  std::int32_t rows = 0;
  bool in_order = true;
};

runtime::task<stream::answer<paged>> read_pages(stream::context ctx, const value_statements* with) {
  paged out;
  cql::pages<std::int32_t> all = with->read_rows(ctx, "pages");
  while (true) {
    const auto page = co_await all.next();
    if (!page) co_return page.error();
    if (page->empty()) co_return out;
    ++out.pages;
    for (const std::int32_t n : *page) {
      out.in_order = out.in_order && n == out.rows;
      ++out.rows;
    }
  }
}

void certify_pages(const run& in, const value_statements& with) {
  const std::int32_t rows = in.given.sizes.rows;
  const auto batches = static_cast<std::uint64_t>((rows + rows_of_batch - 1) / rows_of_batch);
  const load written = in.main.run({.width = 4, .calls = batches, .time = in.budget()}, [&](std::uint64_t k) {
    const auto from = static_cast<std::int32_t>(k) * rows_of_batch;
    return write_rows(in.main.context(), &with, from, std::min(from + rows_of_batch, rows));
  });
  if (written.done < batches) {
    return in.to.add(
        verdict::fail, "paging",
        fmt::format("{} of {} batches of {} rows were written", written.done, batches, rows_of_batch));
  }
  const auto read = in.main.tell(read_pages(in.main.context(), &with));
  if (!read) return in.to.add(verdict::fail, "paging", failed_text + read.error().to_string());
  const auto pages_min = static_cast<std::size_t>(rows / in.given.sizes.page_rows);
  in.to.check(read->rows == rows && read->in_order && read->pages >= pages_min, "paging",
              fmt::format("{} of {} rows in {} pages of up to {}, {}", read->rows, rows, read->pages,
                          in.given.sizes.page_rows, read->in_order ? "in order" : "not in order"),
              {{"rows", read->rows}, {"pages", static_cast<double>(read->pages)}});
}

// What a key has; the report tells when it cannot be read.
std::optional<stored> read_back(const run& in, const value_statements& with, std::string_view key,
                                const char* what) {
  const auto found = in.main.tell(with.read(in.main.context(), key));
  if (!found) {
    in.to.add(verdict::fail, what, failed_text + found.error().to_string());
    return std::nullopt;
  }
  if (!*found) {
    in.to.add(verdict::fail, what, "the row that was written is not there");
    return std::nullopt;
  }
  return ***found;
}

bool written(const run& in, runtime::task<stream::answer<void>> call, const char* what) {
  const auto done = in.main.tell(std::move(call));
  if (!done) in.to.add(verdict::fail, what, failed_text + done.error().to_string());
  return done.ok();
}

void certify_large_value(const run& in, const value_statements& with) {
  constexpr const char* what = "large value";
  std::string large(in.given.sizes.large_bytes, '\0');
  for (std::size_t at = 0; at < large.size(); ++at) large[at] = static_cast<char>('a' + at * 7 % 23);
  if (!written(in, with.write(in.main.context(), "large", large, std::optional<std::int64_t>(1)), what))
    return;
  const auto found = read_back(in, with, "large", what);
  if (!found) return;
  in.to.check(found->value == large, what,
              fmt::format("{} bytes were written, and {} read", large.size(), found->value.size()));
}

void certify_unset(const run& in, const value_statements& with) {
  constexpr const char* what = "unset and null values";
  const std::optional<std::int64_t> one = 1;
  const std::optional<std::int64_t> null;
  if (!written(in, with.write(in.main.context(), "unset", "kept", one), what)) return;
  if (!written(in, with.write(in.main.context(), "unset", cql::unset, null), what)) return;
  const auto found = read_back(in, with, "unset", what);
  if (!found) return;
  in.to.check(
      found->value == "kept" && !found->n, what,
      fmt::format("an unset value {} its column, a null {}", found->value == "kept" ? "left" : "changed",
                  found->n ? "did not delete it" : "deleted it"));
}

// The session gives writes the worker's clock: the last one of a key wins, whichever nodes coordinate them.
void certify_timestamps(const run& in, const value_statements& with) {
  constexpr const char* what = "client timestamps";
  const std::uint64_t writes = in.given.sizes.overwrites;
  const load all = in.main.run({.width = 32, .calls = writes, .time = in.budget()}, [&](std::uint64_t k) {
    const std::optional<std::int64_t> n = static_cast<std::int64_t>(k);
    return with.write(in.main.context(), "order", "x", n);
  });
  if (all.failed > 0) {
    return in.to.add(verdict::fail, what, fmt::format("{} of {} writes failed", all.failed, writes));
  }
  const auto found = read_back(in, with, "order", what);
  if (!found) return;
  const std::int64_t last = static_cast<std::int64_t>(all.done) - 1;
  in.to.check(found->n == last, what,
              fmt::format("after {} writes of one key, 32 at a time, it has number {}; the last one is {}",
                          all.done, found->n.value_or(-1), last));
}

struct claims {
  std::vector<std::optional<std::string>> holders;  // as one worker saw them; none: its request failed
  std::size_t won = 0;
  std::optional<error> trouble = {};
};

runtime::task<stream::answer<void>> claim_one(stream::context ctx, const claim_statements* with,
                                              std::string_view as, std::uint64_t k, claims* into) {
  const std::string key = fmt::format("claim-{}", k);
  const auto claimed = co_await with->claim(ctx, key, as);
  if (!claimed) {
    into->trouble = claimed.error();
    co_return claimed.error();
  }
  if (*claimed) {
    ++into->won;
    into->holders[k] = std::string(as);
  } else if (claimed->current()) {
    into->holders[k] = (*claimed->current())->holder;
  }
  co_return result<void>();
}

claims claim_all(worker& by, const run& in, std::string_view as) {
  claims out;
  out.holders.resize(in.given.sizes.claims);
  const auto with = by.declare<claim_statements>(in);
  if (!with) {
    out.trouble = with.error();
    return out;
  }
  static_cast<void>(by.run({.width = 4, .calls = in.given.sizes.claims, .time = in.budget()},
                           [&](std::uint64_t k) { return claim_one(by.context(), *with, as, k, &out); }));
  return out;
}

// A request that failed may have been executed: its key says nothing.
void certify_race(const run& in) {
  constexpr const char* what = "conditional race";
  auto other = worker::attach(in.session, in.main.counts());
  if (!other) return in.to.add(verdict::fail, what, other.error().to_string());
  claims second;
  std::thread beside([&] { second = claim_all(**other, in, "second"); });
  const claims first = claim_all(in.main, in, "first");
  beside.join();
  std::size_t agreed = 0;
  std::size_t disputed = 0;
  for (std::size_t k = 0; k < in.given.sizes.claims; ++k) {
    if (!first.holders[k] || !second.holders[k]) continue;
    ++(first.holders[k] == second.holders[k] ? agreed : disputed);
  }
  const std::size_t unknown = in.given.sizes.claims - agreed - disputed;
  const auto& trouble = first.trouble ? first.trouble : second.trouble;
  in.to.check(disputed == 0 && unknown == 0, what,
              fmt::format("two workers claimed {} keys: {} have one holder for both ({} and {} won), {} are "
                          "disputed, {} unknown{}",
                          in.given.sizes.claims, agreed, first.won, second.won, disputed, unknown,
                          trouble ? ", " + trouble->to_string() : std::string()));
}

}  // namespace

void certify_values(const run& in) {
  in.to.begin("Values");
  const auto with =
      in.main.declare<value_statements>(in, static_cast<std::uint32_t>(in.given.sizes.page_rows));
  if (!with) return in.to.add(verdict::fail, "statements", with.error().to_string());
  certify_pages(in, **with);
  certify_large_value(in, **with);
  certify_unset(in, **with);
  certify_timestamps(in, **with);
  if (!in.no_conditions) certify_race(in);
}

}  // namespace millrace::app::certify
