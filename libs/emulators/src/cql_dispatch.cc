#include "cql_dispatch.h"

#include <cstring>
#include <utility>

#include <fmt/format.h>

#include <millrace/base/bytes.h>

#include "cql_murmur3.h"

namespace millrace::emulators::cql {
namespace {

constexpr std::uint8_t flag_compressed = 0x01;
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
constexpr std::size_t garbage_bytes = 64;

// ScyllaDB's extension: which shard this connection is served by, and how tokens map to shards.
constexpr std::uint16_t sharding_options = 6;
void put_sharding(std::string& out, unsigned shards, unsigned shard, std::uint16_t port, bool tls) {
  const auto option = [&out](std::string_view name, std::string_view value) {
    put_string(out, name);
    put_u16(out, 1);
    put_string(out, value);
  };
  option("SCYLLA_SHARD", std::to_string(shard));
  option("SCYLLA_NR_SHARDS", std::to_string(shards));
  option("SCYLLA_PARTITIONER", "org.apache.cassandra.dht.Murmur3Partitioner");
  option("SCYLLA_SHARDING_ALGORITHM", "biased-token-round-robin");
  option("SCYLLA_SHARDING_IGNORE_MSB", "12");
  option(tls ? "SCYLLA_SHARD_AWARE_PORT_SSL" : "SCYLLA_SHARD_AWARE_PORT", std::to_string(port));
}

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

void dispatcher::add_trace_id(std::string& out, std::size_t begun) {
  std::string id;
  put_number(id, random_.next());
  put_number(id, random_.next());
  id[6] = static_cast<char>((static_cast<unsigned char>(id[6]) & 0x0FU) | 0x10U);  // a version-1 UUID
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
    publish(event);
  }
  return {};
}

// What the handlers of one frame pass around.
struct dispatcher::request {
  session& with;
  std::int16_t stream;
  std::string_view body;
  std::string& out;

  template <typename F>
  fate answer(opcode op, F&& fill) {
    const std::size_t begun = begin_frame(out, op, stream);
    fill(out);
    end_frame(out, begun);
    return {};
  }
};

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
  request of{nobody, stream, {}, out};
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
  const fate result = route(with, head, body, out);
  if ((head.flags & flag_tracing) != 0 && out.size() >= begun + frame_header_bytes) add_trace_id(out, begun);
  return result;
}

fate dispatcher::route(session& with, const request_head& head, std::string_view body, std::string& out) {
  refresh();
  request of{with, head.stream, body, out};
  if ((head.flags & flag_compressed) != 0)
    return protocol_error(of, "Frame is compressed, but no compression was negotiated");
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

fate dispatcher::on_options(request& of) {
  thread_counters::add(counters_.requests[static_cast<std::size_t>(operation::control)]);
  return of.answer(opcode::supported, [this, &of](std::string& out) {
    const unsigned shards = node_.options.shards;
    put_u16(out, shards == 0 ? 3 : 3 + sharding_options);
    if (shards > 0) {
      put_sharding(out, shards, of.with.shard, node_.port, !node_.options.tls_certificate_file.empty());
    }
    put_string(out, "CQL_VERSION");
    put_u16(out, 1);
    put_string(out, "3.4.7");
    put_string(out, "COMPRESSION");
    put_u16(out, 0);
    put_string(out, "PROTOCOL_VERSIONS");
    put_u16(out, 1);
    put_string(out, "4/v4");
  });
}

fate dispatcher::on_startup(request& of) {
  thread_counters::add(counters_.requests[static_cast<std::size_t>(operation::control)]);
  wire_reader in(of.body);
  bool versioned = false;
  const std::uint16_t entries = in.u16();
  for (std::uint16_t i = 0; i < entries && in.ok(); ++i) {
    const std::string_view key = in.string();
    const std::string_view given = in.string();
    if (key == "CQL_VERSION") versioned = true;
    if (key == "COMPRESSION" && !given.empty())
      return protocol_error(of, fmt::format("Unknown compression algorithm: {}", given));
  }
  if (!in.ok()) return protocol_error(of, "Invalid STARTUP message");
  if (!versioned) return protocol_error(of, "Missing value CQL_VERSION in STARTUP message");
  if (node_.options.user.empty()) {
    of.with.at = session::stage::ready;
    return of.answer(opcode::ready, [](std::string&) {});
  }
  of.with.at = session::stage::authenticating;
  return of.answer(opcode::authenticate, [](std::string& out) {
    put_string(out, "org.apache.cassandra.auth.PasswordAuthenticator");
  });
}

fate dispatcher::on_auth_response(request& of) {
  thread_counters::add(counters_.requests[static_cast<std::size_t>(operation::control)]);
  if (of.with.at != session::stage::authenticating)
    return protocol_error(of, "Unexpected message AUTH_RESPONSE");
  wire_reader in(of.body);
  // SASL PLAIN: [authorisation id] NUL user NUL password
  const std::string_view given = in.bytes().bytes;
  const std::size_t first = given.find('\0');
  const std::size_t second = first == std::string_view::npos ? first : given.find('\0', first + 1);
  if (!in.ok() || second == std::string_view::npos) {
    return answer_error(of, {code::bad_credentials, "Password must not be null", {}});
  }
  const std::string_view user = given.substr(first + 1, second - first - 1);
  const std::string_view password = given.substr(second + 1);
  if (user != node_.options.user || password != script_->password) {
    return answer_error(
        of,
        {code::bad_credentials, fmt::format("Provided username {} and/or password are incorrect", user), {}});
  }
  of.with.at = session::stage::ready;
  return of.answer(opcode::auth_success, [](std::string& out) { put_null(out); });
}

fate dispatcher::on_register(request& of) {
  thread_counters::add(counters_.requests[static_cast<std::size_t>(operation::control)]);
  wire_reader in(of.body);
  const std::uint16_t count = in.u16();
  bool schema_events = false;
  for (std::uint16_t i = 0; i < count && in.ok(); ++i) {
    const std::string_view event = in.string();
    if (event == "SCHEMA_CHANGE")
      schema_events = true;
    else if (in.ok() && event != "TOPOLOGY_CHANGE" && event != "STATUS_CHANGE") {
      return protocol_error(of, fmt::format("Invalid value '{}' for Type", event));
    }
  }
  if (!in.ok()) return protocol_error(of, "Invalid REGISTER message");
  of.with.wants_schema_events = of.with.wants_schema_events || schema_events;
  return of.answer(opcode::ready, [](std::string&) {});
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
    (*compiled)->put_prepared_metadata(body);
  });
  out.delay = script_->sample(operation::prepare, table, of.with.node, random_);
  return out;
}

// [consistency][flags][values …][page size][paging state][serial consistency][timestamp]
verdict dispatcher::read_options(wire_reader& in, const plan* named_by) {
  failure malformed{code::protocol, "Invalid or truncated request options", {}};
  options_ = {};
  values_.clear();
  if (in.u16() > consistency_max) return failure{code::protocol, "Unknown code for a consistency level", {}};
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
  if ((flags & with_serial_consistency) != 0) in.u16();
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
  if (!compiled) return answer_error(of, std::move(compiled.why()));
  return run_plan(of, **compiled, {});
}

fate dispatcher::on_execute(request& of) {
  wire_reader in(of.body);
  const std::string_view id = in.short_bytes();
  if (!in.ok()) return protocol_error(of, "Invalid EXECUTE message");
  const std::shared_ptr<const plan> what = find_prepared(id);
  if (verdict bad = read_options(in, what.get())) return protocol_error(of, std::move(bad->message));
  if (what == nullptr) return unprepared(of, id);
  return run_plan(of, *what, id);
}

fate dispatcher::run_plan(request& of, const plan& what, std::string_view id) {
  thread_counters::add(counters_.requests[static_cast<std::size_t>(what.kind)]);
  if (values_.size() != what.markers.size()) {
    return answer_error(of, invalid(fmt::format("There were {} markers(?) in CQL but {} bound variables",
                                                what.markers.size(), values_.size())));
  }
  thread_counters::add(counters_.by_node[of.with.node]);
  const fault* hit =
      script_->faults.empty() ? nullptr : script_->strike(what.kind, what.table_name, of.with.node, random_);
  if (hit != nullptr && hit->kind == fault_kind::empty_page && what.kind == operation::select) {
    thread_counters::add(counters_.faults);
    options_.empty_page = true;
    hit = nullptr;
  }
  if (hit != nullptr && !hit->takes_effect) return strike(of, *hit, id, what.table_name);
  const std::size_t begun = begin_frame(of.out, opcode::result, of.stream);
  plan own;
  verdict bad = std::holds_alternative<statement>(what.does)
                    ? node_.run_schema_statement(of.out, what, of.with.keyspace)
                    : executor_.run(of.out, *as_seen_by(of.with.node, what, own), values_, options_);
  fate out;
  if (bad || hit != nullptr) {
    of.out.resize(begun);
    out = bad ? answer_error(of, std::move(*bad)) : strike(of, *hit, id, what.table_name);
  } else {
    end_frame(of.out, begun);
  }
  out.delay = script_->sample(what.kind, what.table_name, of.with.node, random_);
  return out;
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
  if (with.kind == fault_kind::unprepared && !id.empty()) return unprepared(of, id);
  return answer_error(of, failure_of(with, table));
}

verdict dispatcher::read_batch(request& of, wire_reader& in) {
  failure malformed{code::protocol, "Invalid BATCH message", {}};
  batch_.clear();
  values_.clear();
  batch_unprepared_.clear();
  if (in.u8() > 2) return failure{code::protocol, "Unknown batch type", {}};
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
    const std::span<const value> bound = std::span(values_).subspan(each.first_value, each.values);
    if (verdict bad = executor_.mutate(*each.what, bound, timestamp, !only_check))
      return answer_error(of, std::move(*bad));
  }
  return {};
}

fate dispatcher::on_batch(request& of) {
  thread_counters::add(counters_.requests[static_cast<std::size_t>(operation::batch)]);
  wire_reader in(of.body);
  if (verdict bad = read_batch(of, in)) {
    return bad->code == code::protocol ? protocol_error(of, std::move(bad->message))
                                       : answer_error(of, std::move(*bad));
  }
  std::optional<std::int64_t> timestamp;
  in.u16();
  const std::uint8_t flags = in.u8();
  if ((flags & with_serial_consistency) != 0) in.u16();
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
  if (hit != nullptr && !hit->takes_effect) return strike(of, *hit, {}, table);
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
