#include <algorithm>
#include <charconv>
#include <utility>

#include <millrace/base/assert.h>
#include <millrace/http/connection_pool.h>
#include <millrace/runtime/timer.h>

#include "pool_connection.h"
#include "request_text.h"
#include "tls_context.h"

namespace millrace::http {
namespace {

constexpr seconds addresses_kept_for{30};
// After the name server has failed.
constexpr seconds resolved_again_after{1};

// Addresses from the resolver's thread. Shared with it: an answer may come after the end of the pool.
struct inbox {
  void post(name_resolver::addresses found) {
    const std::lock_guard lock(mutex);
    if (loop == nullptr) return;
    arrived.emplace(std::move(found));
    loop->wake();
  }
  std::optional<name_resolver::addresses> take() {
    const std::lock_guard lock(mutex);
    return std::exchange(arrived, std::nullopt);
  }
  void end() {
    const std::lock_guard lock(mutex);
    loop = nullptr;
  }

  std::mutex mutex;
  runtime::loop* loop = nullptr;
  std::optional<name_resolver::addresses> arrived;
};

void complete(transfer& what, result<response> answer) {
  what.answer.emplace(std::move(answer));
  what.on_complete(what);
}

}  // namespace

class connection_pool::core final : private connection_owner,
                                    private runtime::step,
                                    private runtime::deferred,
                                    private runtime::timer {
 public:
  core(runtime::loop& l, pool_options options, std::shared_ptr<const identity> as, name_resolver& names)
      : loop_(l),
        options_(std::move(options)),
        as_(std::move(as)),
        names_(names),
        tls_(options_.files),
        inbox_(std::make_shared<inbox>()) {
    std::from_chars(options_.server.port.data(), options_.server.port.data() + options_.server.port.size(),
                    port_);
    inbox_->loop = &loop_;
    loop_.add_step(runtime::phase::intake, *this);
    if (is_ip_address(options_.server.host)) addresses_ = {options_.server.host};
  }
  ~core() override {
    inbox_->end();
    loop_.remove_step(*this);
    unlink();
    while (transfer* waiting = waiting_.pop_front()) refuse(*waiting, errc::cancelled, "the process ends");
    for (const auto& each : connections_) each->abandon();
    unlink();
    for (transfer* left : std::exchange(carried_, {})) refuse(*left, errc::cancelled, "the process ends");
  }

  void submit(transfer& what);
  void cancel(transfer& what);
  [[nodiscard]] std::size_t connections() const noexcept {
    return static_cast<std::size_t>(
        std::count_if(connections_.begin(), connections_.end(), [](const auto& c) { return !c->is_dead(); }));
  }
  [[nodiscard]] std::uint64_t opened() const noexcept { return opened_; }

 private:
  void refuse(transfer& what, errc code, const std::string& why) {
    complete(what, error(code, options_.server.text() + ": " + why));
  }
  void begin(transfer& what);
  void connect(transfer& what);
  void forget(const transfer& what) noexcept { std::erase(carried_, &what); }

  // connection_owner
  void answered(transfer& what, result<response> answer) override {
    forget(what);
    complete(what, std::move(answer));
  }
  void stale(transfer& what) override {
    forget(what);
    what.was_repeated = true;
    // The others were kept as long: they are not tried.
    for (const auto& each : connections_) {
      if (each->is_idle()) each->abandon();
    }
    begin(what);
  }
  void unreachable(transfer& what, error why) override {
    forget(what);
    addresses_until_ = loop_.now();  // they may have changed
    complete(what, std::move(why));
  }
  void died() override {
    if (!linked()) loop_.defer(*this);
  }

  bool on_turn() override;  // addresses may have arrived
  void run() override {     // dead connections are removed
    std::erase_if(connections_, [](const auto& each) { return each->is_dead(); });
  }
  void on_timer() override;  // a transfer has waited too long for addresses
  void watch_waiting();
  // For addresses.
  [[nodiscard]] instant waits_until(const transfer& what) const noexcept {
    return std::min(what.deadline, what.deadline + (options_.connect_timeout - what.timeout));
  }

  runtime::loop& loop_;
  const pool_options options_;
  const std::shared_ptr<const identity> as_;
  name_resolver& names_;
  tls_source tls_;
  std::uint16_t port_ = 0;
  std::shared_ptr<inbox> inbox_;
  bool resolving_ = false;
  std::vector<std::string> addresses_;
  instant addresses_until_;
  runtime::intrusive_list<transfer> waiting_;  // for addresses
  std::vector<transfer*> carried_;
  std::vector<std::unique_ptr<pool_connection>> connections_;
  std::uint64_t opened_ = 0;
};

void connection_pool::core::submit(transfer& what) {
  what.answer.reset();
  what.was_repeated = false;
  what.deadline = loop_.time().now() + what.timeout;
  begin(what);
}

void connection_pool::core::begin(transfer& what) {
  // The last one that became idle is the least likely to have been closed.
  const auto idle = std::find_if(connections_.rbegin(), connections_.rend(),
                                 [](const auto& each) { return each->is_idle(); });
  if (idle != connections_.rend()) {
    auto text = text_of(what.request, options_.server, *as_->now());
    if (!text) return complete(what, text.error());
    carried_.push_back(&what);
    return (*idle)->carry(what, *std::move(text));
  }
  if (connections() >= options_.connections_max)
    return refuse(what, errc::service_overloaded, "every connection is at work (`connections_max`)");
  const bool resolved =
      !addresses_.empty() && (loop_.time().now() < addresses_until_ || is_ip_address(options_.server.host));
  if (resolved) return connect(what);
  waiting_.push_back(what);
  watch_waiting();
  if (std::exchange(resolving_, true)) return;
  names_.resolve(options_.server.host,
                 [to = inbox_](name_resolver::addresses found) { to->post(std::move(found)); });
}

void connection_pool::core::connect(transfer& what) {
  auto text = text_of(what.request, options_.server, *as_->now());
  if (!text) return complete(what, text.error());
  std::shared_ptr<ssl_ctx_st> tls;
  if (options_.server.tls) {
    const auto now = tls_.now();
    if (!now) return refuse(what, errc::service_unavailable, now.error().message());
    tls = *now;
  }
  connection_owner& owner = *this;  // a private base, which make_unique cannot reach
  connections_.push_back(std::make_unique<pool_connection>(loop_, options_, owner));
  ++opened_;
  carried_.push_back(&what);
  connections_.back()->begin(addresses_, port_, std::move(tls), what, *std::move(text));
}

bool connection_pool::core::on_turn() {
  if (!resolving_) return false;
  auto found = inbox_->take();
  if (!found) return false;
  resolving_ = false;
  if (*found) {
    addresses_ = **std::move(found);
    addresses_until_ = loop_.time().now() + addresses_kept_for;
  } else {
    addresses_until_ = loop_.time().now() + resolved_again_after;  // the former ones, if there are any
  }
  runtime::intrusive_list<transfer> all;
  waiting_.splice_into(all);
  while (transfer* next = all.pop_front()) {
    if (!*found && addresses_.empty()) {
      refuse(*next, errc::service_unavailable, found->error().message());
    } else {
      begin(*next);
    }
  }
  watch_waiting();
  return false;
}

void connection_pool::core::watch_waiting() {
  std::optional<instant> first;
  for (transfer* each = waiting_.front(); each != nullptr; each = waiting_.next(*each)) {
    const instant until = waits_until(*each);
    if (!first || until < *first) first = until;
  }
  if (!first) return timer::cancel();
  loop_.start_at(*this, *first);
}

void connection_pool::core::on_timer() {
  runtime::intrusive_list<transfer> all;
  waiting_.splice_into(all);
  while (transfer* next = all.pop_front()) {
    if (waits_until(*next) > loop_.time().now()) {
      waiting_.push_back(*next);
      continue;
    }
    refuse(*next, errc::service_unavailable,
           "the name '" + options_.server.host + "' is not resolved in time");
  }
  watch_waiting();
}

void connection_pool::core::cancel(transfer& what) {
  if (what.linked()) {
    what.unlink();
    watch_waiting();
  } else {
    pool_connection* const carrier = what.connection;
    invariant(carrier != nullptr, "a transfer that is cancelled is at work");
    carrier->abandon();
    forget(what);
  }
  refuse(what, errc::cancelled, "the request was cancelled");
}

connection_pool::connection_pool(runtime::loop& l, pool_options options, std::shared_ptr<const identity> as,
                                 name_resolver& names)
    : core_(std::make_unique<core>(l, std::move(options), std::move(as), names)) {}
connection_pool::~connection_pool() = default;

void connection_pool::submit(transfer& what) { core_->submit(what); }
void connection_pool::cancel(transfer& what) { core_->cancel(what); }
std::size_t connection_pool::connections() const noexcept { return core_->connections(); }
std::uint64_t connection_pool::opened() const noexcept { return core_->opened(); }

}  // namespace millrace::http
