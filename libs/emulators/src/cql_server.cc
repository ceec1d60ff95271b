#include "cql_server.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <limits>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <millrace/base/assert.h>
#include <millrace/base/clock.h>

namespace millrace::emulators::cql {
namespace {

constexpr std::uint64_t tag_wake = 0;
constexpr std::uint64_t tag_first_listener = 1;
constexpr int events_per_wait_max = 256;
constexpr int accepts_per_turn_max = 64;
constexpr int reads_per_turn_max = 8;
constexpr std::size_t read_buffer_bytes = std::size_t{64} * 1024;
constexpr std::size_t kept_capacity_bytes = std::size_t{64} * 1024;

std::int64_t now_ns() { return system_clock().now().ns; }

void watch(int epoll, int op, int fd, std::uint32_t interest, std::uint64_t tag) {
  epoll_event event{};
  event.events = interest;
  event.data.u64 = tag;
  const int done = ::epoll_ctl(epoll, op, fd, &event);
  invariant(done == 0, "epoll accepts a descriptor the emulator owns");
}

bool later(const auto& a, const auto& b) { return a.due_ns > b.due_ns; }

}  // namespace

result<file_descriptor> listen_on(const std::string& address, std::uint16_t& port, bool listens) {
  file_descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int yes = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  if (::inet_pton(AF_INET, address.c_str(), &at.sin_addr) != 1) {
    return error(errc::config_invalid, fmt::format("'{}' is not an IPv4 address", address));
  }
  socklen_t length = sizeof at;
  auto* const raw = reinterpret_cast<sockaddr*>(&at);
  if (socket.get() < 0 || ::bind(socket.get(), raw, length) != 0 ||
      (listens && ::listen(socket.get(), SOMAXCONN) != 0) || ::getsockname(socket.get(), raw, &length) != 0) {
    const int why = errno;
    return error(why == EADDRINUSE ? errc::address_in_use : errc::io_error,
                 fmt::format("cannot listen on {}:{}: {}", address, port, std::strerror(why)));
  }
  port = ntohs(at.sin_port);
  return socket;
}

server_thread::server_thread(emulated_node& node, const transport_factory& transports, std::uint64_t seed)
    : node_(node),
      transports_(transports),
      dispatcher_(node, counters_, seed),
      half_slack_ns_(nanoseconds(node.options.answer_slack).count() / 2),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      buffer_(read_buffer_bytes) {
  invariant(epoll_.get() >= 0 && wake_.get() >= 0, "the process has file descriptors left");
  watch(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), EPOLLIN, tag_wake);
}

server_thread::~server_thread() { stop(); }

void server_thread::start(std::vector<listener> listeners, std::vector<server_thread*> peers,
                          conducts* nodes) {
  peers_ = std::move(peers);
  nodes_ = nodes;
  for (listener& each : listeners) {
    watch(epoll_.get(), EPOLL_CTL_ADD, each.socket.get(), EPOLLIN, tag_first_listener + each.at.index());
    listeners_[each.at.index()] = std::move(each.socket);
  }
  thread_ = std::thread([this] { run(); });
}

void server_thread::stop() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  post(close_all{});
  thread_.join();
  for (const message& each : mailbox_) {
    if (const auto* socket = std::get_if<new_socket>(&each)) ::close(socket->fd);
    if (const auto* on = std::get_if<new_listener>(&each); on != nullptr && on->fd >= 0) ::close(on->fd);
  }
  mailbox_.clear();
}

void server_thread::post(message what) {
  {
    const std::lock_guard guard(mailbox_mutex_);
    mailbox_.push_back(std::move(what));
  }
  const std::uint64_t one = 1;
  static_cast<void>(!::write(wake_.get(), &one, sizeof one));
}

void server_thread::adopt(int socket, unsigned node, unsigned shard) {
  post(new_socket{socket, node, shard});
}
void server_thread::publish(event_kind kind, const std::string& event) { post(event_frame{kind, event}); }
void server_thread::replace_listener(listening_slot at, file_descriptor socket) {
  post(new_listener{at, socket.release()});
}
void server_thread::reconsider() { post(conduct_changed{}); }
void server_thread::drop_connections(std::optional<unsigned> of_node) { post(close_all{of_node}); }

nanoseconds server_thread::cpu() const noexcept {
  clockid_t of{};
  timespec spent{};
  auto& thread = const_cast<std::thread&>(thread_);
  if (!thread_.joinable() || ::pthread_getcpuclockid(thread.native_handle(), &of) != 0) return nanoseconds(0);
  if (::clock_gettime(of, &spent) != 0) return nanoseconds(0);
  return seconds(spent.tv_sec) + nanoseconds(spent.tv_nsec);
}

void server_thread::run() {
  ::pthread_setname_np(::pthread_self(), "cql-emulator");
  // Signals are the process's, not this thread's. SIGPIPE too: OpenSSL writes without MSG_NOSIGNAL.
  sigset_t signals{};
  for (const int each : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGUSR1, SIGUSR2})
    ::sigaddset(&signals, each);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::prctl(PR_SET_TIMERSLACK, 1000UL);  // the default of 50 µs would be added to every latency
  std::array<epoll_event, events_per_wait_max> events{};
  while (!stopping_.load(std::memory_order_acquire)) {
    const std::int64_t wait = wait_ns();
    timespec timeout{static_cast<time_t>(wait / 1'000'000'000), static_cast<long>(wait % 1'000'000'000)};
    const int ready = ::epoll_pwait2(epoll_.get(), events.data(), events_per_wait_max,
                                     wait < 0 ? nullptr : &timeout, nullptr);
    for (int i = 0; i < ready; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      take_event(event.data.u64, event.events);
    }
    if (!heap_.empty()) flush_due(now_ns());
    for (const std::uint64_t id : std::exchange(trickling_, {})) {
      if (const auto found = connections_.find(id); found != connections_.end()) mark(*found->second);
    }
    for (std::size_t i = 0; i < dirty_.size(); ++i) flush(*dirty_[i]);
    dirty_.clear();
    dead_letter();
  }
  connections_.clear();
}

void server_thread::take_event(std::uint64_t tag, std::uint32_t events) {
  if (tag == tag_wake) return drain_mailbox();
  if (tag < tag_first_listener + listening_slots) return accept_ready(tag - tag_first_listener);
  const auto found = connections_.find(tag);
  if (found == connections_.end()) return;
  connection& of = *found->second;
  if ((of.paused || of.held) && (events & (EPOLLERR | EPOLLHUP)) != 0) {
    kill(of);  // its end would never be read
  } else if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) {
    on_readable(of);
  }
  if ((events & EPOLLOUT) != 0) mark(of);
}

std::int64_t server_thread::wait_ns() const {
  if (!dirty_.empty()) return 0;
  std::int64_t next = heap_.empty() ? std::numeric_limits<std::int64_t>::max() : heap_.front().due_ns;
  for (const std::uint64_t id : trickling_) {
    if (const auto found = connections_.find(id); found != connections_.end())
      next = std::min(next, found->second->next_write_ns);
  }
  if (next == std::numeric_limits<std::int64_t>::max()) return -1;
  return std::max<std::int64_t>(0, next - now_ns());
}

void server_thread::drain_mailbox() {
  std::uint64_t count = 0;
  static_cast<void>(!::read(wake_.get(), &count, sizeof count));
  std::vector<message> taken;
  {
    const std::lock_guard guard(mailbox_mutex_);
    taken.swap(mailbox_);
  }
  for (const message& each : taken) {
    if (const auto* socket = std::get_if<new_socket>(&each)) {
      take(*socket);
    } else if (const auto* event = std::get_if<event_frame>(&each)) {
      send_event(*event);
    } else if (const auto* closes = std::get_if<close_all>(&each)) {
      close_connections(*closes);
    } else if (const auto* on = std::get_if<new_listener>(&each)) {
      listen(*on);
    } else {
      apply_conduct();
    }
  }
}

void server_thread::kill(connection& of) {
  if (of.dead) return;
  of.dead = true;
  dead_.push_back(of.id);
}

void server_thread::close_connections(const close_all& which) {
  for (const auto& [id, to] : connections_) {
    if (!which.of_node || *which.of_node == to->talk.node) kill(*to);
  }
}

void server_thread::send_event(const event_frame& event) {
  for (const auto& [id, to] : connections_) {
    if (!to->talk.wants_events[static_cast<std::size_t>(event.kind)]) continue;
    std::string frame = event.bytes;
    if (to->talk.compresses != compressor::none) {
      compress_frame(to->talk.compresses, frame, 0);
      thread_counters::add(counters_.compressed_out);
    }
    append(*to, frame, 0);
    mark(*to);
  }
}

void server_thread::listen(const new_listener& on) {
  file_descriptor& slot = listeners_[on.at.index()];
  if (slot.get() >= 0) watch(epoll_.get(), EPOLL_CTL_DEL, slot.get(), 0, 0);
  slot = file_descriptor(on.fd);
  if (on.fd >= 0) watch(epoll_.get(), EPOLL_CTL_ADD, on.fd, EPOLLIN, tag_first_listener + on.at.index());
}

void server_thread::apply_conduct() {
  for (const auto& [id, of] : connections_) {
    const bool held = (*nodes_)[of->talk.node].pauses.load(std::memory_order_acquire);
    const bool released = of->held && !held;
    of->held = held;
    of->next_write_ns = 0;
    if (of->dead) continue;
    if (released && of->stream->buffered()) on_readable(*of);  // epoll does not announce it
    mark(*of);
  }
}

// ScyllaDB takes the shard from the source port on its shard-aware port only.
unsigned server_thread::shard_for(listening_slot at, std::uint16_t source_port) {
  const unsigned shards = std::max(1U, node_.members.view()->nodes[at.node].shards);
  const bool by_port =
      at.shard_aware && node_.options.shard_aware_port != shard_aware_port_mode::ignores_source_port;
  return by_port ? source_port % shards : next_shard_[at.node]++ % shards;
}

void server_thread::accept_ready(std::size_t slot) {
  const listening_slot at{static_cast<unsigned>(slot / 2), slot % 2 != 0};
  for (int i = 0; i < accepts_per_turn_max; ++i) {
    sockaddr_in peer{};
    socklen_t peer_size = sizeof peer;
    const int socket = ::accept4(listeners_[slot].get(), reinterpret_cast<sockaddr*>(&peer), &peer_size,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0) return;
    thread_counters::add(counters_.connections_accepted);
    if ((*nodes_)[at.node].refuses.load(std::memory_order_acquire)) {
      ::close(socket);
      continue;
    }
    server_thread* to = peers_[next_peer_++ % peers_.size()];
    const unsigned shard = shard_for(at, ntohs(peer.sin_port));
    if (to == this)
      take({socket, at.node, shard});
    else
      to->adopt(socket, at.node, shard);
  }
}

void server_thread::take(const new_socket& from) {
  const int socket = from.fd;
  const int yes = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  auto made = std::make_unique<connection>();
  made->id = ++last_id_;
  made->stream = transports_.wrap(socket);
  made->talk.node = from.node;
  made->talk.shard = from.shard;
  node_conduct& of_node = (*nodes_)[from.node];
  of_node.connections[from.shard].fetch_add(1, std::memory_order_relaxed);
  made->held = of_node.pauses.load(std::memory_order_acquire);
  made->interest = made->held ? 0U : static_cast<std::uint32_t>(EPOLLIN);
  watch(epoll_.get(), EPOLL_CTL_ADD, socket, made->interest, made->id);
  connections_.emplace(made->id, std::move(made));
  counters_.connections_open.store(connections_.size(), std::memory_order_relaxed);
}

bool server_thread::over_budget(const connection& of) const {
  return of.out.size() - of.written > unsent_bytes_max || of.waiting > waiting_answers_max;
}

void server_thread::on_readable(connection& of) {
  for (int i = 0; i < reads_per_turn_max && !of.dead && !of.paused && !of.held; ++i) {
    const transfer got = of.stream->read(buffer_);
    if (got.is == transfer::state::closed) return kill(of);
    if (got.is == transfer::state::again) return;
    thread_counters::add(counters_.bytes_in, got.bytes);
    take_bytes(of, {buffer_.data(), got.bytes});
    if (got.bytes < buffer_.size() && !of.stream->buffered()) return;
  }
}

void server_thread::take_bytes(connection& of, std::string_view bytes) {
  if (of.closing) {
    of.discarded += bytes.size();
    if (of.discarded > discarded_bytes_max) kill(of);
    return;
  }
  if (of.in.empty()) {
    const std::size_t used = handle_frames(of, bytes);
    of.in.assign(bytes.substr(used));
    return;
  }
  of.in.append(bytes);
  of.in.erase(0, handle_frames(of, of.in));
  if (of.in.empty() && of.in.capacity() > kept_capacity_bytes) of.in.shrink_to_fit();
}

// Returns how many bytes complete frames took.
std::size_t server_thread::handle_frames(connection& of, std::string_view bytes) {
  std::size_t used = 0;
  while (!of.dead && !of.closing && !of.paused && bytes.size() - used >= frame_header_bytes) {
    wire_reader in(bytes.substr(used));
    request_head head;
    head.version = in.u8();
    head.flags = in.u8();
    head.stream = static_cast<std::int16_t>(in.u16());
    head.op = in.u8();
    const auto length = static_cast<std::uint32_t>(in.i32());
    reply_.clear();
    if (head.version != protocol_version || length > node_.options.frame_bytes_max) {
      const std::string why =
          head.version != protocol_version
              ? fmt::format("Invalid or unsupported protocol version ({}); supported versions are (4/v4)",
                            head.version & 0x7FU)
              : fmt::format("Request is too big: length {} exceeds maximum allowed length {}.", length,
                            node_.options.frame_bytes_max);
      dispatcher_.put_protocol_error(reply_, head.version != protocol_version ? std::int16_t{0} : head.stream,
                                     why);
      deliver(of, {fate::kind::answer_and_close, {}});
      return bytes.size();
    }
    if (in.left() < length) break;
    const fate what = dispatcher_.handle(of.talk, head, in.take(length), reply_);
    used += frame_header_bytes + length;
    deliver(of, what);
  }
  return of.dead || of.closing ? bytes.size() : used;
}

void server_thread::deliver(connection& of, fate what) {
  switch (what.is) {
    case fate::kind::silence:
      return;
    case fate::kind::drop:
      kill(of);
      return;
    case fate::kind::answer_and_close:
      of.closing = true;
      break;
    case fate::kind::answer:
      break;
  }
  if (what.delay.count() <= 0) {
    append(of, reply_, what.unending);
    mark(of);
  } else {
    std::uint32_t slot = 0;
    if (free_answers_.empty()) {
      slot = static_cast<std::uint32_t>(answers_.size());
      answers_.emplace_back();
    } else {
      slot = free_answers_.back();
      free_answers_.pop_back();
    }
    answers_[slot].connection = of.id;
    answers_[slot].frame.assign(reply_);
    answers_[slot].unending = what.unending;
    heap_.push_back({now_ns() + what.delay.count(), slot});
    std::push_heap(heap_.begin(), heap_.end(), later<delayed, delayed>);
    ++of.waiting;
    counters_.answers_delayed.store(heap_.size(), std::memory_order_relaxed);
  }
  if (over_budget(of)) {
    of.paused = true;
    mark(of);
  }
}

void server_thread::flush_due(std::int64_t now) {
  while (!heap_.empty() && heap_.front().due_ns <= now + half_slack_ns_) {
    const std::uint32_t slot = heap_.front().slot;
    std::pop_heap(heap_.begin(), heap_.end(), later<delayed, delayed>);
    heap_.pop_back();
    waiting_answer& answer = answers_[slot];
    if (const auto found = connections_.find(answer.connection); found != connections_.end()) {
      --found->second->waiting;
      append(*found->second, answer.frame, answer.unending);
      mark(*found->second);
    }
    if (answer.frame.capacity() > kept_capacity_bytes) std::string().swap(answer.frame);
    free_answers_.push_back(slot);
  }
  counters_.answers_delayed.store(heap_.size(), std::memory_order_relaxed);
}

void server_thread::mark(connection& of) {
  if (of.dirty) return;
  of.dirty = true;
  dirty_.push_back(&of);
}

// After a header without end, everything that follows is part of its body for the client, and the last byte of
// the body never comes.
void server_thread::append(connection& to, std::string_view frame, std::size_t unending) {
  if (to.unending) {
    frame = frame.substr(0, std::min(frame.size(), *to.unending - 1));
    *to.unending -= frame.size();
  } else if (unending > 0) {
    to.unending = unending;
  }
  to.out += frame;
}

std::size_t server_thread::allowance(connection& of) {
  const node_conduct& node = (*nodes_)[of.talk.node];
  const std::size_t drop = node.trickle_bytes.load(std::memory_order_acquire);
  if (drop == 0 || of.written == of.out.size()) return SIZE_MAX;
  const std::int64_t now = now_ns();
  trickling_.push_back(of.id);
  if (now < of.next_write_ns) return 0;
  of.next_write_ns = now + node.trickle_every_ns.load(std::memory_order_acquire);
  return drop;
}

void server_thread::flush(connection& of) {
  of.dirty = false;
  std::size_t allowed = of.dead ? 0 : allowance(of);
  while (!of.dead && of.written < of.out.size() && allowed > 0) {
    const transfer sent = of.stream->write(std::string_view(of.out).substr(of.written, allowed));
    if (sent.is == transfer::state::again) break;
    if (sent.is == transfer::state::closed) return kill(of);
    of.written += sent.bytes;
    allowed -= sent.bytes;
    thread_counters::add(counters_.bytes_out, sent.bytes);
  }
  if (of.written == of.out.size()) {
    of.out.clear();
    of.written = 0;
    if (of.out.capacity() > unsent_bytes_max) of.out.shrink_to_fit();
    if (of.closing && !of.finished && !of.dead) {
      of.finished = true;
      of.stream->finish();
    }
  }
  if (of.paused && !of.held && !of.dead && !over_budget(of)) {
    of.paused = false;
    const std::size_t used = handle_frames(of, of.in);
    of.in.erase(0, used);
  }
  if (!of.dead) update_interest(of);
}

void server_thread::update_interest(connection& of) {
  const bool trickles = (*nodes_)[of.talk.node].trickle_bytes.load(std::memory_order_acquire) != 0;
  const bool writes = of.written < of.out.size() && !trickles;
  const std::uint32_t wanted = (of.paused || of.held ? 0U : static_cast<std::uint32_t>(EPOLLIN)) |
                               (writes ? static_cast<std::uint32_t>(EPOLLOUT) : 0U);
  if (wanted == of.interest) return;
  of.interest = wanted;
  watch(epoll_.get(), EPOLL_CTL_MOD, of.stream->descriptor(), wanted, of.id);
}

void server_thread::retire(const connection& of) {
  (*nodes_)[of.talk.node].connections[of.talk.shard].fetch_sub(1, std::memory_order_relaxed);
}

void server_thread::dead_letter() {
  if (dead_.empty()) return;
  for (const std::uint64_t id : dead_) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) continue;
    std::erase(dirty_, found->second.get());
    retire(*found->second);
    connections_.erase(found);
  }
  dead_.clear();
  counters_.connections_open.store(connections_.size(), std::memory_order_relaxed);
}

}  // namespace millrace::emulators::cql
