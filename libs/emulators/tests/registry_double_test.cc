// The registry's REST subset over a raw HTTP client.
#include "millrace/emulators/registry_double.h"

#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace millrace::emulators {
namespace {

struct http_answer {
  int status = 0;  // 0: the connection ended without one
  std::string head;
  std::string body;
};

// One request per connection; reads to the end of the stream.
class registry_test : public testing::Test {
 protected:
  http_answer ask(std::string_view method, std::string_view path, std::string_view body = "",
                  std::string_view header = "") {
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    const timeval timeout{30, 0};
    ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(registry->port());
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    static_cast<void>(::connect(socket, reinterpret_cast<sockaddr*>(&at), sizeof at));
    std::string request(method);
    request.append(" ")
        .append(path)
        .append(" HTTP/1.1\r\nHost: registry\r\nConnection: close\r\n")
        .append(header);
    request.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n\r\n").append(body);
    static_cast<void>(::send(socket, request.data(), request.size(), MSG_NOSIGNAL));
    std::string all;
    char buffer[4096];
    for (ssize_t got = 0; (got = ::recv(socket, buffer, sizeof buffer, 0)) > 0;)
      all.append(buffer, static_cast<std::size_t>(got));
    ::close(socket);
    http_answer out;
    const std::size_t split = all.find("\r\n\r\n");
    if (split == std::string::npos) return out;
    out.head = all.substr(0, split);
    out.body = all.substr(split + 4);
    out.status = std::stoi(all.substr(9, 3));
    return out;
  }
  http_answer get(std::string_view path) { return ask("GET", path); }
  http_answer post(std::string_view path, std::string_view body) { return ask("POST", path, body); }

  std::unique_ptr<registry_double> registry = [] {
    auto started = registry_double::start();
    EXPECT_TRUE(started);
    return std::move(*started);
  }();
};

// An answer about a version, without the GUID at its end.
std::string without_guid(const std::string& body) {
  const std::size_t at = body.find(R"(,"guid":)");
  return at == std::string::npos ? body : body.substr(0, at) + "}";
}

constexpr std::string_view string_schema = R"({"schema": "\"string\""})";

TEST_F(registry_test, registering_twice_is_one_id_across_subjects_and_white_space) {
  EXPECT_EQ(post("/subjects/a-value/versions", R"({"schema": "{\"type\": \"string\"}"})").body,
            R"({"id":1})");
  EXPECT_EQ(post("/subjects/a-value/versions", R"({"schema": "{ \"type\":\"string\" }"})").body,
            R"({"id":1})");
  EXPECT_EQ(post("/subjects/b-value/versions", R"({"schema": "{\"type\":\"string\"}"})").body, R"({"id":1})");
  EXPECT_EQ(post("/subjects/a-value/versions", string_schema).body, R"({"id":2})");
  EXPECT_EQ(get("/schemas/ids/1").body, R"({"schema":"{\"type\": \"string\"}"})");
  EXPECT_EQ(get("/schemas/ids/1?subject=a-value").status, 200);
  EXPECT_EQ(get("/schemas/ids/1/versions").body,
            R"([{"subject":"a-value","version":1},{"subject":"b-value","version":1}])");
  EXPECT_EQ(get("/subjects").body, R"(["a-value","b-value"])");
  EXPECT_EQ(get("/subjects/a-value/versions").body, "[1,2]");
  EXPECT_EQ(without_guid(get("/subjects/a-value/versions/latest").body),
            R"({"subject":"a-value","version":2,"id":2,"schema":"\"string\""})");
  EXPECT_EQ(get("/subjects/a-value/versions/1").status, 200);
}

TEST_F(registry_test, a_schema_is_looked_up_under_its_subject) {
  post("/subjects/s/versions", string_schema);
  EXPECT_EQ(without_guid(post("/subjects/s", string_schema).body),
            R"({"subject":"s","version":1,"id":1,"schema":"\"string\""})");
  EXPECT_EQ(post("/subjects/s", R"({"schema": "\"int\""})").body,
            R"({"error_code":40403,"message":"Schema not found"})");
  EXPECT_EQ(post("/subjects/t", string_schema).body,
            R"({"error_code":40401,"message":"Subject 't' not found."})");
}

TEST_F(registry_test, subjects_are_percent_decoded) {
  post("/subjects/a%2Fb%20c/versions", string_schema);
  EXPECT_EQ(get("/subjects").body, R"(["a/b c"])");
}

TEST_F(registry_test, other_types_and_references_are_kept) {
  post("/subjects/p/versions", R"({"schema": "syntax = \"proto3\";", "schemaType": "PROTOBUF"})");
  EXPECT_EQ(get("/schemas/ids/1").body, R"({"schema":"syntax = \"proto3\";","schemaType":"PROTOBUF"})");
  post("/subjects/y/versions", string_schema);
  post("/subjects/r/versions",
       R"({"schema": "\"x.Y\"", "references": [{"name": "x.Y", "subject": "y", "version": 1}]})");
  EXPECT_NE(get("/schemas/ids/3").body.find(R"("references":[{"name":"x.Y")"), std::string::npos);
}

TEST_F(registry_test, references_must_exist_and_outlive_a_soft_deletion) {
  EXPECT_EQ(post("/subjects/r/versions",
                 R"({"schema": "\"x.Y\"", "references": [{"name": "x.Y", "subject": "y", "version": 1}]})")
                .status,
            422);
  post("/subjects/y/versions", string_schema);
  EXPECT_EQ(ask("DELETE", "/subjects/y").body, "[1]");
  EXPECT_EQ(get("/subjects/y/versions/1").status, 404);
  EXPECT_EQ(get("/subjects/y/versions/1?deleted=true").status, 200);
  EXPECT_EQ(get("/subjects").body, "[]");
  EXPECT_EQ(get("/subjects?deleted=true").body, R"(["y"])");
  ask("DELETE", "/subjects/y?permanent=true");
  EXPECT_EQ(get("/subjects/y/versions/1?deleted=true").status, 404);
}

TEST_F(registry_test, a_deleted_version_is_not_the_latest) {
  post("/subjects/s/versions", string_schema);
  post("/subjects/s/versions", R"({"schema": "\"int\""})");
  EXPECT_EQ(ask("DELETE", "/subjects/s/versions/2").body, "2");
  EXPECT_NE(get("/subjects/s/versions/latest").body.find(R"("version":1)"), std::string::npos);
  EXPECT_EQ(get("/subjects/s/versions").body, "[1]");
  EXPECT_EQ(get("/schemas/ids/2").status, 200) << "what was written with it can still be read";
}

TEST_F(registry_test, contexts_have_ids_of_their_own) {
  post("/contexts/.a/subjects/s/versions", string_schema);
  post("/subjects/%3A.b%3As/versions", R"({"schema": "\"int\""})");
  EXPECT_EQ(get("/contexts/.a/schemas/ids/1").body, R"({"schema":"\"string\""})");
  EXPECT_EQ(get("/contexts/.b/schemas/ids/1").body, R"({"schema":"\"int\""})");
  EXPECT_EQ(get("/schemas/ids/1").status, 404);
  EXPECT_EQ(get("/contexts").body, R"([".",".a",".b"])");
}

TEST_F(registry_test, a_guid_names_a_schema) {
  post("/subjects/s/versions", string_schema);
  const std::string body = get("/subjects/s/versions/1").body;
  const std::string guid = body.substr(body.find(R"("guid":")") + 8, 36);
  EXPECT_EQ(get("/schemas/guids/" + guid).body, R"({"schema":"\"string\""})");
  EXPECT_NE(get("/schemas/guids/89791762-2336-4186-9674-299b90a802e2").body.find("40403"), std::string::npos);
}

TEST_F(registry_test, normalised_schemas_ignore_the_order_of_attributes) {
  const auto of = [&](std::string_view text) {
    return post("/subjects/s/versions?normalize=true", text).body;
  };
  EXPECT_EQ(of(R"({"schema": "{\"type\":\"string\",\"doc\":\"d\"}"})"),
            of(R"({"schema": "{\"doc\":\"d\",\"type\":\"string\"}"})"));
}

TEST_F(registry_test, an_incompatible_schema_is_refused_with_the_reason) {
  post("/subjects/s/versions", string_schema);
  EXPECT_EQ(post("/compatibility/subjects/s/versions/latest", string_schema).body,
            R"({"is_compatible":true})");
  registry->set_incompatible("s", "the field 'a' has no default");
  EXPECT_EQ(post("/compatibility/subjects/s/versions/latest?verbose=true", string_schema).body,
            R"({"is_compatible":false,"messages":["the field 'a' has no default"]})");
  EXPECT_EQ(post("/subjects/s/versions", string_schema).status, 409);
}

TEST_F(registry_test, tokens_are_issued_to_known_clients_and_expire) {
  registry = std::move(*registry_double::start({.oauth_client = "app", .oauth_secret = "s3cret"}));
  const auto token = [&](std::string_view credentials) {
    return ask("POST", "/oauth/token", "grant_type=client_credentials",
               "Authorization: Basic " + std::string(credentials) + "\r\n");
  };
  EXPECT_EQ(token("YXBwOmd1ZXNz").status, 401);
  const http_answer given = token("YXBwOnMzY3JldA==");
  ASSERT_EQ(given.status, 200) << given.body;
  const std::size_t begin = given.body.find(R"("access_token":")") + 16;
  const std::string header =
      "Authorization: Bearer " + given.body.substr(begin, given.body.find('"', begin) - begin) + "\r\n";
  EXPECT_EQ(ask("GET", "/subjects", "", header).status, 200);
  registry->revoke_tokens();
  EXPECT_EQ(ask("GET", "/subjects", "", header).status, 401);
  EXPECT_EQ(registry->tokens_given(), 1);
}

TEST_F(registry_test, errors_have_the_codes_of_the_registry) {
  post("/subjects/s/versions", string_schema);
  EXPECT_EQ(get("/schemas/ids/9").body, R"({"error_code":40403,"message":"Schema 9 not found"})");
  EXPECT_EQ(get("/schemas/ids/9").status, 404);
  EXPECT_EQ(get("/subjects/s/versions/7").body, R"({"error_code":40402,"message":"Version 7 not found."})");
  EXPECT_NE(get("/subjects/s/versions/x").body.find("42202"), std::string::npos);
  EXPECT_EQ(post("/subjects/s/versions", R"({"schema": "not json"})").status, 422);
  EXPECT_NE(post("/subjects/s/versions", "{}").body.find("42201"), std::string::npos);
  EXPECT_EQ(post("/subjects/s/versions", "not json").status, 400);
  EXPECT_EQ(get("/nowhere").status, 404);
  EXPECT_EQ(ask("PUT", "/subjects").status, 405);
  EXPECT_NE(get("/schemas/ids/9").head.find("Content-Type: application/vnd.schemaregistry.v1+json"),
            std::string::npos);
}

TEST_F(registry_test, faults_occur_at_the_requested_place_and_count) {
  registry->put(5, R"("string")");
  registry->inject({.status = 429,
                    .code = 42900,
                    .message = "slow down",
                    .retry_after_s = 2,
                    .times = 2,
                    .path_prefix = "/schemas"});
  EXPECT_EQ(get("/subjects").status, 200);
  EXPECT_EQ(get("/schemas/ids/5").status, 429);
  const http_answer second = get("/schemas/ids/5");
  EXPECT_EQ(second.body, R"({"error_code":42900,"message":"slow down"})");
  EXPECT_NE(second.head.find("Retry-After: 2"), std::string::npos);
  EXPECT_EQ(get("/schemas/ids/5").status, 200);
}

TEST_F(registry_test, answers_can_be_invalid_oversized_truncated_or_missing) {
  registry->inject({.kind = registry_fault_kind::garbage});
  EXPECT_EQ(get("/subjects").body.substr(0, 6), "<html>");
  registry->inject({.kind = registry_fault_kind::huge, .body_bytes = 3'000'000});
  EXPECT_EQ(get("/subjects").body.size(), 3'000'000);
  registry->inject({.kind = registry_fault_kind::truncated});
  const http_answer cut = get("/subjects");
  EXPECT_EQ(cut.head.find("Content-Length: " + std::to_string(cut.body.size())), std::string::npos);
  registry->inject({.kind = registry_fault_kind::drop});
  EXPECT_EQ(get("/subjects").status, 0);
  EXPECT_EQ(get("/subjects").status, 200);
}

TEST_F(registry_test, a_hanging_request_stops_no_other_and_ends_with_the_registry) {
  registry->inject({.kind = registry_fault_kind::hang});
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(registry->port());
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(socket, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  const std::string request = "GET /hung HTTP/1.1\r\nHost: registry\r\n\r\n";
  ASSERT_GT(::send(socket, request.data(), request.size(), 0), 0);
  while (registry->requests("GET /hung") == 0) std::this_thread::yield();
  EXPECT_EQ(get("/subjects").status, 200);
  registry.reset();
  char byte = 0;
  EXPECT_LE(::recv(socket, &byte, 1, 0), 0);
  ::close(socket);
}

TEST_F(registry_test, requests_are_counted_by_path) {
  get("/schemas/ids/1?subject=x");
  get("/schemas/ids/1");
  get("/subjects");
  EXPECT_EQ(registry->requests(), 3);
  EXPECT_EQ(registry->requests("GET /schemas/ids/1"), 2);
  EXPECT_EQ(registry->requests("GET /never"), 0);
  EXPECT_EQ(registry->connections_accepted(), 3);
}

TEST_F(registry_test, schemas_are_added_directly) {
  const auto added = registry->add("s", R"("string")");
  ASSERT_TRUE(added);
  EXPECT_EQ(added->id, 1);
  EXPECT_EQ(added->version, 1);
  EXPECT_FALSE(registry->add("s", "{"));
  registry->put(7, R"("int")");
  EXPECT_EQ(get("/schemas/ids/7").body, R"({"schema":"\"int\""})");
}

TEST_F(registry_test, credentials_are_checked_when_set) {
  registry =
      std::move(*registry_double::start({.user = "app", .password = "secret", .bearer_token = "t0ken"}));
  EXPECT_EQ(get("/subjects").status, 401);
  EXPECT_EQ(ask("GET", "/subjects", "", "Authorization: Basic YXBwOnNlY3JldA==\r\n").status, 200);
  EXPECT_EQ(ask("GET", "/subjects", "", "Authorization: Bearer t0ken\r\n").status, 200);
  EXPECT_EQ(ask("GET", "/subjects", "", "Authorization: Basic YXBwOmd1ZXNz\r\n").status, 401);
}

TEST_F(registry_test, a_busy_port_is_an_error) {
  const auto second = registry_double::start({.port = registry->port()});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), errc::address_in_use);
}

}  // namespace
}  // namespace millrace::emulators
