#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <millrace/base/assert.h>
#include <millrace/kafka/producer.h>

#include "producer_client.h"

namespace millrace::kafka {
namespace {

// Clients in a row that fail before the broker has acknowledged a record of theirs.
constexpr std::uint32_t replacements_max = 5;

// Another client would be refused in the same way until a person acts.
bool needs_an_operator(const error& failure) noexcept {
  return failure.code() == errc::broker_unauthorized || failure.code() == errc::config_invalid ||
         failure.code() == errc::tls_error;
}

}  // namespace

// Owns the client in use, and those that failed until they have answered for every record.
class producer::connection final : public runtime::step, public runtime::timer {
 public:
  connection(producer_config config, runtime::loop& worker) : config_(std::move(config)), worker_(worker) {}
  ~connection() override {
    if (client_) worker_.remove_step(*this);
  }

  result<void> open() {
    if (result<void> made = make_client(); !made) return made;
    worker_.add_step(runtime::phase::produce, *this);
    return {};
  }

  bool on_turn() override;
  result<void> produce(const stream::outgoing& record, stream::receipt& answer) {
    return client_->produce(record, answer);
  }
  void purge() {
    client_->purge();
    for (const auto& each : failed_) each->purge();
  }
  void flush() { client_->flush(); }
  [[nodiscard]] std::size_t in_flight() const noexcept {
    std::size_t all = client_->in_flight();
    for (const auto& each : failed_) all += each->in_flight();
    return all;
  }
  [[nodiscard]] const error* failure() const noexcept { return failure_ ? &*failure_ : nullptr; }
  [[nodiscard]] const producer_counters& counters() const noexcept { return counters_; }

 private:
  result<void> make_client();
  void on_client_failure();
  void on_timer() override { replace(); }
  void replace();
  void end(error cause);

  producer_config config_;
  runtime::loop& worker_;
  producer_counters counters_;
  std::unique_ptr<producer_client> client_;
  std::vector<std::unique_ptr<producer_client>> failed_;
  bool noted_ = false;  // the failure of `client_`
  std::uint32_t replaced_in_a_row_ = 0;
  std::optional<error> failure_;
};

result<void> producer::connection::make_client() {
  result<std::unique_ptr<producer_client>> made = producer_client::make(config_, worker_, counters_);
  if (!made) return std::move(made).error().in("sink");
  client_ = std::move(made).value();
  noted_ = false;
  return {};
}

bool producer::connection::on_turn() {
  bool more = client_->serve(0);
  if (client_->failure() && !noted_) on_client_failure();
  for (auto each = failed_.begin(); each != failed_.end();) {
    more = (*each)->serve(0) || more;
    if ((*each)->in_flight() > 0) {
      ++each;
      continue;
    }
    producer_client::end_in_background(std::move(*each));
    each = failed_.erase(each);
  }
  return more;
}

// Its records are answered with produce_failed, so that their owners send them again by the next client.
void producer::connection::on_client_failure() {
  noted_ = true;
  client_->purge();
  if (client_->has_delivered()) replaced_in_a_row_ = 0;
  const error& cause = *client_->failure();
  if (needs_an_operator(cause)) return end(cause);
  if (replaced_in_a_row_ == replacements_max) {
    return end(error(errc::produce_failed,
                     cause.message() + "; " + std::to_string(replacements_max) +
                         " new producers in a row failed before the broker acknowledged a record"));
  }
  if (config_.on_error) {
    config_.on_error(error(errc::produce_failed, cause.message() + "; the producer is replaced, and its "
                                                                   "unacknowledged records are sent again"),
                     false);
  }
  const std::uint32_t earlier = replaced_in_a_row_++;
  if (earlier == 0) return replace();
  worker_.start(*this, config_.replace_backoff * (1U << (earlier - 1)));
}

void producer::connection::replace() {
  failed_.push_back(std::move(client_));
  if (result<void> made = make_client(); !made) {
    client_ = std::move(failed_.back());
    failed_.pop_back();
    return end(made.error());
  }
  ++counters_.replaced;
}

void producer::connection::end(error cause) {
  failure_ = std::move(cause);
  if (config_.on_error) config_.on_error(*failure_, true);
  worker_.wake();
}

result<std::unique_ptr<producer>> producer::create(producer_config config, runtime::loop& worker) {
  auto link = std::make_unique<connection>(std::move(config), worker);
  if (result<void> opened = link->open(); !opened) return opened.error();
  return std::unique_ptr<producer>(new producer(std::move(link)));
}

producer::producer(std::unique_ptr<connection> link) : link_(std::move(link)) {}
producer::~producer() = default;

result<void> producer::produce(const stream::outgoing& record, stream::receipt& answer) {
  return link_->produce(record, answer);
}
void producer::flush() { link_->flush(); }
std::size_t producer::in_flight() const noexcept { return link_->in_flight(); }
const error* producer::failure() const noexcept { return link_->failure(); }
void producer::abandon() { link_->purge(); }
const producer_counters& producer::counters() const noexcept { return link_->counters(); }

}  // namespace millrace::kafka
