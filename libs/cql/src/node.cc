#include "node.h"

#include <algorithm>
#include <random>

#include <millrace/base/assert.h>

namespace millrace::cql {
namespace {

constexpr nanoseconds backoff_min = milliseconds(50);
constexpr nanoseconds backoff_max = seconds(10);
// ScyllaDB's shard-aware port looks at the source port; these are free for anybody (RFC 6335).
constexpr std::uint32_t source_port_min = 49'152;
constexpr std::uint32_t source_port_max = 65'535;
constexpr int source_port_tries = 16;
// A shard-aware port that fails so often, or leads to another shard, is not used for a while.
constexpr int shard_port_failures_max = 2;
constexpr nanoseconds shard_port_pause = seconds(300);
// How long shards go without a connection that the ordinary port did not lead to.
constexpr nanoseconds fill_pause = seconds(60);

std::uint32_t random_number() {
  thread_local std::minstd_rand numbers{std::random_device{}()};
  return static_cast<std::uint32_t>(numbers());
}

}  // namespace

std::uint32_t shard_of(std::int64_t token, std::uint32_t shards, std::uint32_t ignored_msb) noexcept {
  const std::uint64_t biased = (static_cast<std::uint64_t>(token) + (std::uint64_t{1} << 63U)) << ignored_msb;
  return static_cast<std::uint32_t>((static_cast<unsigned __int128>(biased) * shards) >> 64U);
}

void link::opened() { of_.opened(*this); }
void link::answered(std::uint32_t place, const frames::header& of, bytes_view body) {
  of_.user_.answered(*this, place, of, body);
}
void link::schema_changed(const frames::schema_event& what) { of_.user_.schema_changed(what); }
void link::broken(const error& why) { of_.broken(*this, why); }

node::node(runtime::loop& worker, connection_settings& settings, user& by, byte_buffer& receiving,
           metrics::shard* cells, std::uint32_t number, node_place place)
    : meters(cells, place.name()),
      loop_(worker),
      settings_(settings),
      user_(by),
      receiving_(receiving),
      number_(number),
      place_(std::move(place)),
      name_(place_.name()),
      by_shard_(1, nullptr) {}

node::~node() = default;

void node::connect(std::size_t cluster_size) {
  allowance_ = std::max<std::size_t>(settings_.allowance(cluster_size), 1);
  if (!links_.empty()) return;
  connect(*links_.emplace_back(std::make_unique<link>(*this, std::nullopt)));
}

bool node::is_connecting() const noexcept {
  return std::any_of(links_.begin(), links_.end(), [](const std::unique_ptr<link>& each) {
    return each->over_ != nullptr && !each->is_open();
  });
}

bool node::uses_shard_port(const link& which) const noexcept {
  return which.wanted_ && shard_port_ != 0 && shards_ > 1 && loop_.time().now() >= shard_port_again_;
}

result<std::unique_ptr<connection>> node::open(link& which) {
  transport::target to{.address = place_.connect_address, .port = place_.connect_port};
  to.names = &settings_.names();
  to.server_name = settings_.name_of(to.address);
  which.by_shard_port_ = uses_shard_port(which);
  connection::owner& owner = which;
  if (!which.by_shard_port_) {
    return connection::open(loop_, owner, settings_.introduce(), to, receiving_);
  }
  std::tie(to.address, to.port) = settings_.translated(place_.address, shard_port_);
  const std::uint32_t first = source_port_min + (shards_ - source_port_min % shards_) % shards_;
  const std::uint32_t choices = (source_port_max - first - *which.wanted_) / shards_ + 1;
  result<std::unique_ptr<connection>> opened = error(errc::db_unavailable, "no source port is free");
  for (int tries = 0; tries < source_port_tries && !opened; ++tries) {
    const std::uint32_t port = first + random_number() % choices * shards_ + *which.wanted_;
    to.source_port = static_cast<std::uint16_t>(port);
    opened = connection::open(loop_, owner, settings_.introduce(), to, receiving_);
  }
  return opened;
}

void node::connect(link& which) {
  auto opened = open(which);
  if (opened) {
    which.over_ = std::move(*opened);
  } else {
    failed_to_connect(which, opened.error());
    retry_later(which);
  }
}

void node::retry_later(link& which) {
  which.backoff_ = std::clamp<nanoseconds>(which.backoff_ * 2, backoff_min, backoff_max);
  // Neither all at once nor ever more slowly than is useful.
  const nanoseconds spread(random_number() % (which.backoff_.count() / 4));
  which.connect_at_ = loop_.time().now() + which.backoff_ + spread;
}

void node::learn_shards(const frames::supported& server) {
  const std::uint32_t shards = std::max(server.shards, 1U);
  ignored_msb_ = server.ignored_msb;
  shard_port_ = settings_.introduce()->tls ? server.shard_port_tls : server.shard_port;
  if (shards == shards_) return;
  // The node was restarted with other shards: connections to the old ones are about to end.
  for (const auto& each : links_) {
    each->placed_.reset();
    if (each->wanted_ && *each->wanted_ >= shards) each->wanted_.reset();
  }
  shards_ = shards;
  by_shard_.assign(shards, nullptr);
}

void node::opened(link& which) {
  which.was_open_ = true;
  which.backoff_ = nanoseconds(0);
  ++open_;
  user_.connections_changed(1);
  const frames::supported& server = which.over_->server();
  learn_shards(server);
  place_link(which, server);
  listen();
  complete();
  if (std::exchange(trouble_, std::nullopt)) user_.reachable(*this, nullptr);
}

// Gives the connection to the shard that the server names, which need not be the one that was wanted.
void node::place_link(link& which, const frames::supported& server) {
  const std::uint32_t shard = shards_ > 1 ? server.shard : 0;
  const std::optional<std::uint32_t> wanted = which.wanted_;
  if (which.by_shard_port_ && wanted && *wanted != shard) {
    shard_port_again_ = loop_.time().now() + shard_port_pause;
  }
  which.wanted_.reset();
  if (by_shard_[shard] != nullptr) return;  // surplus: complete() goes on looking
  by_shard_[shard] = &which;
  which.placed_ = shard;
  if (!wanted || *wanted == shard) return;
  for (const auto& each : links_) {
    if (each->wanted_ == shard) each->wanted_ = wanted;
  }
}

// Every shard has a connection, or one that is to be made, as far as the number of connections allows.
void node::complete() {
  const auto is_wanted = [this](std::uint32_t shard) {
    return std::any_of(links_.begin(), links_.end(),
                       [shard](const std::unique_ptr<link>& each) { return each->wanted_ == shard; });
  };
  const std::size_t most = std::min<std::size_t>(shards_, allowance_);
  std::size_t served = 0;
  for (std::uint32_t shard = 0; shard < shards_; ++shard) {
    if (by_shard_[shard] != nullptr || is_wanted(shard)) ++served;
  }
  const std::size_t surplus = links_.size() - std::min(links_.size(), served);
  const instant now = loop_.time().now();
  if (surplus > shards_ && now >= fill_again_) fill_again_ = now + fill_pause;
  const std::uint32_t first = random_number() % shards_;
  for (std::uint32_t k = 0; k < shards_ && served < most; ++k) {
    const std::uint32_t shard = (first + k) % shards_;
    if (by_shard_[shard] != nullptr || is_wanted(shard)) continue;
    link& made = *links_.emplace_back(std::make_unique<link>(*this, shard));
    made.connect_at_ = std::max(now, fill_again_);
    ++served;
    if (made.connect_at_ == now) connect(made);
  }
}

// One connection of each node reports changes of the schema.
void node::listen() {
  if (listens_ != nullptr) return;
  const auto open = std::find_if(links_.begin(), links_.end(),
                                 [](const std::unique_ptr<link>& each) { return each->is_open(); });
  if (open == links_.end()) return;
  listens_ = open->get();
  (*open)->over_->listen();
  user_.listening_changed(1);
}

void node::stop_listening(const link* over) {
  if (over == nullptr || listens_ != over) return;
  listens_ = nullptr;
  user_.listening_changed(-1);
}

void node::failed_to_connect(link& which, const error& why) {
  meters.connect_failed(why.code());
  if (which.by_shard_port_ && ++shard_port_failures_ >= shard_port_failures_max) {
    shard_port_failures_ = 0;
    shard_port_again_ = loop_.time().now() + shard_port_pause;
  }
  if (open_ > 0) return;  // a shard is reached over another connection
  const bool is_new = !trouble_ || trouble_->message() != why.message();
  trouble_ = why;
  if (is_new) user_.reachable(*this, &why);
}

void node::broken(link& which, const error& why) {
  connection& over = *retired_.emplace_back(std::move(which.over_));
  if (std::exchange(which.was_open_, false)) {
    --open_;
    user_.connections_changed(-1);
    stop_listening(&which);
    if (which.placed_ && by_shard_[*which.placed_] == &which) by_shard_[*which.placed_] = nullptr;
    which.wanted_ = std::exchange(which.placed_, std::nullopt);
    if (open_ == 0) {
      trouble_ = why;
      user_.reachable(*this, &why);
    }
  } else {
    failed_to_connect(which, why);
  }
  retry_later(which);
  const std::vector<std::uint32_t> places = over.in_flight();
  if (!places.empty()) user_.lost(which, places, why);
}

void node::disconnect() {
  for (auto& each : links_) {
    if (each->over_ == nullptr) continue;
    if (each->unflushed || !each->over_->in_flight().empty()) return;
  }
  for (auto& each : links_) {
    if (each->over_ != nullptr) retired_.push_back(std::move(each->over_));
  }
  stop_listening(listens_);
  links_.clear();
  user_.connections_changed(-static_cast<int>(open_));
  open_ = 0;
  by_shard_.assign(shards_, nullptr);
  trouble_.reset();
}

// Connections of no shard, which the ordinary port gave besides those that were wanted: kept until all shards
// are served, because the server gives the next one to the shard with the fewest.
void node::drop_surplus() {
  const auto is_served = [this] {
    return std::none_of(links_.begin(), links_.end(),
                        [](const std::unique_ptr<link>& each) { return each->wanted_.has_value(); });
  };
  const bool drop_open = is_served() || loop_.time().now() < fill_again_;
  std::erase_if(links_, [&](std::unique_ptr<link>& each) {
    if (each->placed_ || each->wanted_ || links_.size() == 1 || open_ == 0) return false;
    if (each->over_ == nullptr) return open_ > 0;
    if (!drop_open || !each->is_open() || !each->over_->in_flight().empty() || each->unflushed) return false;
    --open_;
    user_.connections_changed(-1);
    stop_listening(each.get());
    retired_.push_back(std::move(each->over_));
    return true;
  });
}

void node::upkeep(instant now, std::size_t cluster_size) {
  allowance_ = std::max<std::size_t>(settings_.allowance(cluster_size), 1);
  for (std::size_t k = 0; k < links_.size(); ++k) {
    link& each = *links_[k];
    if (each.over_ != nullptr)
      each.over_->check(now, settings_.keepalive());
    else if (now >= each.connect_at_)
      connect(each);
  }
  drop_surplus();
  if (open_ == 0) return;
  complete();
  listen();
}

std::size_t node::memory() const noexcept {
  std::size_t bytes = 0;
  for (const auto& each : links_) {
    if (each->over_ != nullptr) bytes += each->over_->memory();
  }
  return bytes;
}

link* node::link_for(std::optional<std::int64_t> token, std::optional<std::uint32_t> shard) noexcept {
  if (open_ == 0) return nullptr;
  if (shards_ == 1) {
    if (by_shard_.front() != nullptr && by_shard_.front()->usable()) return by_shard_.front();
  } else {
    if (!shard && token) shard = shard_of(*token, shards_, ignored_msb_);
    if (shard && *shard < shards_) {
      link* wanted = by_shard_[*shard];
      if (wanted != nullptr && wanted->usable()) return wanted;
    }
  }
  ++turn_;
  for (std::size_t k = 0; k < links_.size(); ++k) {
    link& each = *links_[(turn_ + k) % links_.size()];
    if (each.usable()) return &each;
  }
  return nullptr;
}

void node::each_connecting(const std::function<void(connection&)>& visit) const {
  for (const auto& each : links_) {
    if (each->over_ != nullptr && !each->is_open()) visit(*each->over_);
  }
}

void node::receive() {
  for (std::size_t k = 0; k < links_.size(); ++k) {
    if (links_[k]->is_open()) links_[k]->over_->receive();
  }
}

}  // namespace millrace::cql
