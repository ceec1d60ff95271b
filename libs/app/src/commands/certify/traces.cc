#include "traces.h"

#include <charconv>

#include <millrace/cql/statement.h>

namespace millrace::app::certify {
namespace {

// ScyllaDB writes its traces every two seconds.
constexpr seconds traces_time{12};
constexpr milliseconds traces_pause{200};

struct event_row {
  std::optional<cql::inet_address> source;
  std::optional<std::string> thread;
};

struct trace_statements {
  cql::statement<std::optional<cql::inet_address>(uuid)> coordinator{
      "SELECT coordinator FROM system_traces.sessions WHERE session_id = ?", of_one_node()};
  cql::statement<std::vector<event_row>(uuid)> events{
      "SELECT source, thread FROM system_traces.events WHERE session_id = ?", of_one_node()};
};

// The first event of the coordinator is of the shard that took the request: the events are in their order, and those
// of a shard that it was passed on to come later.
result<std::optional<place>> find(worker& by, trace_statements& ask, const cluster_facts& in,
                                  const uuid& trace) {
  const auto coordinator = by.finish(ask.coordinator(by.context(), trace));
  if (!coordinator) return coordinator.error();
  if (!*coordinator || !***coordinator) return std::optional<place>();
  const cql::inet_address address = ****coordinator;
  const auto node = in.find(to_text(address));
  if (!node) return std::optional<place>();
  place out{*node, {}};
  const bool sharded = in.nodes[*node].offer && in.nodes[*node].offer->shards > 0;
  if (!sharded) return std::optional<place>(out);
  const auto events = by.finish(ask.events(by.context(), trace));
  if (!events) return events.error();
  for (const event_row& each : *events) {
    if (each.source != address || !each.thread) continue;
    out.shard = shard_of_thread(*each.thread);
    if (out.shard) return std::optional<place>(out);
  }
  return std::optional<place>();
}

}  // namespace

std::optional<std::uint32_t> shard_of_thread(std::string_view thread) {
  constexpr std::string_view begin = "shard ";
  if (!thread.starts_with(begin)) return std::nullopt;
  thread.remove_prefix(begin.size());
  std::uint32_t shard = 0;
  const auto [end, failed] = std::from_chars(thread.data(), thread.data() + thread.size(), shard);
  return failed == std::errc() ? std::optional(shard) : std::nullopt;
}

result<std::vector<std::optional<place>>> places_of(worker& by, const cluster_facts& in,
                                                    const std::vector<uuid>& traces) {
  const auto ask = by.declare<trace_statements>();
  if (!ask) return ask.error();
  std::vector<std::optional<place>> out(traces.size());
  const instant until = by.now() + traces_time;
  while (true) {
    std::size_t missing = 0;
    for (std::size_t at = 0; at < traces.size(); ++at) {
      if (out[at]) continue;
      auto found = find(by, **ask, in, traces[at]);
      if (!found) return found.error();
      out[at] = *found;
      if (!out[at]) ++missing;
    }
    if (missing == 0 || by.now() >= until) return out;
    by.turn_for(traces_pause);
  }
}

}  // namespace millrace::app::certify
