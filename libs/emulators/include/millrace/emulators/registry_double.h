// A Confluent Schema Registry inside the process: the subset of its REST interface (HTTP/1.1 on 127.0.0.1)
// that clients of Avro topics use, with faults by script. Real clients connect to it.
//
// Example:
//
//   const auto registry = emulators::registry_double::start();
//   if (!registry) return registry.error();
//   const auto visit = (*registry)->add("visits-value", R"({"type": "string"})");
//   if (!visit) return visit.error();
//   (*registry)->inject({.status = 503, .times = 2});
//   const std::string url = (*registry)->url();
//
// Requests:
//
//   POST   /subjects/{subject}/versions[?normalize=true]       register
//   POST   /subjects/{subject}[?normalize=true]                look up
//   GET    /subjects, /subjects/{subject}/versions[/{version|latest|-1}], each [?deleted=true]
//   DELETE /subjects/{subject}[?permanent=true], /subjects/{subject}/versions/{version}
//   GET    /schemas/ids/{id}, /schemas/ids/{id}/{schema|versions|subjects}, /schemas/guids/{guid}
//   POST   /compatibility/subjects/{subject}/versions/{any}[?verbose=true]
//   GET    /schemas/types, /contexts, /config, /mode, /
//   POST   /oauth/token                                        with `oauth_client` set
//
// The same requests exist under /contexts/{context}; a subject ":.context:name" leads into that context.
//
// A schema's text is opaque JSON. Two texts that differ in white space only (normalised: also in the order of
// attributes) are one schema with one id, across subjects. A test decides whether schemas are compatible
// (set_incompatible). References must exist when they are registered. Errors have the registry's codes and
// texts: 40401 (subject), 40402 (version), 40403 (schema), 42201 (invalid schema), 42202 (invalid version).
//
// It is also its own proxy: a request with an absolute URL is answered as if it were sent to itself.
//
// Threads: every member function may be called from any thread. The server has one thread of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <millrace/base/clock.h>
#include <millrace/base/result.h>

namespace millrace::emulators {

// Options of a registry.
struct registry_double_options {
  std::uint16_t port = 0;  // 0: a free one
  // With a user, requests without these basic credentials are refused with 401; with a token, requests
  // without it as bearer credentials.
  std::string user = {};
  std::string password = {};
  std::string bearer_token = {};
  // With a client, a token from POST /oauth/token is accepted, too, until it is revoked.
  std::string oauth_client = {};
  std::string oauth_secret = {};
  std::uint32_t token_life_s = 3'600;  // as its answer says; it ends only with revoke_tokens()
  // TLS with these PEM files. With an authority for clients, only clients with a certificate of it are
  // accepted.
  std::string tls_certificate_file = {};
  std::string tls_key_file = {};
  std::string tls_client_ca_file = {};
  std::size_t body_bytes_max = std::size_t{4} << 20U;  // a larger request is refused: 413
};

enum class registry_fault_kind : std::uint8_t {
  status,     // answers `status` with `code` and `message`
  hang,       // never answers; the connection stays open
  garbage,    // 200 with a body that is not JSON
  huge,       // 200 with a body of `body_bytes` bytes: one JSON string
  truncated,  // announces more bytes than it sends, then closes
  drop,       // closes without an answer
  drip,       // sends its answer a byte every 20 ms
};

// A fault.
struct registry_fault {
  registry_fault_kind kind = registry_fault_kind::status;
  int status = 503;
  int code = 50301;
  std::string message = "Error while forwarding the request to the primary";
  std::uint32_t retry_after_s = 0;  // a Retry-After header when not 0
  std::size_t body_bytes = 0;
  std::uint64_t times = 1;       // number of requests that it affects; UINT64_MAX: until cleared
  std::string path_prefix = {};  // affects requests whose path starts with this; empty: all
};

// The result of a registration.
struct registered_schema {
  std::int32_t id = 0;
  std::int32_t version = 0;
};

// The registry.
class registry_double {
 public:
  // Starts a registry, which listens when this returns. Returns errc::address_in_use, errc::io_error, or
  // errc::tls_error for a file that cannot be used.
  [[nodiscard]] static result<std::unique_ptr<registry_double>> start(registry_double_options options = {});
  // Closes every connection and joins the thread.
  ~registry_double();
  registry_double(const registry_double&) = delete;
  registry_double& operator=(const registry_double&) = delete;

  // The port, and the URL: "http://127.0.0.1:PORT", or https.
  [[nodiscard]] std::uint16_t port() const noexcept;
  [[nodiscard]] std::string url() const;

  // Registers a schema as POST /subjects/{subject}/versions does. Returns errc::schema_invalid when the text
  // is not JSON.
  result<registered_schema> add(std::string_view subject, std::string_view schema);
  // Stores a schema under an id, replacing the schema of that id.
  void put(std::int32_t id, std::string_view schema, std::string_view type = "AVRO");
  // Stores a schema as the JSON object of a registry's answer: {"schema": ..., "references": ..., "ruleSet":
  // ...}. Its references need not exist. Returns errc::schema_invalid for another text.
  result<void> put_object(std::int32_t id, std::string_view object);
  // Makes the subject's next schemas incompatible with the reason `why`; "": compatible.
  void set_incompatible(std::string_view subject, std::string_view why);
  // The GUID of an id in the default context; "" when there is none.
  [[nodiscard]] std::string guid(std::int32_t id) const;
  // Deletes a subject softly, as DELETE /subjects/{subject} does: its versions remain visible with
  // deleted=true.
  void remove_subject(std::string_view subject);
  // Revokes every token.
  void revoke_tokens();
  // Replaces the password of `user`, the bearer token, and the secret of `oauth_client`. Tokens stay valid.
  void set_password(std::string_view password);
  void set_bearer_token(std::string_view token);
  void set_oauth_secret(std::string_view secret);

  // Adds a fault. Faults are tried in the order of their injection; a used-up fault is removed.
  void inject(registry_fault what);
  void clear_faults();
  // Delays every answer; 0: no delay.
  void set_delay(milliseconds delay);

  // Requests received so far: all, or those of one method and path without its query: "GET /schemas/ids/1".
  [[nodiscard]] std::uint64_t requests() const;
  [[nodiscard]] std::uint64_t requests(std::string_view method_and_path) const;
  // Connections accepted and tokens issued so far.
  [[nodiscard]] std::uint64_t connections_accepted() const;
  [[nodiscard]] std::uint64_t tokens_given() const;
  // A header of the last request; "" when it had none of that name.
  [[nodiscard]] std::string last_header(std::string_view name) const;

 private:
  struct state;
  explicit registry_double(std::unique_ptr<state> state);

  std::unique_ptr<state> state_;
};

}  // namespace millrace::emulators
