#include "lookup_cache.h"

#include <cstring>
#include <exception>
#include <new>
#include <random>
#include <utility>

#include <millrace/base/assert.h>
#include <millrace/base/exceptions.h>
#include <millrace/base/key_hash.h>

namespace millrace::cql::internal {
namespace {

// What an allocation costs besides its bytes.
constexpr std::size_t block_bytes = 16;

std::uint64_t random_seed() {
  std::random_device source;
  return (std::uint64_t{source()} << 32U) | source();
}

}  // namespace

std::size_t cached_row::size_of(bytes_view key, const stream::rows_ref& answer) noexcept {
  return sizeof(cached_row) + key.size() + (answer ? answer->cells.size() : 0) + block_bytes;
}

cached_row* cached_row::make(statements::byte_account* account, bytes_view key,
                             const stream::rows_ref& answer) {
  const std::size_t size = size_of(key, answer);
  if (account != nullptr && !account->try_hold(size)) return nullptr;
  void* const block = ::operator new(size - block_bytes);
  auto* const made = new (block) cached_row(account, size);
  made->key_bytes_ = key.size();
  std::byte* to = static_cast<std::byte*>(block) + sizeof(cached_row);
  if (!key.empty()) std::memcpy(to, key.data(), key.size());
  if (answer && answer->row_count > 0) {
    const bytes_view from = answer->cells;
    if (!from.empty()) std::memcpy(to + key.size(), from.data(), from.size());
    made->cells = {to + key.size(), from.size()};
    made->row_count = answer->row_count;
    made->column_count = answer->column_count;
  }
  made->retain();
  return made;
}

void cached_row::destroy() noexcept {
  if (account_ != nullptr) account_->let_go(size_);
  this->~cached_row();
  ::operator delete(static_cast<void*>(this));
}

statements::lookup_statistics lookup_metrics::read() const noexcept {
  return {.hits = hits.total(),
          .negative_hits = negative_hits.total(),
          .shared = shared.total(),
          .misses = misses.total(),
          .absent = absent.total(),
          .evictions = evictions.total(),
          .invalidations = invalidations.total(),
          .entries = static_cast<std::uint64_t>(entries.value()),
          .bytes = static_cast<std::uint64_t>(bytes.value())};
}

lookup_cache::lookup_cache(std::string cql, const statements::lookup_options& options,
                           statements::lookup_room& room, const std::string& name)
    : cql_(std::move(cql)),
      options_(options),
      memory_(room.memory),
      metrics_(room.counts, name),
      seed_(random_seed()),
      entries_(options.entries_max),
      inbox_(room.board.channel(name)) {
  if (memory_ != nullptr) fits_ = memory_->try_hold(entries_.bytes());
  show();
}

lookup_cache::~lookup_cache() {
  invariant(flight_count_ == 0, "every request of a lookup is answered before its worker ends");
  while (cached_row* entry = by_use_.front()) remove(*entry);
  if (memory_ != nullptr && fits_) memory_->let_go(entries_.bytes());
}

lookup_start lookup_cache::begin(stream::context ctx, const lookup_base& asker, bytes_view key) {
  if (inbox_.pending()) read_inbox();
  const std::uint64_t hash = key_hash(key, seed_);
  if (cached_row* entry = entries_.find(hash, key)) {
    if (ctx.loop().now() < entry->expires_at) {
      entry->unlink();
      by_use_.push_back(*entry);
      if (entry->row_count == 0) {
        metrics_.negative_hits.add();
        metrics_.absent.add();
        return {};
      }
      metrics_.hits.add();
      entry->retain();
      return {.row = entry};
    }
    remove(*entry);
    show();
  }
  if (lookup_flight* flight = flights_.find(hash, key)) {
    metrics_.shared.add();
    return {.flight = flight};
  }
  metrics_.misses.add();
  lookup_flight& flight = take_flight();
  flight.asker = &asker;
  flight.statement = &asker.statement();
  flight.key_bytes.assign(key.begin(), key.end());
  flight.cells = flight.key_bytes;
  flight.hash = hash;
  flight.asked_at = ctx.loop().now();
  flights_.insert(flight);
  return {.flight = &flight};
}

// The waiter is in the list before the request is on its way, whenever the answer comes.
void lookup_cache::wait(lookup_flight& flight, lookup_waiter& waiter, stream::store& database) {
  if (flight.last == nullptr)
    flight.first = &waiter;
  else
    flight.last->next = &waiter;
  flight.last = &waiter;
  if (std::exchange(flight.submitted, true)) return;
  database.submit(flight);
}

lookup_flight& lookup_cache::take_flight() {
  ++flight_count_;
  if (free_flights_ == nullptr) {
    lookup_flight& made = *all_flights_.emplace_back(std::make_unique<lookup_flight>());
    made.owner = this;
    made.on_complete = [](stream::store_request& done) {
      auto& flight = static_cast<lookup_flight&>(done);
      flight.owner->on_answer(flight);
    };
    return made;
  }
  lookup_flight& taken = *free_flights_;
  free_flights_ = taken.next;
  taken.next = nullptr;
  return taken;
}

namespace {

// A codec may be the user's: what it throws is the error of everybody who waits.
[[nodiscard]] result<void> readable(const lookup_base& by, const stream::rows_ref& answer) {
  try {
    return by.readable(answer);
  } catch (...) {
    return millrace::error_of(errc::processor_threw, millrace::describe(std::current_exception()));
  }
}

}  // namespace

void lookup_cache::on_answer(lookup_flight& flight) {
  if (inbox_.pending()) read_inbox();
  if (!flight.stale) flights_.remove(flight);
  result<stream::rows_ref> answer = std::move(*flight.answer);
  if (answer && *answer && (*answer)->row_count > 0) {
    if (auto fits = readable(*flight.asker, *answer); !fits) answer = fits.error();
  }
  if (answer && !flight.stale) answer = keep(flight, *std::move(answer));
  const bool none = answer && (!*answer || (*answer)->row_count == 0);
  // Resumed ones may look up again, also this key; the flight is off the table and theirs no more.
  for (lookup_waiter* waiter = flight.first; waiter != nullptr;) {
    lookup_waiter* const next = waiter->next;
    if (none) metrics_.absent.add();
    waiter->answer = &answer;
    waiter->waiting.resume();
    waiter = next;
  }
  flight.first = flight.last = nullptr;
  flight.submitted = flight.stale = false;
  flight.answer.reset();
  flight.next = free_flights_;
  free_flights_ = &flight;
  --flight_count_;
}

// The answer as it is to be used: the cached copy, when there is one.
stream::rows_ref lookup_cache::keep(const lookup_flight& flight, stream::rows_ref answer) {
  const bool none = !answer || answer->row_count == 0;
  const milliseconds lifetime = none ? options_.negative_ttl : options_.ttl;
  if (lifetime.count() <= 0 || options_.entries_max == 0) return answer;
  if (cached_row* before = entries_.find(flight.hash, flight.key())) remove(*before);
  const std::size_t size = cached_row::size_of(flight.key(), answer);
  cached_row* made = nullptr;
  if (size <= options_.bytes_max) {
    while (entry_count_ >= options_.entries_max || entry_bytes_ + size > options_.bytes_max) evict();
    made = cached_row::make(memory_, flight.key(), answer);
    // Records need the memory more; what is cached here makes room for what is newer.
    while (made == nullptr && entry_count_ > 0) {
      evict();
      made = cached_row::make(memory_, flight.key(), answer);
    }
  }
  if (made == nullptr) {
    metrics_.evictions.add();
    show();
    return answer;
  }
  made->hash = flight.hash;
  made->expires_at = flight.asked_at + lifetime;
  entries_.insert(*made);
  by_use_.push_back(*made);
  ++entry_count_;
  entry_bytes_ += made->size();
  show();
  return none ? stream::rows_ref() : stream::rows_ref(made);
}

void lookup_cache::remove(cached_row& entry) noexcept {
  entries_.remove(entry);
  entry.unlink();
  --entry_count_;
  entry_bytes_ -= entry.size();
  entry.release();
}

void lookup_cache::evict() noexcept {
  remove(*by_use_.front());
  metrics_.evictions.add();
}

void lookup_cache::read_inbox() {
  inbox_.read([this](bytes_view key) { invalidate(key); }, [this] { invalidate_everything(); });
  show();
}

void lookup_cache::invalidate(bytes_view key) {
  const std::uint64_t hash = key_hash(key, seed_);
  if (cached_row* entry = entries_.find(hash, key)) {
    remove(*entry);
    metrics_.invalidations.add();
  }
  if (lookup_flight* flight = flights_.find(hash, key)) {
    flights_.remove(*flight);
    flight->stale = true;
    metrics_.invalidations.add();
  }
}

void lookup_cache::invalidate_everything() {
  metrics_.invalidations.add(entry_count_);
  while (cached_row* entry = by_use_.front()) remove(*entry);
  flights_.take_all([this](lookup_flight& flight) {
    flight.stale = true;
    metrics_.invalidations.add();
  });
}

void lookup_cache::show() noexcept {
  metrics_.entries.set(static_cast<double>(entry_count_));
  metrics_.bytes.set(static_cast<double>(entry_bytes_ + entries_.bytes()));
}

}  // namespace millrace::cql::internal
