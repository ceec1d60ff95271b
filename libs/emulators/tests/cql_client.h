// A raw CQL client for tests: one blocking connection, frames in, frames out, nothing else.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace millrace::emulators::test {

// A serialised cell to bind: nothing is null, `unset` is not set.
using cell = std::optional<std::string>;
inline const std::string unset = "\x01unset\x01";

inline void put(std::string& out, std::uint64_t number, unsigned bytes) {
  for (unsigned i = bytes; i-- > 0;) out.push_back(static_cast<char>(number >> (8 * i)));
}
inline std::string big_endian(std::int64_t number, unsigned bytes) {
  std::string out;
  put(out, static_cast<std::uint64_t>(number), bytes);
  return out;
}
inline std::string int_cell(std::int32_t number) { return big_endian(number, 4); }
inline std::string bigint_cell(std::int64_t number) { return big_endian(number, 8); }
inline std::string long_text(std::string_view text) {
  std::string out;
  put(out, text.size(), 4);
  return out.append(text);
}
inline std::string short_text(std::string_view text) {
  std::string out;
  put(out, text.size(), 2);
  return out.append(text);
}
inline std::string bound(const cell& value) {
  if (!value) return big_endian(-1, 4);
  return *value == unset ? big_endian(-2, 4) : long_text(*value);
}

struct frame {
  bool arrived = false;  // false: the connection ended
  std::uint8_t version = 0;
  std::uint8_t flags = 0;
  std::int16_t stream = 0;
  std::uint8_t op = 0;
  std::string body;
};

class reader {
 public:
  explicit reader(std::string_view bytes) : rest_(bytes) {}
  [[nodiscard]] std::string_view rest() const { return rest_; }
  std::uint64_t number(unsigned bytes) {
    std::uint64_t out = 0;
    for (const char each : take(bytes)) out = (out << 8U) | static_cast<unsigned char>(each);
    return out;
  }
  std::int32_t i32() { return static_cast<std::int32_t>(number(4)); }
  std::string take(std::size_t count) {
    std::string out(rest_.substr(0, count));
    rest_.remove_prefix(std::min(count, rest_.size()));
    return out;
  }
  std::string text() { return take(number(2)); }
  cell value() {
    const std::int32_t length = i32();
    if (length < 0) return std::nullopt;
    return take(static_cast<std::size_t>(length));
  }
  std::uint16_t skip_type() {
    const auto id = static_cast<std::uint16_t>(number(2));
    if (id == 0x30) {
      text();
      text();
      for (std::uint64_t left = number(2); left > 0; --left) {
        text();
        skip_type();
      }
    }
    if (id == 0x20 || id == 0x22) skip_type();
    if (id == 0x21) {
      skip_type();
      skip_type();
    }
    if (id == 0x31) {
      for (std::uint64_t left = number(2); left > 0; --left) skip_type();
    }
    return id;
  }

 private:
  std::string_view rest_;
};

struct column_spec {
  std::string name;
  std::uint16_t type = 0;
  std::string option = {};  // of a user-defined type: the whole type as it was sent, its id included

  friend bool operator==(const column_spec&, const column_spec&) = default;
};

struct prepared {
  std::string id;
  std::string metadata_id = {};
  std::uint32_t flags = 0;
  std::vector<std::uint16_t> key;
  std::vector<column_spec> binds;
  std::vector<column_spec> results;
};

// An answer, taken apart as far as tests look at it.
struct reply {
  bool arrived = false;
  std::uint8_t op = 0;
  std::int32_t error = -1;  // of ERROR
  std::string message;
  std::string extra;
  std::int32_t kind = 0;  // of RESULT
  std::vector<column_spec> columns;
  std::vector<std::vector<cell>> rows;
  std::string paging_state = {};
  bool more = false;
  std::int32_t flags = 0;        // of ROWS
  std::string metadata_id = {};  // that ROWS says has changed
  prepared statement;
  std::vector<std::string> words;  // of SET_KEYSPACE and SCHEMA_CHANGE

  [[nodiscard]] bool ok() const { return arrived && op != 0; }
};

struct query_options {
  std::optional<std::int64_t> timestamp = {};
  std::int32_t page_size = 0;
  std::string paging_state = {};
  bool skip_metadata = false;
};

class cql_client {
 public:
  // From any free port, or from the lowest free one from `source` on that is `source` modulo `step`.
  explicit cql_client(std::uint16_t port, const std::string& address = "127.0.0.1", std::uint16_t source = 0,
                      std::uint16_t step = 1)
      : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto bound = [this, &at](std::uint16_t from) {
      at.sin_port = htons(from);
      return ::bind(socket_, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0;
    };
    while (source != 0 && !bound(source)) source = static_cast<std::uint16_t>(source + step);
    at.sin_port = htons(port);
    ::inet_pton(AF_INET, address.c_str(), &at.sin_addr);
    // A test that waits for what never comes fails instead of hanging.
    const timeval timeout{30, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    // A refused connection shows as a send or a receive that fails.
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0;
    if (!connected_) ::shutdown(socket_, SHUT_RDWR);
  }
  ~cql_client() { ::close(socket_); }
  cql_client(const cql_client&) = delete;
  cql_client& operator=(const cql_client&) = delete;

  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] int socket() const { return socket_; }

  // --- frames
  bool send_raw(std::string_view bytes) {
    return ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }
  static std::string request(std::uint8_t op, std::string_view body, std::int16_t stream = 0,
                             std::uint8_t flags = 0) {
    std::string out{'\x04', static_cast<char>(flags)};
    put(out, static_cast<std::uint16_t>(stream), 2);
    out.push_back(static_cast<char>(op));
    return out.append(long_text(body));
  }
  void send(std::uint8_t op, std::string_view body, std::int16_t stream = 0) {
    send_raw(request(op, body, stream));
  }
  frame receive() {
    frame out;
    const std::string head = read_exactly(9);
    if (head.size() < 9) return out;
    reader in(head);
    out.version = static_cast<std::uint8_t>(in.number(1));
    out.flags = static_cast<std::uint8_t>(in.number(1));
    out.stream = static_cast<std::int16_t>(in.number(2));
    out.op = static_cast<std::uint8_t>(in.number(1));
    const std::uint64_t length = in.number(4);
    out.body = read_exactly(length);
    out.arrived = out.body.size() == length;
    return out;
  }
  reply receive_reply() { return take_apart(receive()); }

  // Starts with extensions of ScyllaDB.
  reply start_with(const std::vector<std::string>& extensions) {
    std::string body;
    put(body, 1 + extensions.size(), 2);
    body += short_text("CQL_VERSION") + short_text("3.0.0");
    for (const std::string& each : extensions) {
      body += short_text(each) + short_text("");
      metadata_id_ = metadata_id_ || each == "SCYLLA_USE_METADATA_ID";
    }
    send(0x01, body);
    return receive_reply();
  }

  // --- conversations
  static std::string startup_body(const std::vector<std::pair<std::string, std::string>>& more = {}) {
    std::string out;
    put(out, 1 + more.size(), 2);
    out += short_text("CQL_VERSION") + short_text("3.0.0");
    for (const auto& [key, given] : more) out += short_text(key) + short_text(given);
    return out;
  }
  reply start(const std::vector<std::pair<std::string, std::string>>& more = {}) {
    send(0x01, startup_body(more));
    return receive_reply();
  }
  reply authenticate(std::string_view user, std::string_view password) {
    std::string token(1, '\0');
    token.append(user).append(1, '\0').append(password);
    send(0x0F, long_text(token));
    return receive_reply();
  }
  reply query(std::string_view text, const std::vector<cell>& values = {}, const query_options& with = {}) {
    send(0x07, long_text(text) + options(values, with));
    return receive_reply();
  }
  reply prepare(std::string_view text) {
    send(0x09, long_text(text));
    return receive_reply();
  }
  static std::string execute_body(const prepared& what, const std::vector<cell>& values,
                                  const query_options& with = {}) {
    return short_text(what.id) + options(values, with);
  }
  reply execute(const prepared& what, const std::vector<cell>& values, const query_options& with = {}) {
    send(0x0A, metadata_id_ ? short_text(what.id) + short_text(what.metadata_id) + options(values, with)
                            : execute_body(what, values, with));
    return receive_reply();
  }
  // 0: logged, 1: unlogged, 2: of counters.
  reply batch(const std::vector<std::pair<prepared, std::vector<cell>>>& statements,
              std::optional<std::int64_t> timestamp = {}, std::uint8_t type = 1) {
    std::string body(1, static_cast<char>(type));
    put(body, statements.size(), 2);
    for (const auto& [what, values] : statements) {
      body.push_back('\1');
      body += short_text(what.id);
      put(body, values.size(), 2);
      for (const cell& each : values) body += bound(each);
    }
    put(body, 1, 2);
    put(body, timestamp ? 0x20 : 0, 1);
    if (timestamp) put(body, static_cast<std::uint64_t>(*timestamp), 8);
    send(0x0D, body);
    return receive_reply();
  }

  static std::string options(const std::vector<cell>& values, const query_options& with) {
    std::string out;
    put(out, 1, 2);  // ONE
    unsigned flags = values.empty() ? 0 : 0x01;
    flags |= with.skip_metadata ? 0x02U : 0U;
    flags |= with.page_size > 0 ? 0x04U : 0U;
    flags |= with.paging_state.empty() ? 0U : 0x08U;
    flags |= with.timestamp ? 0x20U : 0U;
    put(out, flags, 1);
    if (!values.empty()) {
      put(out, values.size(), 2);
      for (const cell& each : values) out += bound(each);
    }
    if (with.page_size > 0) out += int_cell(with.page_size);
    if (!with.paging_state.empty()) out += long_text(with.paging_state);
    if (with.timestamp) out += bigint_cell(*with.timestamp);
    return out;
  }

  reply take_apart(const frame& from) const {
    reply out;
    out.arrived = from.arrived;
    out.op = from.op;
    if (!from.arrived) return out;
    reader in(from.body);
    if (from.op == 0x00) {
      out.error = in.i32();
      out.message = in.text();
      out.extra = in.take(SIZE_MAX);
    }
    if (from.op != 0x08) return out;
    out.kind = in.i32();
    if (out.kind == 2) read_rows(in, out);
    if (out.kind == 3) out.words = {in.text()};
    if (out.kind == 4) read_prepared(in, out.statement, metadata_id_);
    if (out.kind == 5) {
      for (std::string word = in.text(); !word.empty(); word = in.text()) out.words.push_back(word);
    }
    return out;
  }

 private:
  std::string read_exactly(std::size_t count) {
    std::string out(count, '\0');
    std::size_t done = 0;
    while (done < count) {
      const ssize_t got = ::recv(socket_, out.data() + done, count - done, 0);
      if (got <= 0) break;
      done += static_cast<std::size_t>(got);
    }
    out.resize(done);
    return out;
  }
  static std::vector<column_spec> read_specs(reader& in, std::int32_t flags, std::int32_t count) {
    std::vector<column_spec> out;
    // A server that leaves the columns out may leave the flag of the table set.
    if ((flags & 1) != 0 && (flags & 4) == 0) {
      in.text();
      in.text();
    }
    for (std::int32_t i = 0; i < count && (flags & 4) == 0; ++i) {
      column_spec next{in.text(), 0};
      const std::string_view before = in.rest();
      next.type = in.skip_type();
      if (next.type == 0x30) next.option = before.substr(0, before.size() - in.rest().size());
      out.push_back(next);
    }
    return out;
  }
  static void read_rows(reader& in, reply& out) {
    const std::int32_t flags = in.i32();
    const std::int32_t columns = in.i32();
    out.more = (flags & 2) != 0;
    if (out.more) out.paging_state = in.value().value_or("");
    out.flags = flags;
    if ((flags & 8) != 0) out.metadata_id = in.text();
    out.columns = read_specs(in, flags, columns);
    const std::int32_t rows = in.i32();
    for (std::int32_t r = 0; r < rows; ++r) {
      auto& row = out.rows.emplace_back();
      for (std::int32_t c = 0; c < columns; ++c) row.push_back(in.value());
    }
  }
  static void read_prepared(reader& in, prepared& out, bool metadata_id) {
    out.id = in.text();
    if (metadata_id) out.metadata_id = in.text();
    const std::int32_t flags = in.i32();
    out.flags = static_cast<std::uint32_t>(flags);
    const std::int32_t count = in.i32();
    for (std::int32_t left = in.i32(); left > 0; --left)
      out.key.push_back(static_cast<std::uint16_t>(in.number(2)));
    out.binds = read_specs(in, count == 0 ? flags & ~1 : flags, count);
    const std::int32_t result_flags = in.i32();
    out.results = read_specs(in, result_flags, in.i32());
  }

  int socket_;
  bool metadata_id_ = false;  // negotiated
  bool connected_ = false;
};

}  // namespace millrace::emulators::test
