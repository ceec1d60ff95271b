/* The control plane of the CQL client: a C interface over the official ScyllaDB/Cassandra driver (the Rust crate
 * `scylla`). It connects to the contact points, authenticates, watches which nodes there are and which tokens they
 * hold, prepares statements and executes schema changes. Callers send their requests over their own connections, to
 * the nodes that millrace_cql_session_topology() names and with the ids that millrace_cql_prepare() returns.
 *
 * Example prelude:
 *
 *   #include <stdio.h>
 *
 * Example, at namespace scope:
 *
 *   int print_nodes(const char* contact_points) {
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
 *     millrace_cql_topology topology = {};
 *     topology.size = sizeof topology;
 *     millrace_cql_session_topology(session, &topology);
 *     for (size_t k = 0; k < topology.node_count; ++k) {
 *       printf("%s in %s\n", topology.nodes[k].address, topology.nodes[k].datacenter);
 *     }
 *     millrace_cql_release(&topology.owner, 1);
 *     millrace_cql_session_close(session);
 *     return 0;
 *   }
 *
 * Lifetime: memory that a function hands out with an `owner` stays valid until millrace_cql_release() of that owner,
 * also after the session is closed.
 * Errors: a function that returns int32_t returns a millrace_cql_status and fills in *error when it is not
 * MILLRACE_CQL_OK; its out-parameters are then unchanged. No panic and no exception crosses this interface.
 * Threads: any thread may call any function at any time, except that nothing may use a session during and after
 * its millrace_cql_session_close(). Functions marked "Blocks" wait for a server; the others take microseconds.
 */
#ifndef MILLRACE_NATIVE_BRIDGE_H
#define MILLRACE_NATIVE_BRIDGE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Changes with every incompatible change of this header; compare with millrace_cql_abi_version(). */
#define MILLRACE_CQL_ABI_VERSION 5

typedef struct millrace_cql_session millrace_cql_session;
/* Keeps memory that the bridge handed out alive until it is released. */
typedef struct millrace_cql_owner millrace_cql_owner;

/* The outcomes that callers distinguish. Callers use the same numbers for requests of their own. */
typedef enum millrace_cql_status {
  MILLRACE_CQL_OK = 0,
  MILLRACE_CQL_UNAVAILABLE = 1, /* no usable connection, a connection broke, or not enough replicas alive */
  /* the server reported a read or write timeout; a write may have taken effect */
  MILLRACE_CQL_SERVER_TIMEOUT = 2,
  MILLRACE_CQL_OVERLOADED = 3,     /* the server sheds load or limits the rate */
  MILLRACE_CQL_CLIENT_TIMEOUT = 4, /* the request's own deadline passed; a write may have taken effect */
  MILLRACE_CQL_UNAUTHORIZED = 5,   /* bad or missing credentials, or no permission */
  MILLRACE_CQL_INVALID = 6, /* the server refuses the statement: syntax, unknown table or column, too large */
  MILLRACE_CQL_PROTOCOL = 7,   /* an answer could not be understood */
  MILLRACE_CQL_TLS = 8,        /* certificate, key or handshake */
  MILLRACE_CQL_CONFIG = 9,     /* the configuration cannot be used, e.g. an unknown datacentre or rack */
  MILLRACE_CQL_CANCELLED = 10, /* the session was closed first; a write may have taken effect */
  MILLRACE_CQL_INTERNAL = 11   /* a contained defect of the bridge or the driver */
} millrace_cql_status;

/* The outcome of a call that can fail. `size` is sizeof(millrace_cql_error), set by the caller. */
typedef struct millrace_cql_error {
  uint32_t size;
  int32_t status;     /* millrace_cql_status */
  int32_t code;       /* the error code of the CQL protocol, e.g. 0x2200; -1 when the server sent none */
  int32_t retryable;  /* 1: the same call may succeed later */
  char message[1000]; /* UTF-8, ends with 0, cut when longer; never holds a password */
} millrace_cql_error;

/* NULL and "" mean "none" unless a comment says otherwise. Strings are UTF-8 and are copied. */
typedef struct millrace_cql_config {
  uint32_t size;               /* sizeof(millrace_cql_config) */
  uint32_t connect_timeout_ms; /* for all of millrace_cql_session_open and _renew; 0: 15,000 */
  const char* contact_points;  /* "host[:port],host[:port]"; port 9042 by default */
  /* Where to connect instead of the address that the cluster announces, for nodes behind NAT:
   * "10.0.0.1:9042=127.0.0.1:19142,10.0.0.2=db.example,[fd00::1]:9042=[::1]:19143". Left an IP address; without a
   * port it stands for any port. Right an IP address or a name, which is resolved when the session opens; without a
   * port it has the announced one. Addresses that are not listed are used as they are, and so are contact points. */
  const char* address_map;
  const char* local_datacenter; /* must exist; without datacenter_failover only its nodes are connected to */
  const char* local_rack;       /* must exist in local_datacenter */
  const char* keyspace;         /* of statements that name none */
  const char* user;
  const char* password;
  const char* tls_ca_file; /* PEM; none: the system's trust store. Verification cannot be turned off */
  const char* tls_certificate_file; /* PEM chain for client authentication */
  const char* tls_key_file;         /* PEM; none: in tls_certificate_file */
  const char* application_name;     /* shown by the server's system.clients */
  const char* application_version;
  /* 1: TLS. A node's certificate must carry, as a subject alternative name, the IP address to which the connection
   * goes, or the host name of one of the contact points (those that are names). */
  uint32_t tls;
  uint32_t datacenter_failover; /* 1: connects to the nodes of other datacentres, too */
  uint32_t keepalive_ms;        /* a connection that is silent for twice as long is closed; 0: 5,000 */
  uint32_t reserved;
} millrace_cql_config;

/* Returns the version with which the archive was built. */
uint32_t millrace_cql_abi_version(void);

/* Opens a session: starts its thread, connects, and checks that local_datacenter and local_rack exist. Blocks for at
 * most connect_timeout_ms. Sets *session. The topology is complete afterwards. */
int32_t millrace_cql_session_open(const millrace_cql_config* config, millrace_cql_session** session,
                                  millrace_cql_error* error);

/* Replaces the session's connections by those of another configuration, e.g. after credentials or certificates
 * changed. The session goes on with the old ones until the new ones are connected and checked as in
 * millrace_cql_session_open; when that fails it keeps the old ones, and the error is returned. Prepared statements
 * stay valid. Blocks for at most connect_timeout_ms. */
int32_t millrace_cql_session_renew(millrace_cql_session* session, const millrace_cql_config* config,
                                   millrace_cql_error* error);

/* Closes a session. Blocks (milliseconds) until its thread has ended. NULL is ignored. */
void millrace_cql_session_close(millrace_cql_session* session);

/* Executes one statement without values and ignores its rows, for schema changes: returns when the nodes agree on the
 * new schema and the topology shows it. Blocks for at most timeout_ms; 0: 15,000. */
int32_t millrace_cql_execute(millrace_cql_session* session, const char* statement, uint32_t timeout_ms,
                             millrace_cql_error* error);

/* A column or parameter. Types are CQL's, without frozen<>: "bigint", "map<text, list<int>>",
 * "tuple<int, text>", "vector<float, 3>"; a user-defined type is "udt<keyspace.name, field text, ...>". A type that
 * this version of the driver cannot name is "unknown"; a server's class that CQL has no name for makes
 * millrace_cql_prepare() return MILLRACE_CQL_PROTOCOL. Strings end with 0. */
typedef struct millrace_cql_column {
  const char* name;
  const char* type;
} millrace_cql_column;

/* What EXECUTE requests of a statement need. All pointers are valid until `owner` is released. */
typedef struct millrace_cql_prepared {
  uint64_t size; /* sizeof(millrace_cql_prepared), set by the caller */
  /* Of the native protocol, as one of the nodes gave it. Nodes of another version may have another id for the
   * statement, and any node may forget it: they answer UNPREPARED, and the caller prepares on that node itself. */
  const uint8_t* id;
  size_t id_size;
  const millrace_cql_column* parameters;
  size_t parameter_count;
  const millrace_cql_column* columns; /* of the rows; none for statements without rows */
  size_t column_count;
  const uint16_t*
      partition_key; /* indexes into parameters, in the key's order; none: no token can be computed */
  size_t partition_key_count;
  const char* keyspace; /* of the statement's table; "": unknown */
  const char* table;    /* "": unknown */
  uint32_t murmur3;     /* 1: the table's partitioner is Murmur3; 0: tokens cannot be computed by it */
  uint32_t conditional; /* 1: the server marked it as conditional (ScyllaDB only; Cassandra marks nothing) */
  millrace_cql_owner* owner;
} millrace_cql_prepared;

/* Prepares a statement on the nodes that are connected, and returns when they have answered. A node that does not
 * answer, or that answers with another id, delays this by at most two seconds: what another node answered is then
 * enough. The keyspace is in the topology from then on. Blocks for at most timeout_ms, everything included; 0:
 * 15,000. */
int32_t millrace_cql_prepare(millrace_cql_session* session, const char* statement, uint32_t timeout_ms,
                             millrace_cql_prepared* prepared, millrace_cql_error* error);

/* A node of the cluster, of any datacentre. Its identity is the host id: addresses change. */
typedef struct millrace_cql_node {
  const char* address;         /* the IP address that the cluster announces */
  const char* connect_address; /* the IP address to connect to, after the address map */
  const char* datacenter;      /* "": unknown */
  const char* rack;            /* "": unknown */
  /* The port of `address`. The cluster announces none, so it is the one in the address map, or that of the control
   * connection. */
  uint32_t port;
  uint32_t connect_port; /* of connect_address */
  uint32_t
      up; /* 1: the control plane is connected to it. A node of another datacentre may be up and be 0 here */
  uint32_t reserved;
  uint8_t host_id[16]; /* a UUID, in the order of its text */
} millrace_cql_node;

/* The replicas by token. Row k of `replicas` (replicas_max indexes of nodes, padded with MILLRACE_CQL_NO_REPLICA) has
 * the replicas of the tokens after tokens[k - 1] up to and including tokens[k]. The last token's successor is the
 * first.
 *
 * A row has the replicas of all datacentres in ring order: the order in which the ring is met from the token on.
 * Its first node is the primary replica, and its first node in a datacentre is the primary replica there. All clients
 * see the same order, so conditional statements that go to the first one that is up seldom contend. */
typedef struct millrace_cql_ring {
  const int64_t* tokens; /* ascending */
  const uint32_t* replicas;
  size_t token_count;
  size_t replicas_max;
} millrace_cql_ring;

#define MILLRACE_CQL_NO_REPLICA UINT32_MAX

typedef struct millrace_cql_keyspace {
  const char* name;
  uint32_t tablets; /* 1: its tables have tablets, whose replicas the nodes report in answers to requests */
  int32_t ring;     /* index into rings; -1: none, any node will do (tablets, or not replicated by token) */
} millrace_cql_keyspace;

/* A snapshot. All pointers are valid until `owner` is released. */
typedef struct millrace_cql_topology {
  uint64_t size; /* sizeof(millrace_cql_topology), set by the caller */
  uint64_t version;
  const millrace_cql_node* nodes;
  size_t node_count;
  /* Of the configuration and of the statements prepared so far, those that exist; in the order of their names. */
  const millrace_cql_keyspace* keyspaces;
  size_t keyspace_count;
  const millrace_cql_ring* rings; /* keyspaces with the same replication share one */
  size_t ring_count;
  millrace_cql_owner* owner;
} millrace_cql_topology;

/* Returns the version of the present topology: at least 1, and greater with every change. Costs one atomic load. A
 * change in the cluster shows within a second of the driver's learning of it. */
uint64_t millrace_cql_topology_version(const millrace_cql_session* session);

/* Fills in *topology. Never older than the version that any thread has seen before the call. */
void millrace_cql_session_topology(const millrace_cql_session* session, millrace_cql_topology* topology);

/* Releases memory of the bridge. Any thread. NULL entries are ignored. */
void millrace_cql_release(millrace_cql_owner* const* owners, size_t count);

/* Numbers since the session was opened, except those of "now". The caller sets `size`. */
typedef struct millrace_cql_control_counters {
  uint64_t size;             /* sizeof(millrace_cql_control_counters) */
  uint64_t nodes;            /* now, of the cluster */
  uint64_t nodes_connected;  /* now, the nodes to which the control plane is connected */
  uint64_t panics;           /* contained */
  uint64_t prepared;         /* preparations that were begun */
  uint64_t topology_changes; /* versions of the topology after the first one */
} millrace_cql_control_counters;

/* Fills in *counters. Any thread. */
void millrace_cql_session_counters(const millrace_cql_session* session,
                                   millrace_cql_control_counters* counters);

#ifdef __cplusplus
}
#endif

#endif
