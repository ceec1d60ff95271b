// The bridge's handles as C++ owners, and an emulated cluster to open sessions on.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/emulators/cql_emulator.h>
#include <millrace/native/bridge.h>

namespace millrace::native {

struct session_closer {
  void operator()(millrace_cql_session* session) const noexcept { millrace_cql_session_close(session); }
};
using session_handle = std::unique_ptr<millrace_cql_session, session_closer>;

struct owner_releaser {
  void operator()(millrace_cql_owner* owner) const noexcept { millrace_cql_release(&owner, 1); }
};
using owner_handle = std::unique_ptr<millrace_cql_owner, owner_releaser>;

// Zeroed, with its size set, as every struct of the bridge requires.
template <typename T>
[[nodiscard]] T sized() {
  T value{};
  value.size = sizeof(T);
  return value;
}

// The outcome of a call: MILLRACE_CQL_OK or why not.
struct outcome {
  std::int32_t status = MILLRACE_CQL_OK;
  std::int32_t code = -1;
  std::string message;
};

inline outcome outcome_of(std::int32_t status, const millrace_cql_error& error) {
  if (status == MILLRACE_CQL_OK) return {};
  EXPECT_EQ(status, error.status);
  return {status, error.code, static_cast<const char*>(error.message)};
}

// What a test configures; strings outlive the call.
struct settings {
  std::string contact_points;
  std::string address_map = {};
  std::string datacenter = {};
  std::string rack = {};
  std::string keyspace = {};
  std::string user = {};
  std::string password = {};
  std::string ca_file = {};
  bool failover = false;

  [[nodiscard]] millrace_cql_config config() const {
    auto out = sized<millrace_cql_config>();
    out.contact_points = contact_points.c_str();
    out.address_map = address_map.c_str();
    out.local_datacenter = datacenter.c_str();
    out.local_rack = rack.c_str();
    out.keyspace = keyspace.c_str();
    out.user = user.c_str();
    out.password = password.c_str();
    out.tls_ca_file = ca_file.c_str();
    out.tls = ca_file.empty() ? 0 : 1;
    out.datacenter_failover = failover ? 1 : 0;
    return out;
  }
};

struct prepared {
  outcome failure;
  millrace_cql_prepared of = sized<millrace_cql_prepared>();
  owner_handle owner = nullptr;

  [[nodiscard]] std::string id() const { return {reinterpret_cast<const char*>(of.id), of.id_size}; }
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> parameters() const {
    return texts(of.parameters, of.parameter_count);
  }
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> columns() const {
    return texts(of.columns, of.column_count);
  }
  [[nodiscard]] std::vector<unsigned> partition_key() const {
    return {of.partition_key, of.partition_key + of.partition_key_count};
  }

 private:
  static std::vector<std::pair<std::string, std::string>> texts(const millrace_cql_column* from,
                                                                std::size_t count) {
    std::vector<std::pair<std::string, std::string>> out;
    out.reserve(count);
    for (std::size_t k = 0; k < count; ++k) out.emplace_back(from[k].name, from[k].type);
    return out;
  }
};

struct topology {
  millrace_cql_topology of = sized<millrace_cql_topology>();
  owner_handle owner = nullptr;

  [[nodiscard]] const millrace_cql_node* node(std::string_view address) const {
    for (std::size_t k = 0; k < of.node_count; ++k) {
      if (of.nodes[k].address == address) return &of.nodes[k];
    }
    return nullptr;
  }
  [[nodiscard]] const millrace_cql_keyspace* keyspace(std::string_view name) const {
    for (std::size_t k = 0; k < of.keyspace_count; ++k) {
      if (of.keyspaces[k].name == name) return &of.keyspaces[k];
    }
    return nullptr;
  }
  // The addresses of a row's replicas.
  [[nodiscard]] std::vector<std::string> replicas(const millrace_cql_ring& ring, std::size_t row) const {
    std::vector<std::string> out;
    for (std::size_t k = 0; k < ring.replicas_max; ++k) {
      const std::uint32_t node = ring.replicas[(row * ring.replicas_max) + k];
      if (node != MILLRACE_CQL_NO_REPLICA) out.emplace_back(of.nodes[node].address);
    }
    return out;
  }
};

// A session, or why there is none.
class opened {
 public:
  explicit opened(const settings& with) {
    const auto config = with.config();
    auto error = sized<millrace_cql_error>();
    millrace_cql_session* session = nullptr;
    failure_ = outcome_of(millrace_cql_session_open(&config, &session, &error), error);
    session_.reset(session);
  }

  [[nodiscard]] const outcome& failure() const { return failure_; }
  [[nodiscard]] millrace_cql_session* get() const { return session_.get(); }
  void close() { session_.reset(); }

  [[nodiscard]] outcome execute(const char* cql, std::uint32_t timeout_ms = 0) const {
    auto error = sized<millrace_cql_error>();
    return outcome_of(millrace_cql_execute(get(), cql, timeout_ms, &error), error);
  }
  [[nodiscard]] prepared prepare(const char* cql, std::uint32_t timeout_ms = 0) const {
    auto error = sized<millrace_cql_error>();
    prepared out;
    out.failure = outcome_of(millrace_cql_prepare(get(), cql, timeout_ms, &out.of, &error), error);
    out.owner.reset(out.of.owner);
    return out;
  }
  [[nodiscard]] outcome renew(const settings& with) const {
    const auto config = with.config();
    auto error = sized<millrace_cql_error>();
    return outcome_of(millrace_cql_session_renew(get(), &config, &error), error);
  }
  [[nodiscard]] native::topology topology() const {
    native::topology out;
    millrace_cql_session_topology(get(), &out.of);
    out.owner.reset(out.of.owner);
    return out;
  }
  [[nodiscard]] std::uint64_t version() const { return millrace_cql_topology_version(get()); }
  [[nodiscard]] millrace_cql_control_counters counters() const {
    auto out = sized<millrace_cql_control_counters>();
    millrace_cql_session_counters(get(), &out);
    return out;
  }

 private:
  outcome failure_;
  session_handle session_;
};

inline std::unique_ptr<emulators::cql_emulator> emulated(
    const emulators::cql_emulator_options& options = {}) {
  auto server = emulators::cql_emulator::start(options);
  EXPECT_TRUE(server) << server.error().to_string();
  return std::move(*server);
}

inline void run(emulators::cql_emulator& server, const char* cql) {
  const auto done = server.execute(cql);
  EXPECT_TRUE(done) << done.error().to_string();
}

}  // namespace millrace::native
