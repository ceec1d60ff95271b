#include "cql_dispatch.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include <millrace/base/bytes.h>

#include "cql_murmur3.h"
#include "cql_request.h"
#include "cql_routing.h"

namespace millrace::emulators::cql {
namespace {

constexpr std::uint8_t flag_tracing = 0x02;
constexpr std::uint8_t flag_custom_payload = 0x04;
constexpr std::uint8_t with_values = 0x01;
constexpr std::uint8_t with_skip_metadata = 0x02;
constexpr std::uint8_t with_page_size = 0x04;
constexpr std::uint8_t with_paging_state = 0x08;
constexpr std::uint8_t with_serial_consistency = 0x10;
constexpr std::uint8_t with_timestamp = 0x20;
constexpr std::uint8_t with_names = 0x40;
constexpr std::uint16_t consistency_max = 0x000A;
constexpr std::uint16_t consistency_serial = 0x0008;
constexpr std::size_t garbage_bytes = 64;
constexpr std::uint8_t batch_logged = 0;
constexpr std::uint8_t batch_of_counters = 2;

constexpr std::size_t unending_bytes_max = std::size_t{256} << 20U;

// The catalogue's refusal of an unqualified name.
bool lacks_keyspace(const failure& why) { return why.message.starts_with("No keyspace has been specified"); }

void put_change(std::string& out, const schema_change& change) {
  put_string(out, change.change);
  put_string(out, change.target);
  put_string(out, change.keyspace);
  if (change.target != "KEYSPACE") put_string(out, change.table);
}

}  // namespace

std::size_t begin_frame(std::string& out, opcode op, std::int16_t stream) {
  const std::size_t begun = out.size();
  put_u8(out, 0x80U | protocol_version);
  put_u8(out, 0);
  put_u16(out, static_cast<std::uint16_t>(stream));
  put_u8(out, static_cast<std::uint8_t>(op));
  put_i32(out, 0);
  return begun;
}

void end_frame(std::string& out, std::size_t begun) {
  std::string length;
  put_i32(length, static_cast<std::int32_t>(out.size() - begun - frame_header_bytes));
  std::memcpy(out.data() + begun + 5, length.data(), length.size());
}

void dispatcher::add_trace_id(const session& with, std::string& out, std::size_t begun) {
  std::string id;
  put_number(id, random_.next());
  put_number(id, random_.next());
  id[6] = static_cast<char>((static_cast<unsigned char>(id[6]) & 0x0FU) | 0x10U);  // a version-1 UUID
  node_.tables.keep_trace(id, with.node, with.shard);
  out.insert(begun + frame_header_bytes, id);
  out[begun + 1] = static_cast<char>(static_cast<unsigned char>(out[begun + 1]) | flag_tracing);
  end_frame(out, begun);
}

std::string prepared_statements::add(std::string_view session_keyspace, std::string_view text,
                                     std::shared_ptr<const plan> what) {
  const std::lock_guard guard(mutex_);
  const auto hash = murmur3(fmt::format("{}\n{}\n{}", session_keyspace, text, numbering_));
  std::string id;
  put_number(id, hash[0]);
  put_number(id, hash[1]);
  if (by_id_.size() >= prepared_max && !by_id_.contains(id)) by_id_.erase(by_id_.begin());
  by_id_.insert_or_assign(id, std::move(what));
  return id;
}

std::shared_ptr<const plan> prepared_statements::find(std::string_view id, const catalog& in) {
  const std::lock_guard guard(mutex_);
  const auto found = by_id_.find(std::string(id));
  if (found == by_id_.end()) return nullptr;
  const plan& what = *found->second;
  if (what.table == nullptr) return found->second;
  answer<std::shared_ptr<stored_table>> now = in.find({what.schema->keyspace, what.schema->name}, {});
  if (now && *now == what.table && what.table->schema() == what.schema) return found->second;
  by_id_.erase(found);
  return nullptr;
}

void prepared_statements::forget_all() {
  const std::lock_guard guard(mutex_);
  by_id_.clear();
  epoch_.fetch_add(1, std::memory_order_acq_rel);
}

void prepared_statements::renumber() {
  {
    const std::lock_guard guard(mutex_);
    ++numbering_;
  }
  forget_all();
}

verdict emulated_node::run_schema_statement(std::string& out, const plan& what,
                                            std::string& session_keyspace) {
  const auto& does = std::get<statement>(what.does);
  if (const auto* use = std::get_if<use_statement>(&does)) {
    if (!tables.has_keyspace(use->keyspace))
      return invalid(fmt::format("Keyspace '{}' does not exist", use->keyspace));
    session_keyspace = use->keyspace;
    put_i32(out, result_set_keyspace);
    put_string(out, session_keyspace);
    return {};
  }
  if (const auto* truncate = std::get_if<truncate_statement>(&does)) {
    answer<std::shared_ptr<stored_table>> table = tables.find(truncate->table, session_keyspace);
    if (!table) return std::move(table.why());
    if (is_system_keyspace((*table)->schema()->keyspace)) return invalid("Cannot truncate a system table");
    (*table)->truncate();
    put_i32(out, result_void);
    return {};
  }
  answer<schema_change> change = [&]() -> answer<schema_change> {
    if (const auto* in = std::get_if<create_keyspace>(&does)) return tables.create(*in);
    if (const auto* in = std::get_if<create_table>(&does)) return tables.create(*in, session_keyspace);
    if (const auto* in = std::get_if<add_columns>(&does)) return tables.add(*in, session_keyspace);
    if (const auto* in = std::get_if<drop_columns>(&does)) return tables.drop(*in, session_keyspace);
    if (const auto* in = std::get_if<create_type>(&does)) return tables.create(*in, session_keyspace);
    if (const auto* in = std::get_if<alter_type>(&does)) return tables.alter(*in, session_keyspace);
    if (const auto* in = std::get_if<drop_type>(&does)) return tables.drop(*in, session_keyspace);
    return tables.drop(std::get<drop_statement>(does), session_keyspace);
  }();
  if (!change) return std::move(change.why());
  if (change->change.empty()) {
    put_i32(out, result_void);
    return {};
  }
  put_i32(out, result_schema_change);
  put_change(out, *change);
  if (publish) {
    std::string event;
    const std::size_t begun = begin_frame(event, opcode::event, -1);
    put_string(event, "SCHEMA_CHANGE");
    put_change(event, *change);
    end_frame(event, begun);
    publish(event_kind::schema, event);
  }
  return {};
}

dispatcher::dispatcher(emulated_node& node, thread_counters& counters, std::uint64_t seed)
    : node_(node), counters_(counters), random_(seed) {
  refresh();
}

void dispatcher::refresh() {
  if (const std::uint64_t version = node_.scripted.version(); version != script_version_) {
    script_ = node_.scripted.current();
    script_version_ = version;
  }
  const std::uint64_t epoch = node_.prepared.epoch();
  const std::uint64_t generation = node_.tables.generation();
  if (epoch != prepared_epoch_ || generation != generation_) {
    prepared_.clear();
    prepared_epoch_ = epoch;
    generation_ = generation;
    routing_.clear();
  }
  if (const std::uint64_t version = node_.members.version(); version != nodes_version_) {
    nodes_ = node_.members.view();
    nodes_version_ = version;
    routing_.clear();
  }
}

std::shared_ptr<const plan> dispatcher::find_prepared(std::string_view id) {
  id_.assign(id);
  if (const auto found = prepared_.find(id_); found != prepared_.end()) return found->second;
  std::shared_ptr<const plan> found = node_.prepared.find(id, node_.tables);
  if (found == nullptr) return nullptr;
  if (prepared_.size() >= prepared_max) prepared_.clear();
  prepared_.emplace(id_, found);
  return found;
}

fate dispatcher::answer_error(request& of, failure why) {
  thread_counters::add(counters_.errors);
  return of.answer(opcode::error, [&](std::string& out) {
    put_i32(out, why.code);
    put_string(out, why.message);
    out += why.extra;
  });
}

fate dispatcher::protocol_error(request& of, std::string message) {
  thread_counters::add(counters_.protocol_errors);
  return answer_error(of, {code::protocol, std::move(message), {}});
}

void dispatcher::put_protocol_error(std::string& out, std::int16_t stream, const std::string& message) {
  session nobody;
  request of{nobody, stream, {}, out, operation::control};
  protocol_error(of, message);
}

fate dispatcher::unprepared(request& of, std::string_view id) {
  thread_counters::add(counters_.unprepared);
  failure why{
      code::unprepared,
      fmt::format(
          "Prepared query with ID {} not found (either the query was not prepared on this host (maybe "
          "the host has been restarted?) or you have prepared too many queries and it has been evicted "
          "from the internal cache)",
          to_hex(as_bytes(id))),
      {}};
  put_string(why.extra, id);
  return answer_error(of, std::move(why));
}

fate dispatcher::handle(session& with, const request_head& head, std::string_view body, std::string& out) {
  const std::size_t begun = out.size();
  raw_answer_ = false;
  const fate result = route(with, head, body, out);
  if (raw_answer_ || out.size() < begun + frame_header_bytes) return result;
  if ((head.flags & flag_tracing) != 0) add_trace_id(with, out, begun);
  if (with.compresses != compressor::none && out.size() > begun + frame_header_bytes) {
    compress_frame(with.compresses, out, begun);
    thread_counters::add(counters_.compressed_out);
  }
  return result;
}

fate dispatcher::route(session& with, const request_head& head, std::string_view body, std::string& out) {
  refresh();
  request of{with, head.stream, body, out, operation::control};
  if ((head.flags & flag_compressed) != 0) {
    if (with.compresses == compressor::none)
      return protocol_error(of, "Frame is compressed, but no compression was negotiated");
    if (!decompress(with.compresses, body, node_.options.frame_bytes_max, inflated_))
      return protocol_error(of, "Frame cannot be decompressed");
    thread_counters::add(counters_.compressed_in);
    body = inflated_;
    of.body = body;
  }
  if ((head.flags & flag_custom_payload) != 0) {
    wire_reader in(body);
    const std::uint16_t entries = in.u16();
    for (std::uint16_t i = 0; i < entries && in.ok(); ++i) {
      in.string();
      in.bytes();
    }
    if (!in.ok()) return protocol_error(of, "Invalid custom payload");
    of.body = body.substr(body.size() - in.left());
  }
  const auto op = static_cast<opcode>(head.op);
  const bool opens = op == opcode::options || op == opcode::startup;
  if (with.at == session::stage::fresh && !opens) {
    return protocol_error(of,
                          fmt::format("Unexpected message {:#04x}, expecting STARTUP or OPTIONS", head.op));
  }
  if (with.at == session::stage::authenticating && !opens && op != opcode::auth_response) {
    return protocol_error(of, fmt::format("Unexpected message {:#04x}, expecting AUTH_RESPONSE", head.op));
  }
  const bool controls = opens || op == opcode::auth_response || op == opcode::register_events;
  if (controls && !script_->faults.empty()) {
    if (const fault* hit = script_->strike(operation::control, {}, with.node, random_))
      return strike(of, *hit, {}, {});
  }
  switch (op) {
    case opcode::options:
      return on_options(of);
    case opcode::startup:
      return on_startup(of);
    case opcode::auth_response:
      return on_auth_response(of);
    case opcode::register_events:
      return on_register(of);
    case opcode::query:
      return on_query(of);
    case opcode::prepare:
      return on_prepare(of);
    case opcode::execute:
      return on_execute(of);
    case opcode::batch:
      return on_batch(of);
    case opcode::error:
    case opcode::ready:
    case opcode::authenticate:
    case opcode::supported:
    case opcode::result:
    case opcode::event:
    case opcode::auth_challenge:
    case opcode::auth_success:
      break;
  }
  return protocol_error(of, fmt::format("Unknown opcode {}", head.op));
}

fate dispatcher::on_prepare(request& of) {
  thread_counters::add(counters_.requests[static_cast<std::size_t>(operation::prepare)]);
  wire_reader in(of.body);
  const std::string_view text = in.long_string();
  if (!in.ok()) return protocol_error(of, "Invalid PREPARE message");
  answer<std::shared_ptr<const plan>> compiled = compile(node_.tables, text, of.with.keyspace);
  const std::string table = compiled ? (*compiled)->table_name : std::string();
  if (const fault* hit = script_->strike(operation::prepare, table, of.with.node, random_))
    return strike(of, *hit, {}, table);
  if (!compiled) return answer_error(of, std::move(compiled.why()));
  const std::string id = node_.prepared.add(of.with.keyspace, text, *compiled);
  fate out = of.answer(opcode::result, [&](std::string& body) {
    put_i32(body, result_prepared);
    put_string(body, id);
    if (of.with.sends_metadata_id) put_string(body, (*compiled)->metadata_id);
    (*compiled)->put_prepared_metadata(body, of.with.wants_lwt_mark);
  });
  out.delay = script_->sample(operation::prepare, table, of.with.node, random_);
  return out;
}

// [consistency][flags][values …][page size][paging state][serial consistency][timestamp]
verdict dispatcher::read_options(wire_reader& in, const plan* named_by) {
  failure malformed{code::protocol, "Invalid or truncated request options", {}};
  options_ = {};
  values_.clear();
  consistency_ = in.u16();
  serial_consistency_ = consistency_serial;
  if (consistency_ > consistency_max)
    return failure{code::protocol, "Unknown code for a consistency level", {}};
  const std::uint8_t flags = in.u8();
  if ((flags & with_values) != 0) {
    const std::uint16_t count = in.u16();
    const bool named = (flags & with_names) != 0;
    if (named && named_by != nullptr) values_.resize(named_by->markers.size(), {{}, value::state::unset});
    for (std::uint16_t i = 0; i < count && in.ok(); ++i) {
      const std::string_view name = named ? in.string() : std::string_view();
      const value next = in.cell();
      if (!named || named_by == nullptr) {
        values_.push_back(next);
        continue;
      }
      for (std::size_t at = 0; at < named_by->markers.size(); ++at) {
        if (named_by->markers[at].name == name) values_[at] = next;
      }
    }
  }
  options_.skip_metadata = (flags & with_skip_metadata) != 0;
  if ((flags & with_page_size) != 0) options_.page_size = in.i32();
  if ((flags & with_paging_state) != 0) options_.paging_state = in.bytes().bytes;
  if ((flags & with_serial_consistency) != 0) serial_consistency_ = in.u16();
  if ((flags & with_timestamp) != 0) options_.timestamp = in.i64();
  if (!in.ok()) return malformed;
  return {};
}

fate dispatcher::on_query(request& of) {
  wire_reader in(of.body);
  const std::string_view text = in.long_string();
  if (!in.ok()) return protocol_error(of, "Invalid QUERY message");
  answer<std::shared_ptr<const plan>> compiled = compile(node_.tables, text, of.with.keyspace);
  const plan* named_by = compiled ? compiled->get() : nullptr;
  if (verdict bad = read_options(in, named_by)) return protocol_error(of, std::move(bad->message));
  if (!compiled) {
    if (of.with.keyspace.empty() && lacks_keyspace(compiled.why()))
      thread_counters::add(counters_.unqualified_without_keyspace);
    return answer_error(of, std::move(compiled.why()));
  }
  return run_plan(of, **compiled, {});
}

fate dispatcher::on_execute(request& of) {
  wire_reader in(of.body);
  const std::string_view id = in.short_bytes();
  const std::string_view metadata_id = of.with.sends_metadata_id ? in.short_bytes() : std::string_view();
  if (!in.ok()) return protocol_error(of, "Invalid EXECUTE message");
  const std::shared_ptr<const plan> what = find_prepared(id);
  if (verdict bad = read_options(in, what.get())) return protocol_error(of, std::move(bad->message));
  if (of.with.sends_metadata_id) options_.metadata_id = metadata_id;
  if (what == nullptr) return unprepared(of, id);
  return run_plan(of, *what, id);
}

verdict dispatcher::check_guardrails(const plan& what, std::span<const value> values) const {
  return check_collections(what, values,
                           {node_.options.collection_bytes_max, node_.options.collection_items_max});
}

std::optional<dispatcher::location> dispatcher::locate(const plan& what, std::span<const value> values) {
  if (what.table == nullptr || what.kind == operation::system) return std::nullopt;
  const std::optional<std::int64_t> token = token_of_request(what, values);
  if (!token) return std::nullopt;
  std::shared_ptr<const table_routing>& in = routing_[what.table.get()];
  if (in == nullptr)
    in = node_.members.routing(what.schema->id, node_.tables.placement_of(what.schema->keyspace));
  if (in->ranges.empty()) return std::nullopt;
  return location{*token, *in};
}

void dispatcher::count_routing(const session& with, const location& at, routed_kind kind) {
  auto& to = counters_.routing[static_cast<std::size_t>(kind)];
  const std::optional<unsigned> shard = at.in.shard_on(with.node, at.token);
  const bool sharded = nodes_->nodes[with.node].shards > 0;
  thread_counters::add(!shard                            ? to.misrouted_node
                       : sharded && *shard != with.shard ? to.misrouted_shard
                                                         : to.routed);
}

verdict dispatcher::check_levels(const session& with, const location& at, bool conditional) const {
  const std::string& datacenter = nodes_->nodes[with.node].datacenter;
  if (conditional) {
    if (verdict bad = check_replicas(at.in, at.token, datacenter, serial_consistency_)) return bad;
  }
  return check_replicas(at.in, at.token, datacenter, consistency_);
}

void dispatcher::note_unqualified(const session& with, const plan& what) {
  if (what.unqualified && with.keyspace.empty()) thread_counters::add(counters_.unqualified_without_keyspace);
}

fate dispatcher::run_plan(request& of, const plan& what, std::string_view id) {
  thread_counters::add(counters_.requests[static_cast<std::size_t>(what.kind)]);
  of.kind = what.kind;
  if (values_.size() != what.markers.size()) {
    return answer_error(of, invalid(fmt::format("There were {} markers(?) in CQL but {} bound variables",
                                                what.markers.size(), values_.size())));
  }
  if (verdict bad = check_guardrails(what, values_)) return answer_error(of, std::move(*bad));
  thread_counters::add(counters_.by_node[of.with.node]);
  note_unqualified(of.with, what);
  const fault* hit =
      script_->faults.empty() ? nullptr : script_->strike(what.kind, what.table_name, of.with.node, random_);
  if (hit != nullptr && hit->kind == fault_kind::empty_page && what.kind == operation::select) {
    thread_counters::add(counters_.faults);
    options_.empty_page = true;
    hit = nullptr;
  }
  fate out = answer_plan(of, what, id, hit);
  if (hit == nullptr || hit->takes_effect)
    out.delay = script_->sample(what.kind, what.table_name, of.with.node, random_);
  return out;
}

fate dispatcher::answer_plan(request& of, const plan& what, std::string_view id, const fault* hit) {
  const std::optional<location> at = locate(what, values_);
  const routed_kind kind = routed_kind_of(what);
  if (at && !id.empty() && routable(what)) count_routing(of.with, *at, kind);
  if (hit != nullptr && !hit->takes_effect) return strike(of, *hit, id, what.table_name);
  if (at && node_.options.enforce_consistency) {
    if (verdict bad = check_levels(of.with, *at, kind == routed_kind::conditional))
      return answer_error(of, std::move(*bad));
  }
  const std::size_t begun = begin_frame(of.out, opcode::result, of.stream);
  if (at && at->in.tablets && of.with.tablets_routing && !id.empty() &&
      at->in.shard_on(of.with.node, at->token) != of.with.shard) {
    put_tablet_payload(of.out, at->in, at->token);
    of.out[begun + 1] = static_cast<char>(flag_custom_payload);
  }
  const bool informs = of.out.size() > begun + frame_header_bytes;
  plan own;
  verdict bad = std::holds_alternative<statement>(what.does)
                    ? node_.run_schema_statement(of.out, what, of.with.keyspace)
                    : executor_.run(of.out, *as_seen_by(of.with.node, what, own), values_, options_);
  if (bad || hit != nullptr) {
    of.out.resize(begun);
    return bad ? answer_error(of, std::move(*bad)) : strike(of, *hit, id, what.table_name);
  }
  end_frame(of.out, begun);
  if (informs) thread_counters::add(counters_.tablet_payloads);
  return {};
}

const plan* dispatcher::as_seen_by(unsigned node, const plan& what, plan& own) const {
  if (what.kind != operation::system || what.schema == nullptr || what.schema->keyspace != "system")
    return &what;
  auto table = node_.tables.topology_table(what.schema->name, node);
  if (table == nullptr) return &what;
  own = what;
  own.table = std::move(table);
  return &own;
}

fate dispatcher::strike(request& of, const fault& with, std::string_view id, const std::string& table) {
  thread_counters::add(counters_.faults);
  if (with.kind == fault_kind::drop_connection) return {fate::kind::drop, {}};
  if (with.kind == fault_kind::no_reply) return {fate::kind::silence, {}};
  if (with.kind == fault_kind::rate_limit) return rate_limited(of, with, table);
  raw_answer_ = with.kind == fault_kind::garbage || with.kind == fault_kind::oversized ||
                with.kind == fault_kind::unending_frame;
  if (with.kind == fault_kind::garbage) {
    of.out.append(garbage_bytes, '\x2a');
    return {};
  }
  if (with.kind == fault_kind::oversized) {
    const std::size_t begun = begin_frame(of.out, opcode::result, of.stream);
    of.out.resize(begun + frame_header_bytes - sizeof(std::int32_t));
    put_i32(of.out, INT32_MAX);
    return {};
  }
  if (with.kind == fault_kind::unending_frame) {
    const std::size_t announced =
        std::clamp<std::size_t>(static_cast<std::size_t>(std::max(with.code, 1)), 1, unending_bytes_max);
    const std::size_t begun = begin_frame(of.out, opcode::result, of.stream);
    of.out.resize(begun + frame_header_bytes - sizeof(std::int32_t));
    put_i32(of.out, static_cast<std::int32_t>(announced));
    fate out;
    out.unending = announced;
    return out;
  }
  if (with.kind == fault_kind::unprepared && !id.empty()) return unprepared(of, id);
  return answer_error(of, failure_of(with, table));
}

// ScyllaDB's rate limit error: its code was announced in SUPPORTED and is used when STARTUP named it.
fate dispatcher::rate_limited(request& of, const fault& with, const std::string& table) {
  failure why = failure_of(with, table);
  if (of.with.rate_limit_error) {
    why.code = code::rate_limit;
    put_u8(why.extra, of.kind == operation::select ? 0 : 1);
    put_u8(why.extra, 1);  // rejected by the coordinator
  }
  return answer_error(of, std::move(why));
}

verdict dispatcher::read_batch(request& of, wire_reader& in) {
  failure malformed{code::protocol, "Invalid BATCH message", {}};
  batch_.clear();
  values_.clear();
  batch_unprepared_.clear();
  batch_type_ = in.u8();
  if (batch_type_ > batch_of_counters) return failure{code::protocol, "Unknown batch type", {}};
  const std::uint16_t count = in.u16();
  for (std::uint16_t i = 0; i < count && in.ok(); ++i) {
    batched next;
    verdict bad;
    if (in.u8() == 0) {
      answer<std::shared_ptr<const plan>> compiled =
          compile(node_.tables, in.long_string(), of.with.keyspace);
      if (compiled)
        next.what = std::move(*compiled);
      else
        bad = std::move(compiled.why());
    } else {
      const std::string_view id = in.short_bytes();
      next.what = find_prepared(id);
      next.prepared = true;
      if (next.what == nullptr && batch_unprepared_.empty()) batch_unprepared_ = id;
    }
    if (!in.ok()) return malformed;
    if (bad) return bad;
    next.first_value = values_.size();
    next.values = in.u16();
    for (std::size_t v = 0; v < next.values && in.ok(); ++v) values_.push_back(in.cell());
    batch_.push_back(std::move(next));
  }
  return in.ok() ? verdict{} : malformed;
}

// Counters are written in batches of their own.
verdict dispatcher::check_batch_counters() const {
  bool counters = false;
  bool others = false;
  for (const batched& each : batch_)
    (std::get<mutation_plan>(each.what->does).counts ? counters : others) = true;
  if (batch_type_ == batch_of_counters && others)
    return invalid("Cannot include non-counter statement in a counter batch");
  if (counters && others) return invalid("Counter and non-counter mutations cannot exist in the same batch");
  if (batch_type_ == batch_logged && counters)
    return invalid("Cannot include a counter statement in a logged batch");
  return {};
}

fate dispatcher::run_batch(request& of, bool only_check, std::optional<std::int64_t> timestamp) {
  for (const batched& each : batch_) {
    if (!std::holds_alternative<mutation_plan>(each.what->does)) {
      return answer_error(
          of, invalid("Invalid statement in batch: only UPDATE, INSERT and DELETE statements are allowed."));
    }
    if (std::get<mutation_plan>(each.what->does).condition != if_clause::what::nothing) {
      return answer_error(of, invalid("Conditions in a batch are not supported by the emulator"));
    }
    if (each.values != each.what->markers.size()) {
      return answer_error(of, invalid(fmt::format("There were {} markers(?) in CQL but {} bound variables",
                                                  each.what->markers.size(), each.values)));
    }
  }
  if (verdict bad = check_batch_counters()) return answer_error(of, std::move(*bad));
  for (const batched& each : batch_) {
    const std::span<const value> bound = std::span(values_).subspan(each.first_value, each.values);
    if (verdict bad = check_guardrails(*each.what, bound)) return answer_error(of, std::move(*bad));
    if (verdict bad = executor_.mutate(*each.what, bound, timestamp, !only_check))
      return answer_error(of, std::move(*bad));
  }
  return {};
}

// Drivers route a batch by its first statement.
std::optional<dispatcher::location> dispatcher::locate_batch(const session& with) {
  for (const batched& each : batch_) note_unqualified(with, *each.what);
  if (batch_.empty() || batch_.front().values != batch_.front().what->markers.size()) return std::nullopt;
  const batched& first = batch_.front();
  const std::optional<location> at =
      locate(*first.what, std::span(values_).subspan(first.first_value, first.values));
  if (at && first.prepared && routable(*first.what)) count_routing(with, *at, routed_kind::batch);
  return at;
}

fate dispatcher::on_batch(request& of) {
  thread_counters::add(counters_.requests[static_cast<std::size_t>(operation::batch)]);
  wire_reader in(of.body);
  if (verdict bad = read_batch(of, in)) {
    return bad->code == code::protocol ? protocol_error(of, std::move(bad->message))
                                       : answer_error(of, std::move(*bad));
  }
  std::optional<std::int64_t> timestamp;
  of.kind = operation::batch;
  consistency_ = in.u16();
  const std::uint8_t flags = in.u8();
  if ((flags & with_serial_consistency) != 0) serial_consistency_ = in.u16();
  if ((flags & with_timestamp) != 0) timestamp = in.i64();
  if (!in.ok()) return protocol_error(of, "Invalid BATCH message");
  if (!batch_unprepared_.empty()) return unprepared(of, batch_unprepared_);
  if (node_.options.batch_bytes_max != 0 && of.body.size() > node_.options.batch_bytes_max) {
    return answer_error(of, invalid("Batch too large"));
  }
  const std::string table = batch_.empty() ? std::string() : batch_.front().what->table_name;
  const fault* hit =
      script_->faults.empty() ? nullptr : script_->strike(operation::batch, table, of.with.node, random_);
  thread_counters::add(counters_.by_node[of.with.node]);
  const std::optional<location> at = locate_batch(of.with);
  if (hit != nullptr && !hit->takes_effect) return strike(of, *hit, {}, table);
  if (at && node_.options.enforce_consistency) {
    if (verdict bad = check_levels(of.with, *at, false)) return answer_error(of, std::move(*bad));
  }
  const std::size_t before = of.out.size();
  if (!timestamp) timestamp = server_timestamp();
  for (const bool only_check : {true, false}) {
    const fate refused = run_batch(of, only_check, timestamp);
    if (of.out.size() != before) return refused;
  }
  thread_counters::add(counters_.batched_rows, batch_.size());
  fate out = hit != nullptr
                 ? strike(of, *hit, {}, table)
                 : of.answer(opcode::result, [](std::string& body) { put_i32(body, result_void); });
  out.delay = script_->sample(operation::batch, table, of.with.node, random_);
  return out;
}

}  // namespace millrace::emulators::cql
