/* The CQL bridge: a C interface over the official ScyllaDB/Cassandra driver (the Rust crate `scylla`).
 *
 * A session owns one or more I/O threads, each with the driver's event loop and its own connections. A worker
 * opens one channel, which is bound to one I/O thread: it submits requests in batches, is woken at most once
 * per batch through the channel's event descriptor, and polls completions in batches. Cells are passed in the
 * wire form of the CQL native protocol: a big-endian int32 length (-1 null, -2 unset) and the bytes.
 *
 * Example prelude:
 *
 *   #include <stdio.h>
 *
 * Example, at namespace scope:
 *
 *   int print_version(const char* contact_points) {
 *     millrace_cql_config config = {};
 *     config.size = sizeof config;
 *     config.contact_points = contact_points;
 *     millrace_cql_error failure = {};
 *     failure.size = sizeof failure;
 *     millrace_cql_session* session = NULL;
 *     if (millrace_cql_session_open(&config, &session, &failure) != MILLRACE_CQL_OK) {
 *       fprintf(stderr, "%s\n", failure.message);
 *       return 1;
 *     }
 *     printf("%u\n", millrace_cql_abi_version());
 *     millrace_cql_session_close(session);
 *     return 0;
 *   }
 *
 * Promises:
 *
 * * Every accepted request completes exactly once, with its tag: also after a timeout, a broken connection, a
 *   panic of the driver, and the closing of the channel or of the session.
 * * No node holds more than its share of the requests in flight: all of it for one node, three quarters for
 *   each of two, twice the fair share for more. One slow node therefore does not delay the others.
 * * The driver retries nothing: every failure is reported, and the caller decides about a retry.
 * * No panic and no exception crosses this interface.
 *
 * Errors: a blocking call returns a millrace_cql_status and fills in *error when it is not MILLRACE_CQL_OK;
 * its out-parameters are then unchanged.
 * Threads: a session may be used from any thread, a channel from one thread at a time. Functions marked
 * "Blocks" are for start-up and shutdown only.
 */
#ifndef MILLRACE_NATIVE_BRIDGE_H
#define MILLRACE_NATIVE_BRIDGE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Changes with every incompatible change of this header; compare with millrace_cql_abi_version(). */
#define MILLRACE_CQL_ABI_VERSION 4

typedef struct millrace_cql_session millrace_cql_session;
typedef struct millrace_cql_channel millrace_cql_channel;
/* Keeps memory that the bridge handed out alive until it is released. */
typedef struct millrace_cql_owner millrace_cql_owner;

/* The outcomes that callers distinguish. */
typedef enum millrace_cql_status {
  MILLRACE_CQL_OK = 0,
  MILLRACE_CQL_UNAVAILABLE = 1, /* no usable connection, a connection broke, or not enough replicas alive */
  /* the server reported a read or write timeout; a write may have taken effect */
  MILLRACE_CQL_SERVER_TIMEOUT = 2,
  MILLRACE_CQL_OVERLOADED = 3,     /* the server sheds load or limits the rate */
  MILLRACE_CQL_CLIENT_TIMEOUT = 4, /* the request's own deadline passed; a write may have taken effect */
  MILLRACE_CQL_UNAUTHORIZED = 5,   /* bad or missing credentials, or no permission */
  MILLRACE_CQL_INVALID = 6, /* the server refuses the statement: syntax, unknown table or column, too large */
  MILLRACE_CQL_PROTOCOL = 7,   /* an answer or a submitted buffer could not be understood */
  MILLRACE_CQL_TLS = 8,        /* certificate, key or handshake */
  MILLRACE_CQL_CONFIG = 9,     /* the session's configuration cannot be used, e.g. an unknown datacentre */
  MILLRACE_CQL_CANCELLED = 10, /* the channel or session was closed first; a write may have taken effect */
  MILLRACE_CQL_INTERNAL = 11,  /* a contained defect of the bridge or the driver */
  MILLRACE_CQL_SCHEMA_CHANGED = 12 /* a column of the statement has another type than when it was prepared */
} millrace_cql_status;

/* The outcome of a blocking call. `size` is sizeof(millrace_cql_error), set by the caller. */
typedef struct millrace_cql_error {
  uint32_t size;
  int32_t status;     /* millrace_cql_status */
  int32_t code;       /* the error code of the CQL protocol, e.g. 0x2200; -1 when the server sent none */
  int32_t retryable;  /* 1: the same call may succeed later */
  char message[1000]; /* UTF-8, ends with 0, cut when longer; never holds a password */
} millrace_cql_error;

/* NULL means "none" unless a comment says otherwise. Strings are UTF-8 and are copied. */
typedef struct millrace_cql_config {
  uint32_t size;                /* sizeof(millrace_cql_config) */
  uint32_t consistency;         /* default of statements, a number of the CQL protocol: 6 is LOCAL_QUORUM */
  const char* contact_points;   /* "host[:port],host[:port]"; port 9042 by default */
  const char* local_datacenter; /* preferred; requests leave it only with datacenter_failover */
  const char* local_rack;
  const char* keyspace;
  const char* user;
  const char* password;
  const char* tls_ca_file; /* PEM; NULL: the system's trust store. Verification cannot be turned off */
  const char* tls_certificate_file; /* PEM chain for client authentication */
  const char* tls_key_file;
  const char* application_name; /* shown by the server's system.clients */
  const char* application_version;
  uint32_t tls; /* 1: TLS. Servers' certificates must carry the node's IP address as a SAN */
  uint32_t datacenter_failover;
  uint32_t connect_timeout_ms; /* for all of millrace_cql_session_open; 0: 15,000 */
  uint32_t io_threads;         /* 0: 1. Each has its own connections: one per node and shard */
  uint32_t keepalive_ms;       /* a connection that is silent for twice as long is closed; 0: 5,000 */
  /* Time without an answer after which an idempotent statement is also executed on another node, up to
   * speculative_max times; 0: never. */
  uint32_t speculative_after_ms;
  uint32_t speculative_max;
  uint32_t reserved;
} millrace_cql_config;

/* Returns the version with which the archive was built. */
uint32_t millrace_cql_abi_version(void);

/* Opens a session. Blocks until every I/O thread is connected, or for connect_timeout_ms. Also checks that
 * local_datacenter exists. Sets *session. */
int32_t millrace_cql_session_open(const millrace_cql_config* config, millrace_cql_session** session,
                                  millrace_cql_error* error);

/* Closes a session. Blocks (milliseconds) until the I/O threads have ended. Channels stay valid: requests in
 * flight complete as MILLRACE_CQL_CANCELLED. NULL is ignored. */
void millrace_cql_session_close(millrace_cql_session* session);

/* Executes one statement without values and ignores its rows, for DDL. Blocks. */
int32_t millrace_cql_execute(millrace_cql_session* session, const char* statement, uint32_t timeout_ms,
                             millrace_cql_error* error);

typedef struct millrace_cql_statement {
  uint32_t size;              /* sizeof(millrace_cql_statement) */
  int32_t consistency;        /* -1: the session's */
  int32_t serial_consistency; /* 8 SERIAL, 9 LOCAL_SERIAL, -1: none */
  uint32_t idempotent;
  uint32_t page_size;   /* rows per page of a SELECT; 0: 5,000 */
  uint32_t timeout_ms;  /* of this preparation; 0: 15,000 */
  uint32_t conditional; /* 1: INSERT, UPDATE or DELETE with IF: completions carry their columns */
  uint32_t trace;       /* 1: the server traces every execution, and completions carry the trace's id */
  const char* text;
} millrace_cql_statement;

/* A column or parameter. Types are CQL's, without frozen<>: "bigint", "map<text, list<int>>",
 * "tuple<int, text>", "vector<float, 3>"; a user-defined type is "udt<keyspace.name, field text, ...>".
 * Strings end with 0. */
typedef struct millrace_cql_column {
  const char* name;
  const char* type;
} millrace_cql_column;

/* All pointers are valid until `owner` is released. */
typedef struct millrace_cql_prepared {
  uint32_t size;      /* sizeof(millrace_cql_prepared), set by the caller */
  uint32_t statement; /* for millrace_cql_request; the same in all channels of the session */
  const millrace_cql_column* parameters;
  size_t parameter_count;
  const millrace_cql_column* columns; /* of the rows; none for statements without rows */
  size_t column_count;
  const uint16_t* partition_key; /* indexes into parameters; none: the request cannot be routed by token */
  size_t partition_key_count;
  millrace_cql_owner* owner;
} millrace_cql_prepared;

/* Prepares a statement on every I/O thread. Blocks. Preparing the same text again yields another id.
 *
 * The driver prepares again on a server that forgot the statement. When the schema changes (checked every few
 * seconds) every statement is prepared again. A statement whose parameters or columns have other types then
 * fails with MILLRACE_CQL_SCHEMA_CHANGED from then on, because its cells would be misread. */
int32_t millrace_cql_prepare(millrace_cql_session* session, const millrace_cql_statement* statement,
                             millrace_cql_prepared* prepared, millrace_cql_error* error);

/* Frees the memory of a statement. No request may name it afterwards. */
void millrace_cql_forget(millrace_cql_session* session, uint32_t statement);

/* Opens a channel. in_flight_max: requests that are submitted and not yet polled, 1 to 65,536. Channels are
 * spread over the I/O threads. Sets *channel. */
int32_t millrace_cql_channel_open(millrace_cql_session* session, uint32_t in_flight_max,
                                  millrace_cql_channel** channel, millrace_cql_error* error);

/* Returns a descriptor that is readable when completions arrived after millrace_cql_arm(). The channel owns
 * it; millrace_cql_poll() reads it. */
int32_t millrace_cql_channel_event_fd(const millrace_cql_channel* channel);

/* Closes a channel: requests in flight, and later ones, complete as cancelled. Does not block. */
void millrace_cql_channel_close(millrace_cql_channel* channel);

/* Frees a channel. Aborts when a tag has not been polled yet, because its buffers would be used after free.
 * NULL is ignored. */
void millrace_cql_channel_free(millrace_cql_channel* channel);

/* Routes: the data for a caller that sends requests itself over its own connections, and leaves the other
 * requests to the driver. */
typedef struct millrace_cql_node {
  const char* address; /* the IP address */
  const char* datacenter;
  const char* rack;
  uint32_t port;
  uint32_t reserved;
  uint8_t host_id[16];
} millrace_cql_node;

/* The replicas of a keyspace. Row k of `replicas` (replicas_max numbers of nodes; UINT32_MAX: none) has the
 * replicas of the tokens after tokens[k - 1] up to tokens[k]. The last token's successor is the first. */
typedef struct millrace_cql_ring {
  const int64_t* tokens; /* ascending */
  const uint32_t* replicas;
  size_t token_count;
  size_t replicas_max;
} millrace_cql_ring;

/* A statement that the caller may execute itself. The driver alone executes the statements that are not
 * listed: conditional ones, those of tables with tablets, and those that the present schema no longer fits. */
typedef struct millrace_cql_executable {
  const uint8_t* id; /* of the native protocol; the same on all nodes */
  size_t id_size;
  uint32_t statement;
  int32_t ring; /* its replicas, by Murmur3 token of the partition key; -1: any node */
} millrace_cql_executable;

#define MILLRACE_CQL_ROUTES_CLOSED UINT64_MAX

/* All pointers are valid until `owner` is released. */
typedef struct millrace_cql_routes {
  uint64_t size; /* sizeof(millrace_cql_routes), set by the caller */
  uint64_t version;
  const millrace_cql_node* nodes;
  size_t node_count;
  const millrace_cql_ring* rings;
  size_t ring_count;
  const millrace_cql_executable* executables;
  size_t executable_count;
  millrace_cql_owner* owner;
} millrace_cql_routes;

/* Returns a number that changes with the routes, within seconds of the cluster, and is
 * MILLRACE_CQL_ROUTES_CLOSED once the session is closed. Costs one atomic load. */
uint64_t millrace_cql_channel_routes_version(const millrace_cql_channel* channel);

/* Fills in *routes. Does not block. */
void millrace_cql_channel_routes(const millrace_cql_channel* channel, millrace_cql_routes* routes);

#define MILLRACE_CQL_NO_TIMESTAMP INT64_MIN

/* A statement of a batch, its cells as in a request. */
typedef struct millrace_cql_batch_part {
  const uint8_t* cells;
  size_t cells_size;
  uint32_t statement;
  uint32_t reserved;
} millrace_cql_batch_part;

typedef struct millrace_cql_request {
  uint64_t tag;
  const uint8_t* cells; /* the bound values, one cell per parameter; valid until the tag is polled */
  size_t cells_size;
  const uint8_t* paging_state; /* of the page before; NULL: the first page. Valid until the tag is polled */
  size_t paging_state_size;
  int64_t timestamp_us; /* write timestamp, or MILLRACE_CQL_NO_TIMESTAMP: the server's */
  uint32_t statement;
  uint32_t timeout_ms; /* from now, at least 1, in steps of 10 ms; keep it above the server's own */
  /* Set for an unlogged batch, which has the routing, consistency and idempotence of its first statement;
   * `cells` and `statement` are ignored. Valid until the tag is polled. */
  const millrace_cql_batch_part* batch;
  size_t batch_count;
} millrace_cql_request;

/* Submits requests in order and returns the number that was accepted: fewer than `count` only when
 * in_flight_max is reached. Never blocks; at most one system call. */
size_t millrace_cql_submit(millrace_cql_channel* channel, const millrace_cql_request* requests, size_t count);

/* The completion of a request, with one page of rows: row after row, cell after cell. All pointers are valid
 * until `owner` is released. */
typedef struct millrace_cql_completion {
  uint64_t tag;
  const uint8_t* cells;
  size_t cells_size;
  const uint8_t* paging_state; /* set when there are more pages */
  size_t paging_state_size;
  const char* message; /* of a failure; not terminated */
  size_t message_size;
  const millrace_cql_column* columns; /* of the rows of a conditional statement; otherwise NULL */
  size_t column_count;
  const uint8_t* trace_id;   /* 16 bytes, of a traced execution; otherwise NULL */
  millrace_cql_owner* owner; /* NULL: nothing to release */
  int32_t status;            /* millrace_cql_status */
  int32_t code;              /* as in millrace_cql_error */
  uint32_t row_count;
  uint32_t retryable;
} millrace_cql_completion;

/* Takes up to `count` completions and returns their number. At most one system call. */
size_t millrace_cql_poll(millrace_cql_channel* channel, millrace_cql_completion* completions, size_t count);

/* To be called before sleeping. Returns 1 when completions are waiting already: poll instead. Otherwise
 * returns 0, and the event descriptor becomes readable with the next completion. */
int32_t millrace_cql_arm(millrace_cql_channel* channel);

/* Releases memory of the bridge. Any thread. NULL entries are ignored. */
void millrace_cql_release(millrace_cql_owner* const* owners, size_t count);

/* Counters since the session was opened, summed over its I/O threads. The caller sets `size`. */
typedef struct millrace_cql_counters {
  uint64_t size;
  uint64_t requests;        /* taken from channels */
  uint64_t client_timeouts; /* deadlines that passed */
  uint64_t wakes;           /* event descriptors written for workers */
  uint64_t panics;          /* contained */
  uint64_t in_flight;       /* now, inside the driver */
  /* Budgets of nodes: a node's limit of requests in flight shrinks with overload errors and timeouts only. */
  uint64_t refused;     /* answered as overloaded because a node had its share of the requests in flight */
  uint64_t shrunk;      /* times that a limit was lowered */
  uint64_t waiting;     /* now, for a node's limit */
  uint64_t limit_min;   /* now, the lowest limit of a node; UINT64_MAX: nothing was sent yet */
  uint64_t speculative; /* executions that were also sent to another node */
  uint64_t nodes;       /* now, of the cluster */
  uint64_t nodes_connected; /* now, the nodes to which the driver has a connection */
} millrace_cql_counters;

/* Fills in *counters. Any thread. */
void millrace_cql_session_counters(const millrace_cql_session* session, millrace_cql_counters* counters);

/* For tests of the first promise: the next request of each I/O thread panics inside the driver's task. */
void millrace_cql_inject_panic(const millrace_cql_session* session);

#ifdef __cplusplus
}
#endif

#endif
