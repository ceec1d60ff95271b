// A Confluent Schema Registry inside the process: the subset of its REST interface (HTTP/1.1 on 127.0.0.1)
// that clients of Avro topics use, with faults by script. Real clients connect to it.
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
// The same under /contexts/{context}; a subject ":.context:name" leads into that context.
//
// A schema's text is opaque JSON: two texts that differ in white space only (normalised: also in the order of
// attributes) are one schema with one id, across subjects. Whether schemas are compatible is what the test
// says (set_incompatible). References must exist when they are registered. Errors have the registry's codes
// and texts: 40401 (subject), 40402 (version), 40403 (schema), 42201 (invalid schema), 42202 (invalid
// version).
//
// It is also its own proxy: a request with an absolute URL is answered as if it were sent to itself.
//
// Threads: one of its own; every member function may be called from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <millrace/base/clock.h>
#include <millrace/base/result.h>

namespace millrace::emulators {

struct registry_double_options {
  std::uint16_t port = 0;  // 0: a free one
  // With a user, requests without these basic credentials are refused: 401. With a token, those without it as
  // bearer credentials.
  std::string user = {};
  std::string password = {};
  std::string bearer_token = {};
  // With a client, a token from POST /oauth/token is accepted too, until it is revoked.
  std::string oauth_client = {};
  std::string oauth_secret = {};
  std::uint32_t token_life_s = 3'600;  // as its answer says; it ends only with revoke_tokens()
  // TLS with these PEM files; with an authority for clients, only those that show a certificate of it.
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

struct registry_fault {
  registry_fault_kind kind = registry_fault_kind::status;
  int status = 503;
  int code = 50301;
  std::string message = "Error while forwarding the request to the primary";
  std::uint32_t retry_after_s = 0;  // a Retry-After header when not 0
  std::size_t body_bytes = 0;
  std::uint64_t times = 1;       // requests it hits; UINT64_MAX: until cleared
  std::string path_prefix = {};  // only requests whose path starts so; empty: all
};

struct registered_schema {
  std::int32_t id = 0;
  std::int32_t version = 0;
};

class registry_double {
 public:
  // Listens when it returns. errc::address_in_use, errc::io_error, errc::tls_error (files).
  [[nodiscard]] static result<std::unique_ptr<registry_double>> start(registry_double_options options = {});
  // Closes every connection and joins the thread.
  ~registry_double();
  registry_double(const registry_double&) = delete;
  registry_double& operator=(const registry_double&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept;
  [[nodiscard]] std::string url() const;  // "http://127.0.0.1:PORT", or https

  // Registers as POST /subjects/{subject}/versions would. errc::schema_invalid when the text is not JSON.
  result<registered_schema> add(std::string_view subject, std::string_view schema);
  // Puts a schema under an id of the test's choice; replaces what that id was, whatever a real registry would
  // say.
  void put(std::int32_t id, std::string_view schema, std::string_view type = "AVRO");
  // Puts a schema as the JSON object a registry answers with: {"schema": ..., "references": ..., "ruleSet":
  // ...}. Its references need not exist. errc::schema_invalid when it is not such an object.
  result<void> put_object(std::int32_t id, std::string_view object);
  // The subject's next schemas are incompatible because of `why`; "": they are not.
  void set_incompatible(std::string_view subject, std::string_view why);
  // The GUID of an id in the default context; "" when there is none.
  [[nodiscard]] std::string guid(std::int32_t id) const;
  // As DELETE /subjects/{subject}: its versions are there for those who ask for deleted ones.
  void remove_subject(std::string_view subject);
  // No token given so far is accepted any more.
  void revoke_tokens();

  // Faults are tried in the order of their injection; a spent one is gone.
  void inject(registry_fault what);
  void clear_faults();
  // Every answer waits this long; 0: none does.
  void set_delay(milliseconds delay);

  // Requests received so far: all, or those of one method and path without its query: "GET /schemas/ids/1".
  [[nodiscard]] std::uint64_t requests() const;
  [[nodiscard]] std::uint64_t requests(std::string_view method_and_path) const;
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
