"""The panels of the dashboard, by row: titles, descriptions, expressions."""

from __future__ import annotations

import dataclasses

ALL = 'job=~"$job",instance=~"$instance"'
TOPIC = ALL + ',topic=~"$topic"'
RATE = "[$__rate_interval]"
QUANTILES = ((0.5, "P50"), (0.95, "P95"), (0.99, "P99"), (0.999, "P99.9"))


@dataclasses.dataclass(frozen=True)
class Panel:
    title: str
    description: str
    queries: tuple[tuple[str, str], ...]  # expression, legend
    kind: str = "timeseries"  # stat, timeseries, heatmap, table
    unit: str = "short"
    stacked: bool = False
    width: int = 6
    thresholds: tuple[tuple[float, str], ...] = ()  # from this value on, this colour
    runbook: str = ""  # an alert's page
    # The reason for which an expression may have no data in a healthy process; empty: it always has data.
    empty_because: str = ""


def stat(title: str, description: str, expression: str, **more) -> Panel:
    return Panel(title, description, ((expression, ""),), "stat", width=3, **more)


def lines(title: str, description: str, *queries: tuple[str, str], **more) -> Panel:
    return Panel(title, description, tuple(queries), **more)


def heatmap(title: str, description: str, family: str, filters: str = ALL, **more) -> Panel:
    query = f"sum by (le) (increase({family}_bucket{{{filters}}}{RATE}))"
    return Panel(title, description, ((query, "{{le}}"),), "heatmap", "s", **more)


def quantiles(title: str, description: str, family: str, by: str = "", q: float = 0.99, **more) -> Panel:
    if by:
        expression = (
            f"histogram_quantile({q}, sum by (le, {by}) (rate({family}_bucket{{{ALL}}}{RATE}))) > 0"
        )
        queries = ((expression, f"{{{{{by}}}}}"),)
    else:
        queries = tuple(
            (f"histogram_quantile({one}, sum by (le) (rate({family}_bucket{{{ALL}}}{RATE}))) > 0", name)
            for one, name in QUANTILES
        )
    return Panel(title, description, queries, unit="s", **more)


def rate(name: str, by: str = "", filters: str = ALL) -> str:
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} (rate({name}{{{filters}}}{RATE}))"


def or_zero(expression: str) -> str:
    return f"{expression} or vector(0)"


QUIET = "no such event occurred"
NO_DATABASE = "the application may use no database"
NO_LOOKUPS = "the application may have no lookups"
NO_SERVICES = "the application may call no services"
ENDED = (
    f"({rate('millrace_records_done_total')} + ({or_zero(rate('millrace_records_skipped_total'))}) + "
    f"({or_zero(rate('millrace_records_dead_lettered_total'))}))"
)

HEALTH = (
    stat("Freshness", "Time since the creation of the oldest unfinished record: the age of the data in the tables.",
         f"max(millrace_time_lag_seconds{{{TOPIC}}})", unit="s",
         thresholds=((0, "green"), (60, "orange"), (300, "red")), runbook="TimeLagHigh"),
    stat("Lag", "Unfinished records up to the high watermark.",
         f"sum(millrace_consumer_lag_records{{{TOPIC}}})"),
    stat("Time to catch up", "Lag divided by the difference of processing rate and input rate; large if the difference is not positive.",
         f"sum(millrace_consumer_lag_records{{{TOPIC}}}) / clamp_min({ENDED} - "
         f"sum(rate(millrace_partition_high_watermark_offset{{{TOPIC}}}[5m])), 0.1)", unit="s"),
    stat("Records per second", "Records completed by all processors.", rate("millrace_records_done_total"), unit="cps"),
    stat("Error ratio", "Errors per received record, including errors that a retry resolved.",
         f"({or_zero(rate('millrace_errors_total'))}) / clamp_min({rate('millrace_records_received_total')}, 1)",
         unit="percentunit", thresholds=((0, "green"), (0.01, "orange"), (0.1, "red")), runbook="DbErrors"),
    stat("Dead-lettered per second", "Records sent to the dead-letter topic.",
         or_zero(rate("millrace_records_dead_lettered_total")), unit="cps",
         thresholds=((0, "green"), (0.1, "orange")), runbook="DlqRateHigh"),
    stat("Instances up", "Processes that Prometheus scrapes successfully.", 'sum(up{job=~"$job",instance=~"$instance"})',
         runbook="InstanceDown"),
    stat("Versions", "Number of different versions; more than 1 outside of a rollout indicates an instance that was not updated.",
         f"count(count by (version) (millrace_build_info{{{ALL}}}))",
         thresholds=((0, "green"), (2, "orange")), runbook="VersionSkew"),
)

FLOW = (
    lines("Records by outcome", "Finished records by outcome. A retry is not an outcome.",
          (rate("millrace_records_done_total"), "done"),
          (or_zero(rate("millrace_records_skipped_total")), "skipped"),
          (or_zero(rate("millrace_records_dead_lettered_total")), "dead-lettered"),
          (rate("millrace_records_abandoned_total"), "abandoned, delivered again"),
          unit="cps", stacked=True),
    lines("Records received", "Records received from Kafka, delivered again after a rebalance, and delivered for a partition that was already revoked; tombstones among them.",
          (rate("millrace_records_received_total"), "received"),
          (rate("millrace_records_passed_over_total"), "finished by a previous owner"),
          (rate("millrace_records_unassigned_total"), "unassigned"),
          (or_zero(rate("millrace_tombstones_total", "action")), "tombstones {{action}}"), unit="cps"),
    lines("Bytes received", "Keys and values received from Kafka.", (rate("millrace_received_bytes_total"), "received"), unit="Bps"),
    lines("Retries", "Attempts after the first, by processor, and retries delayed by the retry budget.",
          (or_zero(rate("millrace_retries_total", "processor")), "{{processor}}"),
          (rate("millrace_retries_delayed_total"), "delayed by the budget"), unit="cps"),
    heatmap("End-to-end latency", "Time from the creation of a record to its completion.", "millrace_record_e2e_seconds", width=12,
            runbook="FreshnessSLOBurn"),
    quantiles("End-to-end latency, quantiles", "Time from the creation of a record to its completion.", "millrace_record_e2e_seconds",
              runbook="FreshnessSLOBurn"),
    quantiles("Consume delay", "Time from the creation of a record to the start of its processors.",
              "millrace_consume_delay_seconds"),
    quantiles("Waits, P99", "Time that records waited, by stage. Together with decoding, processors and statements this is their whole latency.",
              "millrace_stage_seconds", "stage"),
    lines("Latency by stage", "Mean time of a record in each stage, stacked.",
          (f"sum by (stage) (rate(millrace_stage_seconds_sum{{{ALL}}}{RATE})) / scalar("
           f"clamp_min({rate('millrace_records_received_total')}, 0.001))", "{{stage}}"),
          (f"sum by (processor) (rate(millrace_process_seconds_sum{{{ALL}}}{RATE})) / scalar("
           f"clamp_min({rate('millrace_records_received_total')}, 0.001))", "{{processor}}"),
          unit="s", stacked=True),
    quantiles("Processors, P99", "Duration of successful attempts, including their statements.", "millrace_process_seconds",
              "processor"),
    quantiles("Failed attempts, P99", "Duration of failed attempts, by processor.", "millrace_process_failed_seconds",
              "processor", empty_because=QUIET),
    quantiles("Age of dead-lettered records", "Time from the creation of a record to its acknowledgement in the dead-letter topic.",
              "millrace_record_failed_seconds", empty_because=QUIET),
    lines("Record accounting", "received - done - skipped - dead-lettered - abandoned - in flight. A value other than 0 for minutes is a defect.",
          (f"sum(millrace_records_received_total{{{ALL}}}) - sum(millrace_records_done_total{{{ALL}}})"
           f" - (sum(millrace_records_skipped_total{{{ALL}}}) or vector(0))"
           f" - (sum(millrace_records_dead_lettered_total{{{ALL}}}) or vector(0))"
           f" - sum(millrace_records_abandoned_total{{{ALL}}}) - sum(millrace_in_flight_records{{{ALL}}})", "difference"),
          runbook="RecordAccountingMismatch"),
    lines("Errors", "Errors by stage and code, including those that were retried.",
          (rate("millrace_errors_total", "stage, error"), "{{stage}} {{error}}"), unit="cps", width=12,
          empty_because=QUIET),
    lines("Exceptions", "Attempts that ended with an exception thrown by process(), by processor.",
          (rate("millrace_processor_exceptions_total", "processor"), "{{processor}}"), unit="cps", width=12,
          runbook="ProcessorThrows"),
    lines("Attempts without an end", "Attempts over engine.attempt_timeout; attempts that still run although nobody waits for them.",
          (rate("millrace_attempt_timeouts_total", "processor"), "timed out: {{processor}}"),
          (f"sum by (instance) (millrace_cancelled_attempts{{{ALL}}})", "{{instance}} still running"), width=12,
          runbook="AttemptTimeouts"),
    lines("Filtered records", "Records that a processor did not want, by processor and reason; they are not decoded when no processor wants them.",
          (rate("millrace_records_filtered_total", "processor, reason"), "{{processor}} {{reason}}"), unit="cps", width=12,
          empty_because=QUIET),
    lines("Waiting for limits", "Attempts and requests that wait for the limits of engine.processors and engine.dependencies.",
          (f"sum by (processor) (millrace_processor_limit_waiting{{{ALL}}})", "{{processor}}"),
          (f"sum by (dependency) (millrace_dependency_limit_waiting{{{ALL}}})", "{{dependency}}"), width=12,
          empty_because=QUIET),
    quantiles("Waits for the limit of a processor, P99", "Those that had to wait.", "millrace_processor_limit_wait_seconds",
              "processor", width=12, empty_because=QUIET),
    quantiles("Waits for the limit of a dependency, P99", "Those that had to wait.", "millrace_dependency_limit_wait_seconds",
              "dependency", width=12, empty_because=QUIET),
)

KAFKA = (
    lines("Lag by partition", "The 20 partitions with the most lag.",
          (f"topk(20, sum by (topic, partition) (millrace_consumer_lag_records{{{TOPIC}}}))", "{{topic}}/{{partition}}"),
          runbook="LagGrowing"),
    Panel("Time lag by partition", "The 20 partitions with the oldest unfinished record.",
          ((f"topk(20, max by (topic, partition) (millrace_time_lag_seconds{{{TOPIC}}}))", ""),), "table", "s"),
    lines("Oldest record in flight", "Time since the oldest unfinished record of a partition was received. No later offset is committed.",
          (f"topk(20, max by (topic, partition) (millrace_partition_oldest_inflight_age_seconds{{{TOPIC}}}))",
           "{{topic}}/{{partition}}"), unit="s", runbook="PartitionStalled"),
    lines("Uncommitted records", "Delivered records from the committed offset on: the upper bound of records repeated after a crash.",
          (f"sum(millrace_partition_uncommitted_records{{{TOPIC}}})", "all"),
          (f"max(millrace_partition_uncommitted_records{{{TOPIC}}})", "maximum of a partition")),
    lines("Rebalances", "Changes of the partition assignment, by type.",
          (f"sum by (type) (increase(millrace_rebalances_total{{{ALL}}}[5m]))", "{{type}}"), runbook="RebalanceStorm"),
    heatmap("Revocation time", "Time from the revocation of partitions to their release, after drain and commit.",
            "millrace_revoke_seconds"),
    lines("Assigned partitions", "Assigned partitions by instance.",
          (f"sum by (instance) (millrace_assigned_partitions{{{ALL}}})", "{{instance}}")),
    lines("Paused partitions", "Partitions whose fetching is paused, by reason: a schema lookup, a full window of uncommitted "
          "records, an exceeded share of the records in flight, or a stall.",
          (f"sum by (instance, reason) (millrace_paused_partitions{{{ALL}}})", "{{instance}} {{reason}}"),
          runbook="PartitionStalled"),
    lines("Commits", "Partition offsets committed and rejected; finished records released without a commit.",
          (rate("millrace_commits_total"), "committed"),
          (or_zero(rate("millrace_commit_failures_total", "error")), "rejected {{error}}"),
          (rate("millrace_records_uncommitted_total"), "records released uncommitted"),
          (rate("millrace_commit_metadata_refused_total"), "rejected for their metadata"), unit="cps",
          runbook="CommitFailing"),
    quantiles("Commit latency", "Time from sending a commit to its response.", "millrace_commit_seconds"),
    quantiles("Failed commits", "Time from sending a commit to its rejection or timeout.",
              "millrace_commit_failed_seconds", empty_because=QUIET),
    lines("Time since the last commit", "Time since the broker last accepted a commit.",
          (f"time() - max by (instance) (millrace_last_commit_timestamp_seconds{{{ALL}}})", "{{instance}}"), unit="s",
          runbook="CommitFailing"),
    lines("Time since the last poll", "Time since the event loop of the worker began its current turn. Each turn polls Kafka.",
          (f"max by (instance, worker) (millrace_worker_since_turn_seconds{{{ALL}}})", "{{instance}} {{worker}}"),
          unit="s", runbook="EventLoopBlocked"),
    lines("Broker round-trip time", "Round-trip time as the client measures it, including the wait of fetch requests for records.",
          (f'max by (client, broker) (millrace_kafka_broker_rtt_seconds{{{ALL},statistic="p99"}})',
           "{{client}} {{broker}} P99"), unit="s"),
    lines("Broker throttling", "Time for which a quota delayed responses.",
          (f"max by (client, broker) (millrace_kafka_broker_throttle_seconds{{{ALL}}})", "{{client}} {{broker}}"), unit="s"),
    lines("Broker errors", "Closed connections, requests that timed out, retried requests, and transmission errors.",
          (rate("millrace_kafka_broker_disconnects_total", "broker"), "{{broker}} disconnects"),
          (rate("millrace_kafka_broker_timeouts_total", "broker"), "{{broker}} timeouts"),
          (rate("millrace_kafka_broker_retries_total", "broker"), "{{broker}} retries"),
          (rate("millrace_kafka_broker_errors_total", "broker"), "{{broker}} errors"), unit="cps"),
    lines("Connected clients", "Clients of the process connected to each broker.",
          (f"sum by (client, broker) (millrace_kafka_broker_connected_clients{{{ALL}}})", "{{client}} {{broker}}")),
    lines("Broker requests", "Requests sent per second, waiting to be sent, and without a response.",
          (rate("millrace_kafka_broker_requests_total", "broker"), "{{broker}} per second"),
          (f"sum by (broker) (millrace_kafka_broker_requests_queued{{{ALL}}})", "{{broker}} queued"),
          (f"sum by (broker) (millrace_kafka_broker_requests_in_flight{{{ALL}}})", "{{broker}} in flight")),
    lines("Broker traffic", "Bytes received from and sent to each broker.",
          (rate("millrace_kafka_broker_received_bytes_total", "broker"), "{{broker}} received"),
          (rate("millrace_kafka_broker_sent_bytes_total", "broker"), "{{broker}} sent"), unit="Bps"),
    lines("Client queues, records", "Records fetched and not received by the engine, produced and not acknowledged.",
          (f"sum by (queue) (millrace_kafka_queue_records{{{ALL}}})", "{{queue}}")),
    lines("Client queues, bytes", "Bytes in the queues of the clients.",
          (f"sum by (queue) (millrace_kafka_queue_bytes{{{ALL}}})", "{{queue}}"), unit="bytes"),
    lines("Open transactions", "Records after the last stable offset: not readable before their transaction ends.",
          (f"sum by (topic) (millrace_kafka_open_transaction_records{{{TOPIC}}})", "{{topic}}")),
    lines("Offset gaps", "Records that the broker deleted before they were read; partitions started at an offset that another client committed.",
          (f"sum(increase(millrace_offset_gap_records_total{{{ALL}}}[10m]))", "lost"),
          (f"sum(increase(millrace_offsets_moved_total{{{ALL}}}[10m]))", "offsets moved"),
          (f"sum(increase(millrace_offsets_rewound_total{{{ALL}}}[10m]))", "read again from an earlier offset"),
          runbook="OffsetGapDetected"),
    lines("Produced records", "Records produced by processors and acknowledged by the broker.",
          (rate("millrace_emitted_total", "topic"), "{{topic}}"), unit="cps"),
)

AVRO = (
    quantiles("Decoding", "CPU time to decode one record.", "millrace_decode_seconds"),
    lines("Decoded by schema", "The ten most frequent schema ids.",
          (f"topk(10, {rate('millrace_decoded_total', 'schema_id')})", "{{schema_id}}"), unit="cps"),
    lines("Decode errors", "Records that could not be decoded, by error.",
          (f'sum by (error) (rate(millrace_errors_total{{{ALL},stage="decode"}}{RATE}))', "{{error}}"), unit="cps",
          empty_because=QUIET),
    quantiles("Failed decodes", "CPU time of decodes that failed.", "millrace_decode_failed_seconds", empty_because=QUIET),
    lines("Schema lookups", "Schema lookups of workers by source: memory, disk, registry. After the start nearly all are found in memory.",
          (f"sum by (source) (increase(millrace_schema_lookups_total{{{ALL}}}[5m]))", "{{source}}")),
    lines("Cached schemas", "Schemas in memory, in the disk cache, and in progress.",
          (f"sum by (instance) (millrace_schema_cache_entries{{{ALL}}})", "{{instance}} in memory"),
          (f"sum by (instance) (millrace_schema_disk_cache_entries{{{ALL}}})", "{{instance}} on disk"),
          (f"sum by (instance) (millrace_schema_lookups_waiting{{{ALL}}})", "{{instance}} in progress")),
    lines("Schema cache size", "Size of the schemas in memory, by instance.",
          (f"sum by (instance) (millrace_schema_cache_bytes{{{ALL}}})", "{{instance}}"), unit="bytes"),
    heatmap("Registry request latency", "Duration of requests to the schema registry, for every outcome.", "millrace_schema_registry_request_seconds",
            runbook="RegistryErrors"),
    lines("Registry requests", "Requests to the schema registry and to the OAuth token endpoint, by outcome.",
          (f"sum by (outcome) (increase(millrace_schema_registry_requests_total{{{ALL}}}[5m]))", "{{outcome}}"),
          (f"sum by (outcome) (increase(millrace_schema_registry_tokens_total{{{ALL}}}[5m]))", "token {{outcome}}"),
          runbook="RegistryErrors"),
    lines("Registry errors", "Registry URLs in back-off, and failures of the disk cache.",
          (f"sum by (instance) (millrace_schema_registry_urls_in_backoff{{{ALL}}})", "{{instance}} URLs in back-off"),
          (f"sum by (operation) (increase(millrace_schema_disk_cache_failures_total{{{ALL}}}[5m]))", "{{operation}}"),
          runbook="RegistryErrors"),
)

DATABASE = (
    heatmap("Statement latency", "Duration of successful executions of all statements.", "millrace_statement_seconds", width=12,
            runbook="DbLatencyHigh"),
    quantiles("Statement latency, P99", "Duration of successful executions, by statement.", "millrace_statement_seconds", "statement",
              runbook="DbLatencyHigh"),
    quantiles("Statement latency, P50", "Duration of successful executions, by statement.", "millrace_statement_seconds", "statement", 0.5),
    lines("Statements per second", "Successful and failed executions, by statement.",
          (f"sum by (statement) (rate(millrace_statement_seconds_count{{{ALL}}}{RATE}))", "{{statement}}"),
          (f"sum by (statement) (rate(millrace_statement_failed_seconds_count{{{ALL}}}{RATE}))", "{{statement}} failed"),
          unit="cps"),
    lines("Statement failures", "Failed executions, by error.",
          (rate("millrace_statement_failures_total", "error"), "{{error}}"), unit="cps", runbook="DbErrors",
          empty_because=QUIET),
    quantiles("Failed statements, P99", "Duration of failed executions, by statement.", "millrace_statement_failed_seconds", "statement",
              empty_because=QUIET),
    quantiles("Request slot wait", "Time that executions waited to be sent.",
              "millrace_statement_slot_wait_seconds"),
    lines("In flight", "Statement executions and requests without a response, records in flight, and their limit.",
          (f"sum(millrace_statements_in_flight{{{ALL}}})", "statements"),
          (f"sum(millrace_cql_requests_in_flight{{{ALL}}})", "requests"),
          (f"sum(millrace_in_flight_records{{{ALL}}})", "records"),
          (f"sum(millrace_in_flight_records_max{{{ALL}}})", "record limit")),
    lines("Prepared statements", "Statements prepared by all workers.", (f"sum by (instance) (millrace_statements_prepared{{{ALL}}})", "{{instance}}")),
    lines("Lookups", "Lookups answered from the cache, by a request in flight, or by their own request; lookups without a row.",
          (rate("millrace_lookup_hits_total", "lookup"), "{{lookup}} hits"),
          (rate("millrace_lookup_negative_hits_total", "lookup"), "{{lookup}} negative hits"),
          (rate("millrace_lookup_shared_total", "lookup"), "{{lookup}} shared"),
          (rate("millrace_lookup_misses_total", "lookup"), "{{lookup}} misses"),
          (rate("millrace_lookup_absent_total", "lookup"), "{{lookup}} without a row"), unit="cps", empty_because=NO_LOOKUPS),
    lines("Lookup cache entries", "Cached answers, evictions, and invalidations by writes.",
          (f"sum by (lookup) (millrace_lookup_entries{{{ALL}}})", "{{lookup}}"),
          (rate("millrace_lookup_evictions_total", "lookup"), "{{lookup}} evicted per second"),
          (rate("millrace_lookup_invalidations_total", "lookup"), "{{lookup}} invalidated per second"), empty_because=NO_LOOKUPS),
    lines("Lookup cache size", "Memory of the cache of each lookup.",
          (f"sum by (lookup) (millrace_lookup_bytes{{{ALL}}})", "{{lookup}}"), unit="bytes", empty_because=NO_LOOKUPS),
    lines("Retry budget", "Processor runs that wait for their next attempt, and the remaining retry budget.",
          (f"sum(millrace_retrying_records{{{ALL}}})", "waiting"),
          (f"min by (instance) (millrace_retry_budget_left{{{ALL}}})", "{{instance}} budget left")),
    lines("Circuit breakers", "State of each breaker (0 closed, 1 half-open, 2 open) and transitions to open.",
          (f"max by (instance, dependency) (millrace_breaker_state{{{ALL}}})", "{{instance}} {{dependency}}"),
          (f"sum by (dependency) (increase(millrace_breaker_openings_total{{{ALL}}}[5m]))", "{{dependency}} opened"),
          runbook="BreakerOpen"),
    lines("Database requests", "Requests, those sent to a second node, speculative executions, statements prepared again, "
          "client-side timeouts, and panics of the driver that were caught.",
          (rate("millrace_cql_requests_total"), "requests"),
          (rate("millrace_cql_next_node_total"), "sent to a second node"),
          (rate("millrace_cql_speculative_total"), "speculative"),
          (rate("millrace_cql_prepared_again_total"), "prepared again"),
          (rate("millrace_cql_client_timeouts_total"), "client timeouts"),
          (rate("millrace_driver_caught_panics_total"), "caught panics"), unit="cps"),
    lines("Tablets", "Tablets that workers know, and responses that corrected where a tablet is.",
          (f"sum(millrace_cql_tablets{{{ALL}}})", "known"),
          (rate("millrace_cql_tablet_reports_total"), "corrections per second"), empty_because=NO_DATABASE),
    lines("Failing nodes", "Workers that send to a node last because most of its latest responses were failures, and failed "
          "attempts to connect.",
          (f"sum by (node) (millrace_node_failing{{{ALL}}})", "{{node}} failing"),
          (rate("millrace_node_connect_failures_total", "node, error"), "{{node}} {{error}}"), empty_because=QUIET),
    lines("Connection buffers", "Memory held by the buffers of connections to the database.",
          (f"sum by (instance) (millrace_cql_buffer_bytes{{{ALL}}})", "{{instance}}"), unit="bytes", empty_because=NO_DATABASE),
    quantiles("Node latency, P99", "Successful executions over workers' own connections, by node.",
              "millrace_node_seconds", "node", runbook="DbLatencyHigh", empty_because=NO_DATABASE),
    lines("Node requests per second", "Successful and failed executions over workers' own connections, by node.",
          (f"sum by (node) (rate(millrace_node_seconds_count{{{ALL}}}{RATE}))", "{{node}}"),
          (f"sum by (node, error) (rate(millrace_node_failures_total{{{ALL}}}{RATE}))", "{{node}} {{error}}"), unit="cps",
          runbook="DbErrors", empty_because=NO_DATABASE),
    lines("Node requests in flight", "Executions without a response, and the limit of each node. Overload errors and timeouts lower the "
          "limit, successes raise it.",
          (f"sum by (node) (millrace_node_requests_in_flight{{{ALL}}})", "{{node}}"),
          (f"sum by (node) (millrace_node_limit{{{ALL}}})", "{{node}} limit"), runbook="DbErrors", empty_because=NO_DATABASE),
    lines("Node limits", "Requests that wait for the limit of a node, rejected requests, and reductions of a limit.",
          (f"sum(millrace_node_limit_waiting{{{ALL}}})", "waiting"),
          (rate("millrace_node_limit_rejected_total"), "rejected per second"),
          (rate("millrace_node_limit_reductions_total"), "reductions per second"), runbook="DbErrors"),
    lines("Connections", "Workers' connections to each node, and nodes by the state of the driver's connection.",
          (f"sum by (node) (millrace_node_connections{{{ALL}}})", "{{node}}"),
          (f"max by (state) (millrace_driver_nodes{{{ALL}}})", "nodes {{state}}"), empty_because=NO_DATABASE),
)

SERVICES = (
    quantiles("Service latency, P99", "Duration of successful calls, by service.", "millrace_service_seconds", "dependency",
              runbook="BreakerOpen", empty_because=NO_SERVICES),
    quantiles("Failed service calls, P99", "Duration of failed calls, by service.", "millrace_service_failed_seconds", "dependency",
              empty_because=QUIET),
    lines("Service calls per second", "Calls that have ended, by service.",
          (rate("millrace_service_requests_total", "dependency"), "{{dependency}}"), unit="cps", empty_because=NO_SERVICES),
    lines("Service failures", "Failed calls, by service and error.",
          (rate("millrace_service_failures_total", "dependency, error"), "{{dependency}} {{error}}"), unit="cps",
          runbook="BreakerOpen", empty_because=QUIET),
    quantiles("Wait for a turn, P99", "Time that calls waited for concurrency, rate, or a pause that the service asked for.",
              "millrace_service_wait_seconds", "dependency", empty_because=NO_SERVICES),
    lines("Service calls in flight", "Calls without an answer, calls that wait for their turn, and blocking functions that nobody "
          "waits for.",
          (f"sum by (dependency) (millrace_service_in_flight{{{ALL}}})", "{{dependency}}"),
          (f"sum by (dependency) (millrace_service_waiting{{{ALL}}})", "{{dependency}} waiting"),
          (f"sum by (dependency) (millrace_service_abandoned_calls{{{ALL}}})", "{{dependency}} abandoned"),
          empty_because=NO_SERVICES),
)

DEAD_LETTERS = (
    lines("Dead-lettered by reason", "Dead-lettered records by the reason that a processor gave, or by error.",
          (rate("millrace_records_dead_lettered_total", "reason"), "{{reason}}"), unit="cps", runbook="DlqRateHigh",
          empty_because=QUIET),
    lines("Skipped by reason", "Records skipped by a processor or by the configuration.",
          (rate("millrace_records_skipped_total", "reason"), "{{reason}}"), unit="cps", empty_because=QUIET),
    Panel("Dead-letter acknowledgement", "Time from producing a dead-letter record to its acknowledgement.",
          ((f'histogram_quantile(0.99, sum by (le) (rate(millrace_stage_seconds_bucket{{{ALL},stage="dead_letter_ack"}}'
            f"{RATE}))) > 0", "P99"),), unit="s", empty_because=QUIET),
    lines("Dead-letter errors", "Errors of producing dead-letter records. No later offset of their partitions is committed.",
          (f'sum by (error) (rate(millrace_errors_total{{{ALL},stage="dead_letter"}}{RATE}))', "{{error}}"), unit="cps",
          runbook="DlqWriteFailing", empty_because=QUIET),
)

RESOURCES = (
    lines("CPU", "CPU cores used, and the limit of the cgroup.",
          (f"sum by (instance) (rate(process_cpu_seconds_total{{{ALL}}}{RATE}))", "{{instance}}"),
          (f"min(millrace_cgroup_cpu_limit_cores{{{ALL}}})", "limit"), empty_because="there may be no limit"),
    lines("CPU throttling", "Share of the CPU periods in which the cgroup was throttled, and the time for which it was throttled.",
          (f"sum by (instance) (rate(millrace_cgroup_cpu_throttled_periods_total{{{ALL}}}{RATE})) / "
           f"clamp_min(sum by (instance) (rate(millrace_cgroup_cpu_periods_total{{{ALL}}}{RATE})), 0.001)",
           "{{instance}} share"),
          (f"sum by (instance) (rate(millrace_cgroup_cpu_throttled_seconds_total{{{ALL}}}{RATE}))", "{{instance}} s/s"),
          runbook="CpuThrottled"),
    lines("Memory", "Resident memory, usage and limit of the cgroup, and memory of records in flight and its limit.",
          (f"sum by (instance) (process_resident_memory_bytes{{{ALL}}})", "{{instance}} resident"),
          (f"max(millrace_cgroup_memory_bytes{{{ALL}}})", "cgroup"),
          (f"min(millrace_cgroup_memory_limit_bytes{{{ALL}}})", "limit"),
          (f"sum by (instance) (millrace_in_flight_bytes{{{ALL}}})", "{{instance}} records"),
          (f"min(millrace_in_flight_max_bytes{{{ALL}}})", "record limit"),
          unit="bytes", runbook="MemoryNearLimit", empty_because="there may be no limit, and no cgroup"),
    lines("Virtual memory", "Size of the address space.",
          (f"sum by (instance) (process_virtual_memory_bytes{{{ALL}}})", "{{instance}}"), unit="bytes"),
    heatmap("Event loop turns", "Duration of one turn: the delay of the next event.",
            "millrace_loop_turn_seconds", runbook="EventLoopLag"),
    quantiles("Event loop turns, quantiles", "Duration of one turn.", "millrace_loop_turn_seconds", runbook="EventLoopLag"),
    lines("Coroutines", "Frames in use, and frames allocated because the pool was empty; 0 in steady state.",
          (f"sum by (instance) (millrace_coroutine_frames{{{ALL}}})", "{{instance}}"),
          (rate("millrace_coroutine_frame_allocations_total"), "allocated per second")),
    lines("File descriptors", "Open file descriptors and their limit.",
          (f"sum by (instance) (process_open_fds{{{ALL}}})", "{{instance}}"),
          (f"min(process_max_fds{{{ALL}}})", "limit"), runbook="FdsNearLimit"),
    lines("Threads and workers", "Threads and workers of each instance.",
          (f"sum by (instance) (process_threads{{{ALL}}})", "{{instance}} threads"),
          (f"sum by (instance) (millrace_workers{{{ALL}}})", "{{instance}} workers")),
    lines("Context switches", "Voluntary switches (the thread waited) and involuntary switches (it was preempted).",
          (rate("process_context_switches_total", "type"), "{{type}}"), unit="cps"),
    lines("Log messages", "Log messages by level, and messages suppressed by the rate limit.",
          (rate("millrace_log_lines_total", "level"), "{{level}}"),
          (rate("millrace_log_lines_suppressed_total"), "suppressed"), unit="cps"),
    lines("Traces", "Traces sent to the collector, and dropped because it was slow or unavailable.",
          (rate("millrace_traces_total", "result"), "{{result}}"), unit="cps", empty_because="tracing may be off"),
    lines("State and readiness", "State (0 idle, 1 running, 2 draining, 3 leaving, 4 stopped, 5 failed) and readiness (1 ready).",
          (f"max by (instance) (millrace_state{{{ALL}}})", "{{instance}} state"),
          (f"min by (instance) (millrace_ready{{{ALL}}})", "{{instance}} ready"), runbook="NotReady"),
    lines("Uptime", "Time since the start of the process.",
          (f"time() - max by (instance) (process_start_time_seconds{{{ALL}}})", "{{instance}}"), unit="s",
          runbook="CrashLoop"),
    lines("Certificate expiry", "Time until the certificate of a setting expires; the latest of a CA bundle.",
          (f"min by (setting) (millrace_certificate_expiry_timestamp_seconds{{{ALL}}}) - time()", "{{setting}}"), unit="s",
          runbook="CertExpiry", empty_because="there may be none in the configuration"),
    lines("Insecure settings", "Settings of the configuration that disable a protection.",
          (f"max by (setting) (millrace_insecure_config{{{ALL}}})", "{{setting}}"), runbook="InsecureConfig",
          empty_because="there may be none"),
    Panel("Builds", "Build and consumer group of each instance.",
          ((f"max by (instance, version, millrace, revision, compiler) (millrace_build_info{{{ALL}}})", ""),
           (f"max by (instance, group, protocol) (millrace_group_info{{{ALL}}})", "")), "table", width=12),
)

ROWS = (
    ("Health", HEALTH),
    ("Flow", FLOW),
    ("Kafka", KAFKA),
    ("Avro and schema registry", AVRO),
    ("ScyllaDB", DATABASE),
    ("Services", SERVICES),
    ("Dead-letter topic", DEAD_LETTERS),
    ("Resources", RESOURCES),
)
