#include "cql_server.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <limits>

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

result<file_descriptor> listen_on(const std::string& address, std::uint16_t& port) {
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
  if (socket.get() < 0 || ::bind(socket.get(), raw, length) != 0 || ::listen(socket.get(), SOMAXCONN) != 0 ||
      ::getsockname(socket.get(), raw, &length) != 0) {
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

void server_thread::start(std::vector<int> listeners, std::vector<server_thread*> peers,
                          const refusals* refusing) {
  listeners_ = std::move(listeners);
  peers_ = std::move(peers);
  refusing_ = refusing;
  for (std::size_t node = 0; node < listeners_.size(); ++node) {
    watch(epoll_.get(), EPOLL_CTL_ADD, listeners_[node], EPOLLIN, tag_first_listener + node);
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
void server_thread::publish(const std::string& event) { post(event_frame{event}); }
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
      if (event.data.u64 == tag_wake) {
        drain_mailbox();
      } else if (event.data.u64 < tag_first_listener + listeners_.size()) {
        accept_ready(static_cast<unsigned>(event.data.u64 - tag_first_listener));
      } else if (const auto found = connections_.find(event.data.u64); found != connections_.end()) {
        connection& of = *found->second;
        if (of.paused && (event.events & (EPOLLERR | EPOLLHUP)) != 0) {
          of.dead = true;  // its end would never be read
          dead_.push_back(of.id);
        } else if ((event.events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) {
          on_readable(of);
        }
        if ((event.events & EPOLLOUT) != 0) mark(of);
      }
    }
    if (!heap_.empty()) flush_due(now_ns());
    for (std::size_t i = 0; i < dirty_.size(); ++i) flush(*dirty_[i]);
    dirty_.clear();
    dead_letter();
  }
  connections_.clear();
}

std::int64_t server_thread::wait_ns() const {
  if (!dirty_.empty()) return 0;
  if (heap_.empty()) return -1;
  return std::max<std::int64_t>(0, heap_.front().due_ns - now_ns());
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
      continue;
    }
    const auto* event = std::get_if<event_frame>(&each);
    const auto* closes = std::get_if<close_all>(&each);
    for (const auto& [id, to] : connections_) {
      if (closes != nullptr) {
        if (closes->of_node && *closes->of_node != to->talk.node) continue;
        to->dead = true;
        dead_.push_back(id);
      } else if (event != nullptr && to->talk.wants_schema_events) {
        to->out += event->bytes;
        mark(*to);
      }
    }
  }
}

void server_thread::accept_ready(unsigned node) {
  for (int i = 0; i < accepts_per_turn_max; ++i) {
    sockaddr_in peer{};
    socklen_t peer_size = sizeof peer;
    const int socket = ::accept4(listeners_[node], reinterpret_cast<sockaddr*>(&peer), &peer_size,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0) return;
    thread_counters::add(counters_.connections_accepted);
    if ((*refusing_)[node].load(std::memory_order_acquire)) {
      ::close(socket);
      continue;
    }
    server_thread* to = peers_[next_peer_++ % peers_.size()];
    // The one port is ScyllaDB's shard-aware port too, where the client's port says which shard it wants.
    const unsigned shard = ntohs(peer.sin_port) % std::max(1U, node_.options.shards);
    if (to == this)
      take({socket, node, shard});
    else
      to->adopt(socket, node, shard);
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
  made->interest = EPOLLIN;
  watch(epoll_.get(), EPOLL_CTL_ADD, socket, EPOLLIN, made->id);
  connections_.emplace(made->id, std::move(made));
  counters_.connections_open.store(connections_.size(), std::memory_order_relaxed);
}

bool server_thread::over_budget(const connection& of) const {
  return of.out.size() - of.written > unsent_bytes_max || of.waiting > waiting_answers_max;
}

void server_thread::on_readable(connection& of) {
  for (int i = 0; i < reads_per_turn_max && !of.dead && !of.paused; ++i) {
    const transfer got = of.stream->read(buffer_);
    if (got.is == transfer::state::closed) {
      of.dead = true;
      dead_.push_back(of.id);
      return;
    }
    if (got.is == transfer::state::again) return;
    thread_counters::add(counters_.bytes_in, got.bytes);
    take_bytes(of, {buffer_.data(), got.bytes});
    if (got.bytes < buffer_.size() && !of.stream->buffered()) return;
  }
}

void server_thread::take_bytes(connection& of, std::string_view bytes) {
  if (of.closing) {
    of.discarded += bytes.size();
    if (of.discarded > discarded_bytes_max && !of.dead) {
      of.dead = true;
      dead_.push_back(of.id);
    }
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
      of.dead = true;
      dead_.push_back(of.id);
      return;
    case fate::kind::answer_and_close:
      of.closing = true;
      break;
    case fate::kind::answer:
      break;
  }
  if (what.delay.count() <= 0) {
    of.out += reply_;
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
      found->second->out += answer.frame;
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

void server_thread::flush(connection& of) {
  of.dirty = false;
  while (!of.dead && of.written < of.out.size()) {
    const transfer sent = of.stream->write(std::string_view(of.out).substr(of.written));
    if (sent.is == transfer::state::again) break;
    if (sent.is == transfer::state::closed) {
      of.dead = true;
      dead_.push_back(of.id);
      return;
    }
    of.written += sent.bytes;
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
  if (of.paused && !of.dead && !over_budget(of)) {
    of.paused = false;
    const std::size_t used = handle_frames(of, of.in);
    of.in.erase(0, used);
  }
  if (!of.dead) update_interest(of);
}

void server_thread::update_interest(connection& of) {
  const std::uint32_t wanted = (of.paused ? 0U : static_cast<std::uint32_t>(EPOLLIN)) |
                               (of.written < of.out.size() ? static_cast<std::uint32_t>(EPOLLOUT) : 0U);
  if (wanted == of.interest) return;
  of.interest = wanted;
  watch(epoll_.get(), EPOLL_CTL_MOD, of.stream->descriptor(), wanted, of.id);
}

void server_thread::dead_letter() {
  if (dead_.empty()) return;
  for (const std::uint64_t id : dead_) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) continue;
    std::erase(dirty_, found->second.get());
    connections_.erase(found);
  }
  dead_.clear();
  counters_.connections_open.store(connections_.size(), std::memory_order_relaxed);
}

}  // namespace millrace::emulators::cql
