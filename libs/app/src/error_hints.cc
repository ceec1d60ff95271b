#include "error_hints.h"

#include <array>

namespace millrace::app {
namespace {

struct error_hint {
  part of;
  errc code;
  std::string_view text;
};

// Hints of the clients themselves (the Kafka client, the configuration) are not here.
constexpr std::array all{
    error_hint{part::registry, errc::registry_unavailable,
               "check `registry.urls` and that the registry runs"},
    error_hint{part::registry, errc::registry_unauthorized,
               "check `registry.user` and `registry.password`, or the token"},
    error_hint{part::registry, errc::schema_incompatible,
               "change the output's schema to one that the subject's readers can read, or the subject's "
               "compatibility"},
    error_hint{part::registry, errc::schema_not_found,
               "register the output's schema, or set `registry.register_outputs: true`"},
    error_hint{part::registry, errc::tls_error,
               "check `registry.ca_file` and that the certificate names the host of `registry.urls`"},
    error_hint{part::database, errc::db_unavailable,
               "check `cql.contact_points`, `cql.datacenter` and that the database runs"},
    error_hint{part::database, errc::db_client_timeout,
               "check `cql.contact_points`, `cql.tls` and that the database runs"},
    error_hint{part::database, errc::db_unauthorized, "check `cql.user` and `cql.password`"},
    error_hint{part::database, errc::db_invalid, "check `cql.keyspace`"},
    error_hint{part::database, errc::tls_error,
               "check `cql.tls`, `cql.ca_file` and that the certificate names the node's address"},
    error_hint{part::statement, errc::db_invalid,
               "create the missing tables from the application's schema, or correct `cql.keyspace`"},
    error_hint{part::statement, errc::db_unauthorized, "grant the user of `cql.user` access to the table"},
    error_hint{part::statement, errc::db_type_mismatch, "change the table to the application's schema"},
};

}  // namespace

error with_hint(const error& why, part of) {
  for (const error_hint& known : all) {
    if (known.of == of && known.code == why.code())
      return {why.code(), why.message() + "; " + std::string(known.text)};
  }
  return why;
}

}  // namespace millrace::app
