#include "cql_metrics.h"

#include <algorithm>

#include <millrace/cql/session.h>

#include "lookup_cache.h"

namespace millrace::cql {

void declare_metrics(metrics::catalogue& into) {
  const statement_metrics statements(into);
  const store_metrics stores(into);
  const node_metrics nodes(into);
  const session_metrics sessions(into);
  const internal::lookup_metrics lookups(into);
}

metrics::scrape_hook add_metrics(metrics::registry& to, const session& of) {
  return to.at_scrape([what = session_metrics(to.declared()), &of](metrics::samples& out) {
    const session::statistics now = of.stats();
    out.set(what.requests, {}, static_cast<double>(now.requests));
    out.set(what.next_node, {}, static_cast<double>(now.next_node));
    out.set(what.prepared_again, {}, static_cast<double>(now.prepared_again));
    out.set(what.tablet_reports, {}, static_cast<double>(now.tablet_reports));
    out.set(what.tablets, {}, static_cast<double>(now.tablets));
    out.set(what.buffers, {}, static_cast<double>(now.buffer_bytes));
    out.set(what.speculative, {}, static_cast<double>(now.speculative));
    out.set(what.refused, {}, static_cast<double>(now.refused));
    out.set(what.shrunk, {}, static_cast<double>(now.shrunk));
    out.set(what.waiting, {}, static_cast<double>(now.waiting));
    out.set(what.nodes, {"connected"}, static_cast<double>(now.nodes_connected));
    out.set(what.nodes, {"disconnected"},
            static_cast<double>(now.nodes - std::min(now.nodes, now.nodes_connected)));
    out.set(what.timeouts, {}, static_cast<double>(now.client_timeouts));
    out.set(what.panics, {}, static_cast<double>(now.panics));
    out.set(what.in_flight, {}, static_cast<double>(now.in_flight));
  });
}

}  // namespace millrace::cql
