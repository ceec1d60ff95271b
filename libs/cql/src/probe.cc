#include <algorithm>
#include <array>
#include <chrono>

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>

#include <millrace/base/clock.h>
#include <millrace/cql/probe.h>

#include "frame_reader.h"
#include "frames.h"
#include "node.h"
#include "transport.h"

namespace millrace::cql {
namespace {

// Free for anybody (RFC 6335).
constexpr std::uint32_t source_port_min = 49'152;
constexpr std::uint32_t source_port_max = 65'535;
constexpr std::uint32_t source_ports_tried = 16;
// SUPPORTED is a few hundred bytes.
constexpr std::int32_t supported_bytes_max = 64 << 10;

bool is_address(const std::string& text) {
  in6_addr any{};
  return ::inet_pton(AF_INET, text.c_str(), &any) == 1 || ::inet_pton(AF_INET6, text.c_str(), &any) == 1;
}

result<std::string> address_of(const std::string& host) {
  if (is_address(host)) return host;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0 || found == nullptr) {
    return error(errc::db_unavailable, "the name " + host + " is not known");
  }
  std::array<char, NI_MAXHOST> text{};
  const int failed = ::getnameinfo(found->ai_addr, found->ai_addrlen, text.data(),
                                   static_cast<socklen_t>(text.size()), nullptr, 0, NI_NUMERICHOST);
  ::freeaddrinfo(found);
  if (failed != 0) return error(errc::db_unavailable, "the name " + host + " has no address");
  return std::string(text.data());
}

// One exchange over a transport, with a deadline.
class exchange {
 public:
  exchange(transport& over, instant deadline) noexcept : over_(over), deadline_(deadline) {}

  result<void> establish() {
    return repeat([this] { return over_.establish(); }, true);
  }
  result<void> write(bytes_view from) {
    while (!from.empty()) {
      std::size_t count = 0;
      if (auto done = repeat([&] { return over_.write(from, count); }, true); !done) return done;
      from = from.subspan(count);
    }
    return {};
  }
  result<void> read(std::span<std::byte> into) {
    while (!into.empty()) {
      std::size_t count = 0;
      if (auto done = repeat([&] { return over_.read(into, count); }, false); !done) return done;
      into = into.subspan(count);
    }
    return {};
  }

 private:
  template <typename Step>
  result<void> repeat(const Step& step, bool writes) {
    while (true) {
      const transport::step now = step();
      if (now == transport::step::done) return {};
      if (now == transport::step::failed) return error(errc::db_unavailable, over_.reason());
      const nanoseconds left = deadline_ - system_clock().now();
      if (left.count() <= 0) return error(errc::db_unavailable, "no answer in time");
      pollfd wait{.fd = over_.descriptor(), .events = POLLIN, .revents = 0};
      if (writes && over_.wants_to_write()) wait.events = POLLOUT;
      ::poll(&wait, 1, static_cast<int>(std::chrono::ceil<milliseconds>(left).count()));
    }
  }

  transport& over_;
  instant deadline_;
};

result<byte_buffer> ask(transport& over, nanoseconds timeout, frames::header& head) {
  exchange with(over, system_clock().now() + timeout);
  if (auto connected = with.establish(); !connected) return connected.error();
  byte_buffer question;
  frames::append_options(question, 0);
  if (auto sent = with.write(question); !sent) return sent.error();
  std::array<std::byte, frames::header_bytes> begin{};
  if (auto got = with.read(begin); !got) return got.error();
  head = frames::read_header(begin);
  if (head.opcode != static_cast<std::uint8_t>(frames::opcode::supported) || head.body_bytes < 0 ||
      head.body_bytes > supported_bytes_max) {
    return error(errc::db_protocol, "the answer to OPTIONS is not that of a CQL server");
  }
  byte_buffer body(static_cast<std::size_t>(head.body_bytes));
  if (auto got = with.read(body); !got) return got.error();
  return body;
}

result<node_offer> offer_of(const frames::header& head, bytes_view body, bool tls) {
  const auto known = frames::read_supported(head, body);
  if (!known) return error(errc::db_protocol, "the answer to OPTIONS cannot be read");
  node_offer out;
  frames::frame_reader in(body);
  frames::extras skipped;
  frames::read_extras(head, in, skipped);
  for (auto count = in.number<std::uint16_t>(); count > 0 && !in.failed(); --count) {
    auto& [name, values] = out.supported.emplace_back();
    name = in.string();
    for (auto each = in.number<std::uint16_t>(); each > 0 && !in.failed(); --each) {
      values.emplace_back(in.string());
    }
  }
  std::vector<std::pair<std::string, std::string>> startup;
  frames::append_startup_options(known->offered, startup);
  out.accepted.reserve(startup.size());
  for (const auto& [name, value] : startup) out.accepted.push_back(name);
  out.shards = known->shards;
  out.shard = known->shard;
  out.ignored_msb = known->ignored_msb;
  out.shard_port = tls ? known->shard_port_tls : known->shard_port;
  return out;
}

result<std::unique_ptr<transport>> connect(transport::target to, const probe_target& at,
                                           const std::shared_ptr<const tls_settings>& tls) {
  if (!at.by_shard) return transport::open(to, tls);
  const std::uint32_t shards = std::max(at.by_shard->shards, 1U);
  const std::uint32_t first = source_port_min + (shards - source_port_min % shards) % shards;
  result<std::unique_ptr<transport>> opened = error(errc::db_unavailable, "no source port is free");
  // From a place that differs from one run to the next: a port that was used just now is not free.
  const auto turn = static_cast<std::uint32_t>(system_clock().now().ns / 1'000);
  const std::uint32_t choices = (source_port_max - first - at.by_shard->shard) / shards + 1;
  for (std::uint32_t tries = 0; tries < source_ports_tried && !opened; ++tries) {
    const std::uint32_t port = first + (turn + tries) % choices * shards + at.by_shard->shard;
    to.source_port = static_cast<std::uint16_t>(port);
    opened = transport::open(to, tls);
  }
  return opened;
}

}  // namespace

result<node_offer> probe(const session_options& options, const probe_target& at) {
  auto address = address_of(at.host);
  if (!address) return address.error();
  std::vector<std::string> names;
  for (const std::string& point : options.contact_points) {
    const std::string name = point.substr(0, point.rfind(':'));
    if (!name.empty() && name.front() != '[' && !is_address(point) && !is_address(name)) {
      names.push_back(name);
    }
  }
  std::shared_ptr<const tls_settings> tls;
  if (options.tls) {
    auto loaded = tls_settings::load({options.ca_file, options.certificate_file, options.key_file});
    if (!loaded) return loaded.error();
    tls = std::move(*loaded);
  }
  transport::target to{.address = *address, .port = at.port};
  to.names = &names;
  if (at.host != *address) to.server_name = at.host;
  auto over = connect(std::move(to), at, tls);
  if (!over) return over.error();
  frames::header head;
  const auto body = ask(**over, options.connect_timeout, head);
  if (!body) return body.error();
  return offer_of(head, *body, options.tls);
}

std::uint32_t shard_of_token(std::int64_t token, const node_offer& node) noexcept {
  return shard_of(token, std::max(node.shards, 1U), node.ignored_msb);
}

}  // namespace millrace::cql
