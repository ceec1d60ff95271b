#include "dead_letter.h"

#include <algorithm>

#include <millrace/base/key_hash.h>
#include <millrace/base/text.h>

namespace millrace::engine {
namespace {

constexpr std::size_t message_bytes_max = 1'024;

std::int64_t to_millis(timestamp_micros at) {
  return std::chrono::duration_cast<milliseconds>(at.time_since_epoch()).count();
}

std::size_t header_bytes(const stream::record_block& block) noexcept {
  std::size_t bytes = 0;
  for (std::uint32_t i = 0; i < block.header_count(); ++i) {
    const stream::header_view header = block.header_at(i);
    bytes += header.name.size() + (header.value ? header.value->size() : 0);
  }
  return bytes;
}

}  // namespace

void dead_letter_omissions::leave_out_more(const envelope& of) noexcept {
  const stream::record_block& block = of.block();
  const std::size_t in_value = !value && block.value() ? block.value()->size() : 0;
  const std::size_t in_key = !key && block.key() ? block.key()->size() : 0;
  const std::size_t in_headers = headers ? 0 : header_bytes(block);
  const std::size_t largest = std::max({in_value, in_key, in_headers});
  if (largest == 0) {
    value = headers = key = details = true;
  } else if (largest == in_value) {
    value = true;
  } else if (largest == in_headers) {
    headers = true;
  } else {
    key = true;
  }
}

dead_letter_record::dead_letter_record(const engine_options& options, const dead_letter_facts& facts)
    : options_(options),
      facts_(facts),
      original_(facts.of.block()),
      offset_(std::to_string(original_.offset())),
      created_(std::to_string(original_.created().time_since_epoch().count())),
      schema_id_(std::to_string(facts.of.schema_id)),
      attempts_(std::to_string(facts.attempts)),
      first_failed_(std::to_string(to_millis(facts.first_failed))),
      trace_("stage " + std::string(facts.stage)),
      message_(std::string_view(facts.cause.message()).substr(0, message_bytes_max)) {
  if (!facts.processor.empty())
    trace_ += ", processor " + std::string(facts.processor) + ", attempt " + attempts_;
  headers_.reserve((facts.without.headers ? 0 : original_.header_count()) + 24);
  if (!facts.without.headers) add_original_headers();
  if (options.dead_letter_headers != dead_letter_header_names::streams) add_own_headers();
  if (options.dead_letter_headers != dead_letter_header_names::millrace) add_streams_headers();
  add_omissions();
}

stream::outgoing dead_letter_record::outgoing() const {
  stream::outgoing out{facts_.topic, original_.key(), original_.value(), headers_};
  if (facts_.without.value) out.value.reset();
  if (facts_.without.key) out.key.reset();
  return out;
}

void dead_letter_record::add(std::string_view name, std::string_view value) {
  headers_.push_back({name, as_bytes(value)});
}

void dead_letter_record::add_original_headers() {
  for (std::uint32_t i = 0; i < original_.header_count(); ++i) headers_.push_back(original_.header_at(i));
}

void dead_letter_record::add_own_headers() {
  add("millrace.dlq.code", to_string(facts_.cause.code()));
  add("millrace.dlq.topic", facts_.of.topic());
  add("millrace.dlq.partition", facts_.of.of().number);
  add("millrace.dlq.offset", offset_);
  add_processor();
  const std::optional<bytes_view> redriven_for = original_group();
  headers_.push_back({"millrace.dlq.group", redriven_for ? *redriven_for : as_bytes(options_.group)});
  if (facts_.without.details) return;
  const bool by_user = facts_.cause.code() == errc::rejected;
  add("millrace.dlq.reason", by_user ? message_ : describe(facts_.cause.code()));
  add("millrace.dlq.stage", facts_.stage);
  add("millrace.dlq.message", message_);
  add("millrace.dlq.timestamp", created_);
  if (facts_.of.schema_id >= 0) add("millrace.dlq.schema_id", schema_id_);
  add("millrace.dlq.attempts", attempts_);
  add("millrace.dlq.first_failed_at", first_failed_);
  add("millrace.dlq.version", options_.version);
}

void dead_letter_record::add_processor() {
  if (!facts_.processor.empty()) return add("millrace.dlq.processor", facts_.processor);
  // The others are done with it: the next redrive must not run them.
  if (const std::optional<bytes_view> wanted = original_.header(redrive_processor_header))
    headers_.push_back({"millrace.dlq.processor", wanted});
}

// KIP-1034. A class name stands in `exception` there; here it is the error's code.
void dead_letter_record::add_streams_headers() {
  add("__streams.errors.exception", to_string(facts_.cause.code()));
  add("__streams.errors.topic", facts_.of.topic());
  add("__streams.errors.partition", facts_.of.of().number);
  add("__streams.errors.offset", offset_);
  if (facts_.without.details) return;
  add("__streams.errors.stacktrace", trace_);
  add("__streams.errors.message", message_);
}

void dead_letter_record::add_omissions() {
  constexpr std::string_view too_large = "too large";
  const dead_letter_omissions& without = facts_.without;
  if (without.value && original_.value()) add("millrace.dlq.value_dropped", too_large);
  if (without.headers && original_.header_count() > 0) {
    header_count_ = std::to_string(original_.header_count());
    add("millrace.dlq.headers_dropped", header_count_);
  }
  if (without.key && original_.key()) {
    // The same for every process: tools find the records of one key by it.
    key_hash_ = hex_number(key_hash(*original_.key(), 0));
    add("millrace.dlq.key_dropped", key_hash_);
  }
  if (without.details) add("millrace.dlq.details_dropped", too_large);
}

std::optional<bytes_view> dead_letter_record::original_group() const {
  if (!facts_.of.condemned || facts_.cause.code() != errc::redrive_target_unknown) return std::nullopt;
  const std::optional<bytes_view> group = original_.header(redrive_group_header);
  const std::vector<std::string>& former = options_.former_groups;
  if (!group || std::find(former.begin(), former.end(), as_text(*group)) != former.end()) return std::nullopt;
  return group;
}

}  // namespace millrace::engine
