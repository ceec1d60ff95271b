// The errors of the CQL native protocol, and what Millrace does about each. The reference of errors prints this
// table, and a test sends every code.
//
// Example:
//
//   const cql::server_error& overloaded = cql::server_error_of(0x1001);
//   invariant(overloaded.kind == errc::db_overloaded && overloaded.not_executed, "another node is tried");
//
// Threads: any; the table is constant.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include <millrace/base/errors.h>

namespace millrace::cql {

// One kind of error that a server answers.
struct server_error {
  // Numbers in place of a code: an error whose code is negotiated, and every code that the table does not name.
  static constexpr std::int32_t negotiated = -1;
  static constexpr std::int32_t other = -2;
  // The server does not know the prepared statement.
  static constexpr std::int32_t unprepared = 0x2500;

  std::int32_t code = other;
  std::string_view name = {};  // as the protocol's specification has it
  errc kind = errc::db_unavailable;
  // The server executed nothing: another node is tried, with any statement.
  bool not_executed = false;
  // Counts against the health of the node.
  bool of_node = false;
  // The node's limit of requests in flight shrinks.
  bool overloaded = false;
  std::string_view remedy = {};  // what a user should do
  std::string_view proof = {};   // the test that proves the row
};

namespace internal {

inline constexpr std::string_view proof_of_codes = "server_errors.every_code_is_handled_as_the_table_says";

}  // namespace internal

// The codes in ascending order, then the error with a negotiated code, then all others.
inline constexpr std::array<server_error, 22> server_errors = {{
    {.code = 0x0000,
     .name = "Server error",
     .kind = errc::db_unavailable,
     .of_node = true,
     .remedy = "read the log of the node",
     .proof = internal::proof_of_codes},
    {.code = 0x000A,
     .name = "Protocol error",
     .kind = errc::db_protocol,
     .remedy = "report it with the version of the server",
     .proof = internal::proof_of_codes},
    {.code = 0x0100,
     .name = "Authentication error",
     .kind = errc::db_unauthorized,
     .of_node = true,
     .remedy = "check `cql.user` and `cql.password`; check that the replicas of system_auth are alive",
     .proof = internal::proof_of_codes},
    {.code = 0x1000,
     .name = "Unavailable exception",
     .kind = errc::db_unavailable,
     .not_executed = true,
     .of_node = true,
     .remedy = "bring the missing replicas back, or lower the consistency",
     .proof = internal::proof_of_codes},
    {.code = 0x1001,
     .name = "Overloaded",
     .kind = errc::db_overloaded,
     .not_executed = true,
     .of_node = true,
     .overloaded = true,
     .remedy = "nothing if it passes; otherwise add nodes or lower `cql.in_flight_max`",
     .proof = internal::proof_of_codes},
    {.code = 0x1002,
     .name = "Is_bootstrapping",
     .kind = errc::db_unavailable,
     .not_executed = true,
     .of_node = true,
     .remedy = "wait until the node has joined",
     .proof = internal::proof_of_codes},
    {.code = 0x1003,
     .name = "Truncate_error",
     .kind = errc::db_unavailable,
     .remedy = "check that all nodes are alive",
     .proof = internal::proof_of_codes},
    {.code = 0x1100,
     .name = "Write_timeout",
     .kind = errc::db_timeout,
     .overloaded = true,
     .remedy = "check the load and the disks of the replicas",
     .proof = internal::proof_of_codes},
    {.code = 0x1200,
     .name = "Read_timeout",
     .kind = errc::db_timeout,
     .overloaded = true,
     .remedy = "check the load of the replicas, the size of the partition and its tombstones",
     .proof = internal::proof_of_codes},
    {.code = 0x1300,
     .name = "Read_failure",
     .kind = errc::db_unavailable,
     .of_node = true,
     .remedy = "read the logs of the replicas; a partition with too many tombstones fails for ever",
     .proof = internal::proof_of_codes},
    {.code = 0x1400,
     .name = "Function_failure",
     .kind = errc::db_invalid,
     .remedy = "correct the user-defined function",
     .proof = internal::proof_of_codes},
    {.code = 0x1500,
     .name = "Write_failure",
     .kind = errc::db_unavailable,
     .of_node = true,
     .remedy = "read the logs of the replicas; check their disks",
     .proof = internal::proof_of_codes},
    {.code = 0x1600,
     .name = "CDC_WRITE_FAILURE",
     .kind = errc::db_overloaded,
     .remedy = "let the reader of the change log catch up, or give the log more space",
     .proof = internal::proof_of_codes},
    {.code = 0x1700,
     .name = "CAS_WRITE_UNKNOWN",
     .kind = errc::db_timeout,
     .remedy = "nothing if it passes: the statement is tried again",
     .proof = internal::proof_of_codes},
    {.code = 0x2000,
     .name = "Syntax_error",
     .kind = errc::db_invalid,
     .remedy = "correct the statement",
     .proof = internal::proof_of_codes},
    {.code = 0x2100,
     .name = "Unauthorized",
     .kind = errc::db_unauthorized,
     .of_node = true,
     .remedy = "grant the permission; check that the replicas of system_auth are alive",
     .proof = internal::proof_of_codes},
    {.code = 0x2200,
     .name = "Invalid",
     .kind = errc::db_invalid,
     .remedy = "correct the statement or the record; the message says which",
     .proof = internal::proof_of_codes},
    {.code = 0x2300,
     .name = "Config_error",
     .kind = errc::db_invalid,
     .remedy = "correct the statement or the configuration of the server",
     .proof = internal::proof_of_codes},
    {.code = 0x2400,
     .name = "Already_exists",
     .kind = errc::db_invalid,
     .remedy = "use IF NOT EXISTS",
     .proof = internal::proof_of_codes},
    {.code = server_error::unprepared,
     .name = "Unprepared",
     .kind = errc::db_unavailable,
     .remedy = "nothing: the statement is prepared again and executed",
     .proof = internal::proof_of_codes},
    {.code = server_error::negotiated,
     .name = "Rate limit error (ScyllaDB)",
     .kind = errc::db_overloaded,
     .remedy = "raise the limit of the table, or spread the load over more partitions",
     .proof = internal::proof_of_codes},
    {.code = server_error::other,
     .name = "any other code",
     .kind = errc::db_unavailable,
     .of_node = true,
     .remedy = "read the message, which has the code; report it with the version of the server",
     .proof = internal::proof_of_codes},
}};

// Returns the row of a code; the last row for a code that the table does not name.
[[nodiscard]] const server_error& server_error_of(std::int32_t code) noexcept;
// Returns the row of the error whose code a connection negotiates.
[[nodiscard]] const server_error& rate_limit_error() noexcept;

}  // namespace millrace::cql
