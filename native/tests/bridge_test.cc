// What the bridge says when there is no server to talk to. With a server: control_plane_test.cc.
#include <cstdint>
#include <string>
#include <string_view>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <millrace/native/bridge.h>

namespace {

// A port of 127.0.0.1 without a listener: bound, so that no other process takes it.
class closed_port {
 public:
  closed_port() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* where = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket_, where, size) != 0 || ::getsockname(socket_, where, &size) != 0) std::abort();
    address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  closed_port(const closed_port&) = delete;
  closed_port& operator=(const closed_port&) = delete;
  ~closed_port() { ::close(socket_); }
  [[nodiscard]] const std::string& address() const { return address_; }

 private:
  int socket_;
  std::string address_;
};

struct refusal {
  millrace_cql_error error{};
  int32_t returned = 0;
  [[nodiscard]] std::string_view message() const { return static_cast<const char*>(error.message); }
};

// `contact_points` is not copied.
millrace_cql_config plain_config(const char* contact_points) {
  millrace_cql_config config{};
  config.size = sizeof config;
  config.contact_points = contact_points;
  config.connect_timeout_ms = 5'000;
  return config;
}

refusal open(const millrace_cql_config& config) {
  refusal out;
  out.error.size = sizeof out.error;
  millrace_cql_session* session = nullptr;
  out.returned = millrace_cql_session_open(&config, &session, &out.error);
  EXPECT_EQ(session, nullptr);
  EXPECT_EQ(out.returned, out.error.status);
  millrace_cql_session_close(session);
  return out;
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

TEST(bridge, has_the_version_of_its_header) {
  EXPECT_EQ(millrace_cql_abi_version(), std::uint32_t{MILLRACE_CQL_ABI_VERSION});
}

TEST(bridge, an_unreachable_server_is_unavailable_and_named) {
  const closed_port nobody;
  const refusal refused = open(plain_config(nobody.address().c_str()));
  EXPECT_EQ(refused.returned, MILLRACE_CQL_UNAVAILABLE);
  EXPECT_EQ(refused.error.retryable, 1);
  EXPECT_TRUE(contains(refused.message(), nobody.address())) << refused.message();
  EXPECT_TRUE(contains(refused.message(), "refused")) << refused.message();
}

TEST(bridge, a_name_that_does_not_resolve_is_unavailable_and_named) {
  const refusal refused = open(plain_config("no-such-host.invalid:9042"));
  EXPECT_EQ(refused.returned, MILLRACE_CQL_UNAVAILABLE);
  EXPECT_TRUE(contains(refused.message(), "no-such-host.invalid:9042")) << refused.message();
}

TEST(bridge, a_certificate_authority_that_cannot_be_read_is_a_tls_failure_naming_the_file) {
  const closed_port nobody;
  millrace_cql_config config = plain_config(nobody.address().c_str());
  config.tls = 1;
  config.tls_ca_file = "/nonexistent/ca.pem";
  const refusal refused = open(config);
  EXPECT_EQ(refused.returned, MILLRACE_CQL_TLS);
  EXPECT_TRUE(contains(refused.message(), "/nonexistent/ca.pem")) << refused.message();
}

TEST(bridge, an_unusable_configuration_is_refused) {
  EXPECT_EQ(open(plain_config(" , ")).returned, MILLRACE_CQL_CONFIG);

  millrace_cql_config other_version = plain_config("127.0.0.1");
  other_version.size -= 8;
  EXPECT_EQ(open(other_version).returned, MILLRACE_CQL_INTERNAL);
}

TEST(bridge, a_bad_entry_of_the_address_map_is_named) {
  for (const char* bad :
       {"10.0.0.1", "node-1=127.0.0.1", "10.0.0.1:0=127.0.0.1", "10.0.0.1=127.0.0.1:port"}) {
    const std::string map = "10.0.0.2:9042=127.0.0.2:19042," + std::string(bad);
    millrace_cql_config config = plain_config("127.0.0.1");
    config.address_map = map.c_str();
    const refusal refused = open(config);
    EXPECT_EQ(refused.returned, MILLRACE_CQL_CONFIG) << bad;
    EXPECT_TRUE(contains(refused.message(), "'" + std::string(bad) + "'")) << refused.message();
  }
}

TEST(bridge, a_name_in_the_address_map_that_does_not_resolve_is_unavailable_and_named) {
  const closed_port nobody;
  millrace_cql_config config = plain_config(nobody.address().c_str());
  config.address_map = "10.0.0.1=no-such-host.invalid";
  const refusal refused = open(config);
  EXPECT_EQ(refused.returned, MILLRACE_CQL_UNAVAILABLE);
  EXPECT_TRUE(contains(refused.message(), "no-such-host.invalid")) << refused.message();
}

}  // namespace
