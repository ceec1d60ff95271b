// Whether requests go to a replica, and to its shard.
//
// Two measures. Traces: the servers say which node, and with ScyllaDB which shard, took a traced request. That is
// compared with the replicas of the key: by the ring of tokens (the token is asked of the server, and the ring is
// walked here, apart from the library), or, where the table has tablets, by the places of INSERTs of the same key that
// ScyllaDB did not correct. Corrections: with tablets, ScyllaDB answers each misrouted EXECUTE with the payload
// `tablets-routing-v1`, so that all requests are counted, not a sample.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include <millrace/cql/batch.h>
#include <millrace/cql/statement.h>

#include "phases.h"
#include "traces.h"

namespace millrace::app::certify {
namespace {

constexpr double share_asked = 0.999;
constexpr std::size_t requests_of_key = 10;  // traced, where the places of a key have to be learnt
constexpr std::size_t learning_per_copy = 6;
constexpr std::size_t warm_up_rounds = 4;
constexpr int warm_up_share = 40;  // of the time, for each round and kind
constexpr std::uint64_t counted_keys = 2'000;
constexpr unsigned counted_width = 16;
constexpr std::int32_t rows_of_key = 3;

statements::statement_options traced_one() {
  statements::statement_options options;
  options.trace = true;
  return options;
}
statements::statement_options in_pages(bool traced) {
  statements::statement_options options = {.page_rows = 1};
  options.trace = traced;
  return options;
}

struct routed_statements {
  routed_statements(const run& in, bool traced)
      : options(traced ? traced_one() : statements::statement_options{}),
        write(in.text("INSERT INTO {}.certify_kv (id, value, n) VALUES (?, ?, ?)"), options),
        read(in.text("SELECT value FROM {}.certify_kv WHERE id = ?"), options),
        hold(in.text("INSERT INTO {}.certify_claim (id, holder) VALUES (?, ?)"), options),
        claim(in.text("UPDATE {}.certify_claim SET holder = ? WHERE id = ? IF EXISTS"), options),
        write_row(in.text("INSERT INTO {}.certify_wide (part, n, note) VALUES (?, ?, ?)"), options),
        read_rows(in.text("SELECT n FROM {}.certify_wide WHERE part = ?"), in_pages(traced)) {}

  statements::statement_options options;
  cql::statement<void(std::string_view, std::string_view, std::int64_t)> write;
  cql::statement<std::optional<std::string>(std::string_view)> read;
  cql::statement<void(std::string_view, std::string_view)> hold;
  cql::statement<cql::applied<>(std::string_view, std::string_view)> claim;
  cql::statement<void(std::string_view, std::int32_t, std::string_view)> write_row;
  cql::statement<cql::pages<std::int32_t>(std::string_view)> read_rows;
};

struct token_statements {
  explicit token_statements(const run& in)
      : token(in.text("SELECT token(id) FROM {}.certify_kv WHERE id = ?")) {}
  cql::statement<std::int64_t(std::string_view)> token;
};

// The kinds of requests, each about one key.
runtime::task<stream::answer<void>> read_one(stream::context ctx, const routed_statements* with,
                                             std::string key) {
  const auto found = co_await with->read(ctx, key);
  if (!found) co_return found.error();
  co_return result<void>();
}

runtime::task<stream::answer<void>> claim_one(stream::context ctx, const routed_statements* with,
                                              std::string key) {
  const auto done = co_await with->claim(ctx, "holder", key);
  if (!done) co_return done.error();
  co_return result<void>();
}

runtime::task<stream::answer<void>> write_batch(stream::context ctx, const routed_statements* with,
                                                std::string key) {
  cql::batch rows(ctx);
  for (std::int32_t n = 0; n < rows_of_key; ++n) {
    if (!rows.add(with->write_row, key, n, "row")) co_return error(errc::limit_exceeded, "the batch is full");
  }
  co_return co_await rows.run();
}

runtime::task<stream::answer<void>> read_pages(stream::context ctx, const routed_statements* with,
                                               std::string key) {
  cql::pages<std::int32_t> all = with->read_rows(ctx, key);
  while (true) {
    const auto page = co_await all.next();
    if (!page) co_return page.error();
    if (page->empty()) co_return result<void>();
  }
}

using call = runtime::task<stream::answer<void>>;
using kind_call = call (*)(stream::context ctx, const routed_statements* with, const std::string& key);

call insert_of(stream::context ctx, const routed_statements* with, const std::string& key) {
  return with->write(ctx, key, "value", 1);
}
call select_of(stream::context ctx, const routed_statements* with, const std::string& key) {
  return read_one(ctx, with, key);
}
call hold_of(stream::context ctx, const routed_statements* with, const std::string& key) {
  return with->hold(ctx, key, "nobody");
}
call claim_of(stream::context ctx, const routed_statements* with, const std::string& key) {
  return claim_one(ctx, with, key);
}
call row_of(stream::context ctx, const routed_statements* with, const std::string& key) {
  return with->write_row(ctx, key, 0, "row");
}
call batch_of(stream::context ctx, const routed_statements* with, const std::string& key) {
  return write_batch(ctx, with, key);
}
call pages_of(stream::context ctx, const routed_statements* with, const std::string& key) {
  return read_pages(ctx, with, key);
}

struct kind {
  const char* name;
  kind_call make;
  kind_call teaches;  // the INSERT into the same table
  bool corrected;     // ScyllaDB corrects every such request that it got wrongly
};
constexpr kind kinds[] = {
    {"INSERT", insert_of, insert_of, true},    {"SELECT", select_of, insert_of, true},
    {"conditional", claim_of, hold_of, false}, {"unlogged batch", batch_of, row_of, false},
    {"paged SELECT", pages_of, row_of, true},
};

std::string key_of(std::uint64_t k) { return fmt::format("key-{}", k); }

struct sample {
  std::size_t checked = 0;
  std::size_t right = 0;
  std::size_t wrong_node = 0;
  std::size_t wrong_shard = 0;
  std::size_t unknown = 0;  // without a trace, or without known replicas
};

class routing {
 public:
  routing(const run& in, const routed_statements& plain, const routed_statements& traced,
          const token_statements& token)
      : in_(in), plain_(plain), traced_(traced), token_(token), ring_(nodes_of(in.cluster)) {}

  void warm_up();
  void count_corrections(const kind& of);
  void trace(const kind& of);
  [[nodiscard]] bool is_refused(const kind& of) const { return of.make == claim_of && in_.no_conditions; }

 private:
  using places = std::set<place>;

  static std::vector<ring_node> nodes_of(const cluster_facts& from) {
    std::vector<ring_node> out;
    out.reserve(from.nodes.size());
    for (const node_facts& each : from.nodes) out.push_back({each.datacenter, each.rack, each.tokens});
    return out;
  }
  [[nodiscard]] std::size_t traced_keys() const {
    const std::size_t all = in_.given.sizes.traced;
    return std::max<std::size_t>(in_.keyspace.has_tablets() ? all / requests_of_key : all, 1);
  }
  [[nodiscard]] result<std::vector<places>> replicas_of(const kind& of);
  [[nodiscard]] result<std::vector<places>> by_ring();
  [[nodiscard]] result<std::vector<places>> by_inserts(const kind& of);
  [[nodiscard]] result<sample> compare(const kind& of, const std::vector<places>& replicas);
  static void judge(const std::optional<place>& at, const places& replicas, sample& into);

  const run& in_;
  const routed_statements& plain_;
  const routed_statements& traced_;
  const token_statements& token_;
  ring ring_;
};

// The first request to an unknown tablet may go anywhere, and each replica is to be met.
void routing::warm_up() {
  const std::uint64_t keys = in_.keyspace.has_tablets() ? counted_keys : traced_keys();
  for (const kind& each : kinds) {
    if (is_refused(each)) continue;
    for (std::size_t round = 0; round < warm_up_rounds; ++round) {
      const worker::loop_of how{.width = counted_width, .calls = keys, .time = in_.budget() / warm_up_share};
      static_cast<void>(in_.main.run(how, [&](std::uint64_t k) {
        const kind_call make = round == 0 ? each.teaches : each.make;
        return make(in_.main.context(), &plain_, key_of(k));
      }));
      if (!in_.keyspace.has_tablets()) break;
    }
  }
}

void routing::count_corrections(const kind& of) {
  const auto before = in_.session.stats();
  const worker::loop_of how{
      .width = counted_width, .calls = in_.given.sizes.requests, .time = in_.budget() / 10};
  const load all = in_.main.run(
      how, [&](std::uint64_t k) { return of.make(in_.main.context(), &plain_, key_of(k % counted_keys)); });
  const auto after = in_.session.stats();
  const std::uint64_t requests = after.requests - before.requests;
  const std::uint64_t corrected = after.tablet_reports - before.tablet_reports;
  const double share = requests == 0 ? 0 : 1 - static_cast<double>(corrected) / static_cast<double>(requests);
  in_.to.check(
      share >= share_asked && all.failed == 0, fmt::format("{} by corrections", of.name),
      fmt::format("{:.3f} % of {} requests reached a replica and its shard: ScyllaDB corrected {} of them "
                  "(payload tablets-routing-v1); {} failed",
                  share * 100, requests, corrected, all.failed),
      {{"share", share}, {"requests", static_cast<double>(requests)}});
}

result<std::vector<routing::places>> routing::by_ring() {
  std::vector<places> out;
  out.reserve(traced_keys());
  for (std::size_t k = 0; k < traced_keys(); ++k) {
    const auto token = in_.main.finish(token_.token(in_.main.context(), key_of(k)));
    if (!token) return token.error();
    if (!*token) return error(errc::db_unexpected_rows, "a row that was written is not there");
    const auto nodes = ring_.replicas(***token, in_.keyspace.replicated());
    if (!nodes)
      return error(errc::db_invalid, "the keyspace has a replication that this command does not know");
    places of;
    for (const std::size_t each : *nodes) {
      const auto& offer = in_.cluster.nodes[each].offer;
      place at{each, {}};
      if (offer && offer->shards > 0) at.shard = cql::shard_of_token(***token, *offer);
      of.insert(at);
    }
    out.push_back(std::move(of));
  }
  return out;
}

// With tablets: an INSERT that ScyllaDB does not correct came to a replica and to its shard.
result<std::vector<routing::places>> routing::by_inserts(const kind& of) {
  const auto copies = factor_in(in_.keyspace.replicated(), in_.given.datacenter);
  if (!copies)
    return error(errc::db_invalid, "the keyspace has a replication that this command does not know");
  std::vector<uuid> traces;
  std::vector<std::size_t> keys;
  for (std::size_t k = 0; k < traced_keys(); ++k) {
    for (std::size_t each = 0; each < *copies * learning_per_copy; ++each) {
      static_cast<void>(in_.main.take_traces());
      const std::uint64_t before = in_.session.stats().tablet_reports;
      const auto done = in_.main.tell(of.teaches(in_.main.context(), &traced_, key_of(k)));
      const std::vector<uuid> made = in_.main.take_traces();
      if (!done || in_.session.stats().tablet_reports != before) continue;
      traces.insert(traces.end(), made.begin(), made.end());
      keys.resize(traces.size(), k);
    }
  }
  const auto at = places_of(in_.main, in_.cluster, traces);
  if (!at) return at.error();
  std::vector<places> out(traced_keys());
  for (std::size_t each = 0; each < traces.size(); ++each) {
    if ((*at)[each]) out[keys[each]].insert(*(*at)[each]);
  }
  // Where not every copy was met, another place may be one: the key is not judged.
  for (places& each : out) {
    if (each.size() < *copies) each.clear();
  }
  return out;
}

result<std::vector<routing::places>> routing::replicas_of(const kind& of) {
  return in_.keyspace.has_tablets() ? by_inserts(of) : by_ring();
}

void routing::judge(const std::optional<place>& at, const places& replicas, sample& into) {
  if (!at || replicas.empty()) {
    ++into.unknown;
    return;
  }
  ++into.checked;
  if (replicas.contains(*at)) {
    ++into.right;
    return;
  }
  const bool node = std::any_of(replicas.begin(), replicas.end(),
                                [&at](const place& each) { return each.node == at->node; });
  ++(node ? into.wrong_shard : into.wrong_node);
}

result<sample> routing::compare(const kind& of, const std::vector<places>& replicas) {
  std::vector<uuid> traces;
  std::vector<std::size_t> keys;
  for (std::size_t each = 0; each < in_.given.sizes.traced; ++each) {
    const std::size_t k = each % traced_keys();
    static_cast<void>(in_.main.take_traces());
    const auto done = in_.main.tell(of.make(in_.main.context(), &traced_, key_of(k)));
    if (!done) continue;
    const std::vector<uuid> made = in_.main.take_traces();
    traces.insert(traces.end(), made.begin(), made.end());
    keys.resize(traces.size(), k);
  }
  const auto at = places_of(in_.main, in_.cluster, traces);
  if (!at) return at.error();
  sample out;
  for (std::size_t each = 0; each < traces.size(); ++each) judge((*at)[each], replicas[keys[each]], out);
  return out;
}

void routing::trace(const kind& of) {
  const std::string what = fmt::format("{} by traces", of.name);
  const auto replicas = replicas_of(of);
  auto found = replicas ? compare(of, *replicas) : result<sample>(replicas.error());
  if (!found) {
    const bool unauthorized = found.error().code() == errc::db_unauthorized;
    return in_.to.add(verdict::note, what,
                      fmt::format("not measured: {}{}", found.error().to_string(),
                                  unauthorized ? "; grant SELECT ON KEYSPACE system_traces" : ""));
  }
  const double share =
      found->checked == 0 ? 0 : static_cast<double>(found->right) / static_cast<double>(found->checked);
  const std::string text = fmt::format(
      "{} of {} traced requests were taken by a replica{} ({:.1f} %); {} by another node, {} by another "
      "shard; {} "
      "more cannot be judged. Replicas by {}",
      found->right, found->checked, in_.cluster.is_scylla() ? " and its shard" : "", share * 100,
      found->wrong_node, found->wrong_shard, found->unknown,
      in_.keyspace.has_tablets() ? "INSERTs that were not corrected" : "the ring of tokens");
  if (found->checked == 0)
    return in_.to.add(verdict::note, what, "not measured: no trace was found. " + text);
  in_.to.check(share >= share_asked, what, text,
               {{"share", share}, {"samples", static_cast<double>(found->checked)}});
}

}  // namespace

void certify_routing(const run& in) {
  in.to.begin("Routing");
  const auto plain = in.main.declare<routed_statements>(in, false);
  if (!plain) return in.to.add(verdict::fail, "statements", plain.error().to_string());
  const auto traced = in.main.declare<routed_statements>(in, true);
  if (!traced) return in.to.add(verdict::fail, "traced statements", traced.error().to_string());
  const auto token = in.main.declare<token_statements>(in);
  if (!token) return in.to.add(verdict::fail, "statements", token.error().to_string());
  routing all(in, **plain, **traced, **token);
  all.warm_up();
  if (in.keyspace.has_tablets()) {
    for (const kind& each : kinds) {
      if (each.corrected) all.count_corrections(each);
    }
  }
  for (const kind& each : kinds) {
    if (!all.is_refused(each)) all.trace(each);
  }
}

}  // namespace millrace::app::certify
