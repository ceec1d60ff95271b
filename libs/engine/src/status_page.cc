#include "status_page.h"

#include <nlohmann/json.hpp>

namespace millrace::engine {
namespace {

using nlohmann::json;

json books_json(const pipeline::books& counts) {
  return {{"received", counts.received},   {"done", counts.done},
          {"skipped", counts.skipped},     {"dead_lettered", counts.dead_lettered},
          {"abandoned", counts.abandoned}, {"in_flight", counts.in_flight},
          {"balanced", counts.balanced()}};
}

template <typename T>
json or_null(const std::optional<T>& value) {
  return value ? json(*value) : json(nullptr);
}

json error_json(const std::optional<error>& failure) {
  if (!failure) return nullptr;
  return {{"code", to_string(failure->code())}, {"message", failure->message()}};
}

json partition_json(const pipeline::partition_status& p) {
  json out = {{"topic", p.topic},
              {"partition", p.partition},
              {"state", p.state},
              {"paused", p.paused},
              {"in_flight", p.in_flight},
              {"repeated_by_a_crash_max", p.window},
              {"position", or_null(p.position)},
              {"committed", or_null(p.committed)},
              {"lag", or_null(p.lag)},
              {"oldest", nullptr}};
  if (p.oldest) {
    out["oldest"] = {{"offset", p.oldest->offset},
                     {"key", p.oldest->key},
                     {"stage", p.oldest->stage},
                     {"processor", p.oldest->processor},
                     {"attempt", p.oldest->attempt},
                     {"last_error", p.oldest->last_error},
                     {"age_seconds", static_cast<double>(p.oldest->age.count()) / 1e9}};
  }
  return out;
}

pipeline::books total(const process_view& process) {
  pipeline::books sum;
  for (const worker_view& w : process.workers) {
    sum.received += w.line.counts.received;
    sum.done += w.line.counts.done;
    sum.skipped += w.line.counts.skipped;
    sum.dead_lettered += w.line.counts.dead_lettered;
    sum.abandoned += w.line.counts.abandoned;
    sum.in_flight += w.line.counts.in_flight;
  }
  return sum;
}

}  // namespace

std::string status_json(const process_view& process) {
  json workers = json::array();
  std::int64_t lag = 0;
  for (const worker_view& w : process.workers) {
    json partitions = json::array();
    for (const auto& p : w.line.partitions) {
      lag += p.lag.value_or(0);
      partitions.push_back(partition_json(p));
    }
    workers.push_back({{"state", pipeline::to_string(w.line.state)},
                       {"turning", w.turning},
                       {"failure", error_json(w.line.failure)},
                       {"last_error", error_json(w.line.last_error)},
                       {"books", books_json(w.line.counts)},
                       {"in_flight_bytes", w.line.in_flight_bytes},
                       {"retrying", w.line.retrying},
                       {"schemas_missing", w.line.schemas_missing},
                       {"partitions", std::move(partitions)}});
  }
  const json all = {{"application", process.application},          {"version", process.version},
                    {"ready", not_ready_because(process).empty()}, {"lag", lag},
                    {"books", books_json(total(process))},         {"workers", std::move(workers)}};
  // Keys and messages may hold bytes that are not UTF-8.
  return all.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string not_alive_because(const process_view& process) {
  for (std::size_t i = 0; i < process.workers.size(); ++i) {
    if (!process.workers[i].turning) return "worker " + std::to_string(i) + " does not turn its loop";
  }
  return {};
}

std::string not_ready_because(const process_view& process) {
  if (!process.started) return "starting";
  for (std::size_t i = 0; i < process.workers.size(); ++i) {
    const auto& line = process.workers[i].line;
    if (line.state != pipeline::line_state::running) {
      std::string why = "worker " + std::to_string(i) + " is " + std::string(pipeline::to_string(line.state));
      if (line.failure) why += ": " + line.failure->to_string();
      return why;
    }
  }
  return not_alive_because(process);
}

std::string front_page(const process_view& process) {
  return R"(<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>)" +
         process.application +
         R"( · Millrace</title><style>
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(9rem,1fr));gap:1rem}dt{opacity:.7}dd{margin:0;font-size:1.6rem;
font-variant-numeric:tabular-nums}pre{overflow:auto;font-size:.8rem}</style>
<h1>)" + process.application +
         R"(</h1><p id="state">connecting…</p><dl id="numbers"></dl>
<p><a href="/metrics">metrics</a> · <a href="/status">status</a> · <a href="/healthz">healthz</a> · <a href="/readyz">readyz</a></p>
<script>
let last=null;
async function tick(){try{
 const s=await(await fetch('/status')).json(),b=s.books,now=performance.now();
 const rate=last?Math.round((b.done-last.done)*1000/(now-last.at)):0;last={done:b.done,at:now};
 const show={'done per second':rate,'in flight':b.in_flight,'lag':s.lag,'done':b.done,'dead-lettered':b.dead_lettered,'skipped':b.skipped};
 document.getElementById('numbers').replaceChildren(...Object.entries(show).map(([k,v])=>{
  const d=document.createElement('div');d.innerHTML='<dt></dt><dd></dd>';d.firstChild.textContent=k;d.lastChild.textContent=v.toLocaleString();return d}));
 document.getElementById('state').textContent=s.ready?'ready':'not ready: '+s.workers.map(w=>w.state).join(', ');
}catch(e){document.getElementById('state').textContent='not reachable'}}
tick();setInterval(tick,1000);
</script></html>
)";
}

}  // namespace millrace::engine
