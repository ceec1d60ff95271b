#include "client.h"

#include <cstdio>
#include <utility>

#include <fmt/format.h>

namespace millrace::bench {

result<std::unique_ptr<client>> client::open(const client_options& options) {
  cql::session_options with;
  with.contact_points = {options.address};
  with.keyspace = options.keyspace;
  with.consistency = "ONE";
  with.request_timeout = options.timeout;
  with.tls = !options.tls_ca.empty();
  with.ca_file = options.tls_ca;
  if (options.lz4) with.compression = cql::frame_compression::lz4;
  auto session = cql::session::open(with);
  if (!session) return session.error();
  std::unique_ptr<client> made(new client(std::move(*session)));
  cql::store_options limits;
  limits.in_flight_max = options.in_flight_max;
  auto store = made->session_->attach(made->loop_, std::move(limits), nullptr);
  if (!store) return store.error();
  made->store_ = std::move(*store);
  for (statements::statement_declaration* each : made->declared_.statements) {
    if (auto prepared = made->store_->prepare(*each); !prepared) return prepared.error();
  }
  made->execution_ = std::make_unique<bare_execution>(made->loop_, *made->store_);
  return made;
}

int fail(const error& why) {
  fmt::print(stderr, "bench_cql: {}\n", why.to_string());
  return 1;
}

}  // namespace millrace::bench
