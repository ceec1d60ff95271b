"""What the dashboard shows: rows of panels. Titles, expressions and descriptions are written here and nowhere else."""

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
    # Why an expression may have no data although all is well; empty: it always has.
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


QUIET = "nothing of the kind happened"
BY_DRIVER = "`cql.data_plane: driver` has no connections of workers"
NO_LOOKUPS = "the application may have no lookups"
ENDED = (
    f"({rate('millrace_records_done_total')} + ({or_zero(rate('millrace_records_skipped_total'))}) + "
    f"({or_zero(rate('millrace_records_dead_lettered_total'))}))"
)

HEALTH = (
    stat("Freshness", "Age of the oldest record that is not finished: how far behind the world the tables are.",
         f"max(millrace_time_lag_seconds{{{TOPIC}}})", unit="s",
         thresholds=((0, "green"), (60, "orange"), (300, "red")), runbook="TimeLagHigh"),
    stat("Lag", "Records up to the end of the log that are not finished.",
         f"sum(millrace_consumer_lag_records{{{TOPIC}}})"),
    stat("Time to catch up", "Lag divided by how much faster records end than they come. Large when they do not.",
         f"sum(millrace_consumer_lag_records{{{TOPIC}}}) / clamp_min({ENDED} - "
         f"sum(rate(millrace_partition_high_watermark_offset{{{TOPIC}}}[5m])), 0.1)", unit="s"),
    stat("Records a second", "Records that every processor finished.", rate("millrace_records_done_total"), unit="cps"),
    stat("Error ratio", "Failures, those that a retry repaired included, for each record taken.",
         f"({or_zero(rate('millrace_errors_total'))}) / clamp_min({rate('millrace_records_received_total')}, 1)",
         unit="percentunit", thresholds=((0, "green"), (0.01, "orange"), (0.1, "red")), runbook="DbErrors"),
    stat("Dead letters a second", "Records that ended in the dead-letter topic.",
         or_zero(rate("millrace_records_dead_lettered_total")), unit="cps",
         thresholds=((0, "green"), (0.1, "orange")), runbook="DlqRateHigh"),
    stat("Instances up", "Processes that Prometheus reaches.", 'sum(up{job=~"$job",instance=~"$instance"})',
         runbook="InstanceDown"),
    stat("Versions", "More than one outside of a rollout: somebody forgot one.",
         f"count(count by (version) (millrace_build_info{{{ALL}}}))",
         thresholds=((0, "green"), (2, "orange")), runbook="VersionSkew"),
)

FLOW = (
    lines("Records by what became of them", "What came in, and how it ended. A retry is not an ending.",
          (rate("millrace_records_done_total"), "done"),
          (or_zero(rate("millrace_records_skipped_total")), "skipped"),
          (or_zero(rate("millrace_records_dead_lettered_total")), "dead-lettered"),
          (rate("millrace_records_abandoned_total"), "abandoned, come again"),
          unit="cps", stacked=True),
    lines("Records in", "Taken from Kafka; delivered again after a rebalance; that came while their partition was given up.",
          (rate("millrace_records_received_total"), "received"),
          (rate("millrace_records_passed_over_total"), "finished by an earlier owner"),
          (rate("millrace_records_stray_total"), "stray"), unit="cps"),
    lines("Bytes in", "Keys and values taken from Kafka.", (rate("millrace_received_bytes_total"), "in"), unit="Bps"),
    lines("Retries", "Attempts after the first, by processor, and those that the retry budget holds back.",
          (or_zero(rate("millrace_retries_total", "processor")), "{{processor}}"),
          (rate("millrace_retries_delayed_total"), "held back by the budget"), unit="cps"),
    heatmap("End to end", "From a record's creation until it was done.", "millrace_record_e2e_seconds", width=12,
            runbook="FreshnessSLOBurn"),
    quantiles("End to end, quantiles", "From a record's creation until it was done.", "millrace_record_e2e_seconds",
              runbook="FreshnessSLOBurn"),
    quantiles("Consumption", "From a record's creation to the start of its processors: the part before your code.",
              "millrace_consume_delay_seconds"),
    quantiles("Waits, P99", "What records waited for. With decoding, processors and statements this is all of their time.",
              "millrace_stage_seconds", "stage"),
    lines("Where the time goes", "Mean seconds a record spends in each stage, stacked.",
          (f"sum by (stage) (rate(millrace_stage_seconds_sum{{{ALL}}}{RATE})) / scalar("
           f"clamp_min({rate('millrace_records_received_total')}, 0.001))", "{{stage}}"),
          (f"sum by (processor) (rate(millrace_process_seconds_sum{{{ALL}}}{RATE})) / scalar("
           f"clamp_min({rate('millrace_records_received_total')}, 0.001))", "{{processor}}"),
          unit="s", stacked=True),
    quantiles("Processors, P99", "One attempt that did not fail, its statements included.", "millrace_process_seconds",
              "processor"),
    quantiles("Failed attempts, P99", "How long a processor ran before it failed.", "millrace_process_failed_seconds",
              "processor", empty_because=QUIET),
    quantiles("Age of dead letters", "From a record's creation until it was in the dead-letter topic.",
              "millrace_record_failed_seconds", empty_because=QUIET),
    lines("Books", "received - done - skipped - dead-lettered - abandoned - in flight. Anything but 0 for long is a defect.",
          (f"sum(millrace_records_received_total{{{ALL}}}) - sum(millrace_records_done_total{{{ALL}}})"
           f" - (sum(millrace_records_skipped_total{{{ALL}}}) or vector(0))"
           f" - (sum(millrace_records_dead_lettered_total{{{ALL}}}) or vector(0))"
           f" - sum(millrace_records_abandoned_total{{{ALL}}}) - sum(millrace_in_flight_records{{{ALL}}})", "balance"),
          runbook="BooksDoNotBalance"),
    lines("Errors", "By stage and kind, retried ones included.",
          (rate("millrace_errors_total", "stage, error"), "{{stage}} {{error}}"), unit="cps", width=12,
          empty_because=QUIET),
    lines("Exceptions", "Attempts that ended with an exception that left process(), by processor.",
          (rate("millrace_processor_exceptions_total", "processor"), "{{processor}}"), unit="cps", width=12,
          runbook="ProcessorThrows"),
)

KAFKA = (
    lines("Lag by partition", "The 20 partitions that lag most.",
          (f"topk(20, sum by (topic, partition) (millrace_consumer_lag_records{{{TOPIC}}}))", "{{topic}}/{{partition}}"),
          runbook="LagGrowing"),
    Panel("Time lag by partition", "The 20 partitions whose oldest unfinished record is oldest.",
          ((f"topk(20, max by (topic, partition) (millrace_time_lag_seconds{{{TOPIC}}}))", ""),), "table", "s"),
    lines("Head of the line", "Age of the oldest unfinished record of a partition: it holds up the partition's commit.",
          (f"topk(20, max by (topic, partition) (millrace_partition_oldest_inflight_age_seconds{{{TOPIC}}}))",
           "{{topic}}/{{partition}}"), unit="s", runbook="PartitionStuck"),
    lines("Would be repeated", "Delivered records from the committed offset on: what a crash now would process again.",
          (f"sum(millrace_partition_uncommitted_records{{{TOPIC}}})", "all"),
          (f"max(millrace_partition_uncommitted_records{{{TOPIC}}})", "worst partition")),
    lines("Rebalances", "Changes of what an instance reads, by type.",
          (f"sum by (type) (increase(millrace_rebalances_total{{{ALL}}}[5m]))", "{{type}}"), runbook="RebalanceStorm"),
    heatmap("Giving up partitions", "From the revocation of partitions until they were drained, committed and given up.",
            "millrace_revoke_seconds"),
    lines("Assigned partitions", "Of each instance: unequal ones mean unequal work.",
          (f"sum by (instance) (millrace_assigned_partitions{{{ALL}}})", "{{instance}}")),
    lines("Paused partitions", "Not fetched now, by reason: records wait for a schema, the window of uncommitted records is "
          "full, the share of the records in flight is held, or the partition stands still.",
          (f"sum by (instance, reason) (millrace_paused_partitions{{{ALL}}})", "{{instance}} {{reason}}"),
          runbook="PartitionStuck"),
    lines("Commits", "Partition offsets committed and refused; records that had ended and came again, uncommitted.",
          (rate("millrace_commits_total"), "committed"),
          (or_zero(rate("millrace_commit_failures_total", "error")), "refused {{error}}"),
          (rate("millrace_records_uncommitted_total"), "records given up uncommitted"), unit="cps",
          runbook="CommitFailing"),
    quantiles("Commit time", "From a commit to the broker's answer.", "millrace_commit_seconds"),
    quantiles("Failed commits", "From a commit to the answer that refused it, or to giving up.",
              "millrace_commit_failed_seconds", empty_because=QUIET),
    lines("Since the last commit", "That a broker accepted.",
          (f"time() - max by (instance) (millrace_last_commit_timestamp_seconds{{{ALL}}})", "{{instance}}"), unit="s",
          runbook="CommitFailing"),
    lines("Since the last poll", "Since the worker's loop began its present turn; each turn polls Kafka.",
          (f"max by (instance, worker) (millrace_worker_since_turn_seconds{{{ALL}}})", "{{instance}} {{worker}}"),
          unit="s", runbook="WorkerStuck"),
    lines("Round trip to brokers", "As the client measures it; a fetch that waits for records counts.",
          (f'max by (client, broker) (millrace_kafka_broker_rtt_seconds{{{ALL},statistic="p99"}})',
           "{{client}} {{broker}} P99"), unit="s"),
    lines("Throttled by brokers", "Time by which a quota delayed answers.",
          (f"max by (client, broker) (millrace_kafka_broker_throttle_seconds{{{ALL}}})", "{{client}} {{broker}}"), unit="s"),
    lines("Trouble with brokers", "Connections that ended, requests without an answer, sent again or broken.",
          (rate("millrace_kafka_broker_disconnects_total", "broker"), "{{broker}} disconnects"),
          (rate("millrace_kafka_broker_timeouts_total", "broker"), "{{broker}} timeouts"),
          (rate("millrace_kafka_broker_retries_total", "broker"), "{{broker}} retries"),
          (rate("millrace_kafka_broker_errors_total", "broker"), "{{broker}} errors"), unit="cps"),
    lines("Connected clients", "Of each broker.",
          (f"sum by (client, broker) (millrace_kafka_broker_connected_clients{{{ALL}}})", "{{client}} {{broker}}")),
    lines("Requests to brokers", "Sent a second, waiting to be sent, and not answered yet.",
          (rate("millrace_kafka_broker_requests_total", "broker"), "{{broker}} a second"),
          (f"sum by (broker) (millrace_kafka_broker_requests_queued{{{ALL}}})", "{{broker}} queued"),
          (f"sum by (broker) (millrace_kafka_broker_requests_in_flight{{{ALL}}})", "{{broker}} in flight")),
    lines("Network to brokers", "Bytes on the wire.",
          (rate("millrace_kafka_broker_received_bytes_total", "broker"), "{{broker}} in"),
          (rate("millrace_kafka_broker_sent_bytes_total", "broker"), "{{broker}} out"), unit="Bps"),
    lines("Client queues, records", "Fetched and not taken, produced and not acknowledged.",
          (f"sum by (queue) (millrace_kafka_queue_records{{{ALL}}})", "{{queue}}")),
    lines("Client queues, bytes", "Memory in these queues.",
          (f"sum by (queue) (millrace_kafka_queue_bytes{{{ALL}}})", "{{queue}}"), unit="bytes"),
    lines("Open transactions", "Records behind an open transaction: nobody can read them before it ends.",
          (f"sum by (topic) (millrace_kafka_open_transaction_records{{{TOPIC}}})", "{{topic}}")),
    lines("Offset gaps", "Records that the broker had deleted before they were read; partitions begun where somebody else committed.",
          (f"sum(increase(millrace_offset_gap_records_total{{{ALL}}}[10m]))", "lost"),
          (f"sum(increase(millrace_offsets_moved_total{{{ALL}}}[10m]))", "offsets moved"), runbook="OffsetGapDetected"),
    lines("Produced", "Records that processors emitted and the broker acknowledged.",
          (rate("millrace_emitted_total", "topic"), "{{topic}}"), unit="cps"),
)

AVRO = (
    quantiles("Decoding", "CPU time to decode one record.", "millrace_decode_seconds"),
    lines("Decoded by schema", "The ten schema ids seen most.",
          (f"topk(10, {rate('millrace_decoded_total', 'schema_id')})", "{{schema_id}}"), unit="cps"),
    lines("Decode errors", "Records that could not be read, by kind.",
          (f'sum by (error) (rate(millrace_errors_total{{{ALL},stage="decode"}}{RATE}))', "{{error}}"), unit="cps",
          empty_because=QUIET),
    quantiles("Undecodable records", "CPU time spent on them.", "millrace_decode_failed_seconds", empty_because=QUIET),
    lines("Schema lookups", "Where workers found schemas: in memory, on disk, from the registry. After the start nearly all in memory.",
          (f"sum by (found) (increase(millrace_schema_lookups_total{{{ALL}}}[5m]))", "{{found}}")),
    lines("Cached schemas", "In memory, in the cache folder, and being looked up.",
          (f"sum by (instance) (millrace_schema_cache_entries{{{ALL}}})", "{{instance}} in memory"),
          (f"sum by (instance) (millrace_schema_disk_cache_entries{{{ALL}}})", "{{instance}} on disk"),
          (f"sum by (instance) (millrace_schema_lookups_waiting{{{ALL}}})", "{{instance}} looked up now")),
    lines("Memory of cached schemas", "Of each instance.",
          (f"sum by (instance) (millrace_schema_cache_bytes{{{ALL}}})", "{{instance}}"), unit="bytes"),
    heatmap("Schema registry", "Requests to it, whatever came of them.", "millrace_schema_registry_request_seconds",
            runbook="RegistryErrors"),
    lines("Answers of the registry", "By what came of the request; requests for OAuth tokens.",
          (f"sum by (outcome) (increase(millrace_schema_registry_requests_total{{{ALL}}}[5m]))", "{{outcome}}"),
          (f"sum by (outcome) (increase(millrace_schema_registry_tokens_total{{{ALL}}}[5m]))", "token {{outcome}}"),
          runbook="RegistryErrors"),
    lines("Trouble of the registry", "URLs that are not asked now, and files of the cache folder that failed.",
          (f"sum by (instance) (millrace_schema_registry_resting{{{ALL}}})", "{{instance}} URLs at rest"),
          (f"sum by (operation) (increase(millrace_schema_disk_cache_failures_total{{{ALL}}}[5m]))", "{{operation}}"),
          runbook="RegistryErrors"),
)

DATABASE = (
    heatmap("Statements", "Successful executions of all statements.", "millrace_statement_seconds", width=12,
            runbook="DbLatencyHigh"),
    quantiles("Statements, P99", "Successful executions, by statement.", "millrace_statement_seconds", "statement",
              runbook="DbLatencyHigh"),
    quantiles("Statements, P50", "Successful executions, by statement.", "millrace_statement_seconds", "statement", 0.5),
    lines("Statements a second", "Successful and failed.",
          (f"sum by (statement) (rate(millrace_statement_seconds_count{{{ALL}}}{RATE}))", "{{statement}}"),
          (f"sum by (statement) (rate(millrace_statement_failed_seconds_count{{{ALL}}}{RATE}))", "{{statement}} failed"),
          unit="cps"),
    lines("Failures of statements", "Executions that failed, by error.",
          (rate("millrace_statement_failures_total", "error"), "{{error}}"), unit="cps", runbook="DbErrors",
          empty_because=QUIET),
    quantiles("Failed statements, P99", "How long they took to fail.", "millrace_statement_failed_seconds", "statement",
              empty_because=QUIET),
    quantiles("Wait for a slot", "How long a statement waited to be given to the driver.",
              "millrace_statement_slot_wait_seconds"),
    lines("In flight", "Statements not answered; inside the driver; records; and how many records may be in flight.",
          (f"sum(millrace_statements_in_flight{{{ALL}}})", "statements"),
          (f"sum(millrace_driver_requests_in_flight{{{ALL}}})", "inside the driver"),
          (f"sum(millrace_in_flight_records{{{ALL}}})", "records"),
          (f"sum(millrace_in_flight_records_max{{{ALL}}})", "records at most")),
    lines("Prepared statements", "Of all workers.", (f"sum by (instance) (millrace_statements_prepared{{{ALL}}})", "{{instance}}")),
    lines("Lookups", "Answered from the cache, by a request that was on its way, or by a request of their own; without a row.",
          (rate("millrace_lookup_hits_total", "lookup"), "{{lookup}} hits"),
          (rate("millrace_lookup_negative_hits_total", "lookup"), "{{lookup}} negative hits"),
          (rate("millrace_lookup_shared_total", "lookup"), "{{lookup}} shared"),
          (rate("millrace_lookup_misses_total", "lookup"), "{{lookup}} misses"),
          (rate("millrace_lookup_absent_total", "lookup"), "{{lookup}} without a row"), unit="cps", empty_because=NO_LOOKUPS),
    lines("Cached rows", "Answers in the caches, those that made room, and those that a write made stale.",
          (f"sum by (lookup) (millrace_lookup_entries{{{ALL}}})", "{{lookup}}"),
          (rate("millrace_lookup_evictions_total", "lookup"), "{{lookup}} evicted a second"),
          (rate("millrace_lookup_invalidations_total", "lookup"), "{{lookup}} invalidated a second"), empty_because=NO_LOOKUPS),
    lines("Memory of cached rows", "What the cache of each lookup holds.",
          (f"sum by (lookup) (millrace_lookup_bytes{{{ALL}}})", "{{lookup}}"), unit="bytes", empty_because=NO_LOOKUPS),
    lines("Retries", "Waiting for their next attempt, and what is left of the retry budget.",
          (f"sum(millrace_retrying_records{{{ALL}}})", "waiting"),
          (f"min by (instance) (millrace_retry_budget_left{{{ALL}}})", "{{instance}} budget left")),
    lines("Circuit breakers", "0 closed, 1 probing, 2 open.",
          (f"max by (instance, dependency) (millrace_breaker_state{{{ALL}}})", "{{instance}} {{dependency}}"),
          (f"sum by (dependency) (increase(millrace_breaker_openings_total{{{ALL}}}[5m]))", "{{dependency}} opened"),
          runbook="BreakerOpen"),
    lines("Driver", "Requests, and those that workers sent over their own connections; deadlines that passed; wake-ups of "
          "workers, the fewer the better; executions also asked of another node; contained defects.",
          (rate("millrace_driver_requests_total"), "requests"),
          (rate("millrace_direct_requests_total"), "sent by workers"),
          (rate("millrace_driver_speculative_total"), "speculative"),
          (rate("millrace_driver_client_timeouts_total"), "client timeouts"),
          (rate("millrace_driver_wakes_total"), "wakes"),
          (rate("millrace_driver_contained_panics_total"), "contained panics"), unit="cps"),
    quantiles("Nodes, P99", "Successful executions over workers' own connections, by node: one that is slow stands out.",
              "millrace_node_seconds", "node", runbook="DbLatencyHigh", empty_because=BY_DRIVER),
    lines("Nodes, requests a second", "Over workers' own connections, and those that failed.",
          (f"sum by (node) (rate(millrace_node_seconds_count{{{ALL}}}{RATE}))", "{{node}}"),
          (f"sum by (node, error) (rate(millrace_node_failures_total{{{ALL}}}{RATE}))", "{{node}} {{error}}"), unit="cps",
          runbook="DbErrors", empty_because=BY_DRIVER),
    lines("Nodes, in flight", "Executions that a node has not answered, and how many it may have: the limit falls after overload "
          "errors and timeouts, and grows with successes.",
          (f"sum by (node) (millrace_node_requests_in_flight{{{ALL}}})", "{{node}}"),
          (f"sum by (node) (millrace_node_limit{{{ALL}}})", "{{node}} limit"), runbook="DbErrors", empty_because=BY_DRIVER),
    lines("Limits of nodes", "Requests that wait for the limit of a node or were refused by it, and how often a limit fell.",
          (f"sum(millrace_node_limit_waiting{{{ALL}}})", "waiting"),
          (rate("millrace_node_limit_refused_total"), "refused a second"),
          (rate("millrace_node_limit_shrunk_total"), "lowered a second"), runbook="DbErrors"),
    lines("Connections", "Workers' own to each node, and the nodes by whether the driver is connected to them.",
          (f"sum by (node) (millrace_node_connections{{{ALL}}})", "{{node}}"),
          (f"max by (state) (millrace_driver_nodes{{{ALL}}})", "nodes {{state}}"), empty_because=BY_DRIVER),
)

LETTERS = (
    lines("Dead letters by reason", "The reason that a processor gave, or the error.",
          (rate("millrace_records_dead_lettered_total", "reason"), "{{reason}}"), unit="cps", runbook="DlqRateHigh",
          empty_because=QUIET),
    lines("Skipped by reason", "Deliberately not processed.",
          (rate("millrace_records_skipped_total", "reason"), "{{reason}}"), unit="cps", empty_because=QUIET),
    Panel("Acknowledgement of dead letters", "From a dead letter to the broker's acknowledgement.",
          ((f'histogram_quantile(0.99, sum by (le) (rate(millrace_stage_seconds_bucket{{{ALL},stage="dead_letter_ack"}}'
            f"{RATE}))) > 0", "P99"),), unit="s", empty_because=QUIET),
    lines("Failures to write dead letters", "While they fail, their records hold up their partitions.",
          (f'sum by (error) (rate(millrace_errors_total{{{ALL},stage="dead_letter"}}{RATE}))', "{{error}}"), unit="cps",
          runbook="DlqWriteFailing", empty_because=QUIET),
)

RESOURCES = (
    lines("CPU", "Cores used, and those that the control group allows.",
          (f"sum by (instance) (rate(process_cpu_seconds_total{{{ALL}}}{RATE}))", "{{instance}}"),
          (f"min(millrace_cgroup_cpu_limit_cores{{{ALL}}})", "limit"), empty_because="there may be no limit"),
    lines("CPU throttling", "Share of the periods in which the control group had to wait, and the time it waited.",
          (f"sum by (instance) (rate(millrace_cgroup_cpu_throttled_periods_total{{{ALL}}}{RATE})) / "
           f"clamp_min(sum by (instance) (rate(millrace_cgroup_cpu_periods_total{{{ALL}}}{RATE})), 0.001)",
           "{{instance}} share"),
          (f"sum by (instance) (rate(millrace_cgroup_cpu_throttled_seconds_total{{{ALL}}}{RATE}))", "{{instance}} s/s"),
          runbook="CpuThrottled"),
    lines("Memory", "Resident memory, the control group's use and limit, and what records in flight hold and may hold.",
          (f"sum by (instance) (process_resident_memory_bytes{{{ALL}}})", "{{instance}} resident"),
          (f"max(millrace_cgroup_memory_bytes{{{ALL}}})", "control group"),
          (f"min(millrace_cgroup_memory_limit_bytes{{{ALL}}})", "limit"),
          (f"sum by (instance) (millrace_in_flight_bytes{{{ALL}}})", "{{instance}} records"),
          (f"min(millrace_in_flight_max_bytes{{{ALL}}})", "records at most"),
          unit="bytes", runbook="MemoryNearLimit", empty_because="there may be no limit, and no control group"),
    lines("Virtual memory", "Address space; it grows with memory that is not returned.",
          (f"sum by (instance) (process_virtual_memory_bytes{{{ALL}}})", "{{instance}}"), unit="bytes"),
    heatmap("Turns of the event loop", "How long one turn works: how late the next event is served.",
            "millrace_loop_turn_seconds", runbook="EventLoopLag"),
    quantiles("Turns, quantiles", "How long one turn works.", "millrace_loop_turn_seconds", runbook="EventLoopLag"),
    lines("Coroutines", "Frames in use, and those for which no recycled one was there: flat when warm.",
          (f"sum by (instance) (millrace_coroutine_frames{{{ALL}}})", "{{instance}}"),
          (rate("millrace_coroutine_frame_allocations_total"), "allocated a second")),
    lines("File descriptors", "Open ones and their limit.",
          (f"sum by (instance) (process_open_fds{{{ALL}}})", "{{instance}}"),
          (f"min(process_max_fds{{{ALL}}})", "limit"), runbook="FdsNearLimit"),
    lines("Threads and workers", "Of each instance.",
          (f"sum by (instance) (process_threads{{{ALL}}})", "{{instance}} threads"),
          (f"sum by (instance) (millrace_workers{{{ALL}}})", "{{instance}} workers")),
    lines("Context switches", "Voluntary ones wait, involuntary ones were preempted.",
          (rate("process_context_switches_total", "type"), "{{type}}"), unit="cps"),
    lines("Messages", "Lines of the log by level, and those left out because one of their kind had just been written.",
          (rate("millrace_log_lines_total", "level"), "{{level}}"),
          (rate("millrace_log_lines_suppressed_total"), "left out"), unit="cps"),
    lines("Traces", "Sampled records sent to the collector of traces, and dropped because it was slow or away.",
          (rate("millrace_traces_total", "result"), "{{result}}"), unit="cps", empty_because="tracing may be off"),
    lines("State and readiness", "0 idle, 1 running, 2 draining, 3 leaving, 4 stopped, 5 failed; ready is 1.",
          (f"max by (instance) (millrace_state{{{ALL}}})", "{{instance}} state"),
          (f"min by (instance) (millrace_ready{{{ALL}}})", "{{instance}} ready"), runbook="NotReady"),
    lines("Uptime", "A saw tooth is a crash loop.",
          (f"time() - max by (instance) (process_start_time_seconds{{{ALL}}})", "{{instance}}"), unit="s",
          runbook="CrashLoop"),
    lines("Certificates", "Until they end; of a bundle of authorities, the last one.",
          (f"min by (setting) (millrace_certificate_expiry_timestamp_seconds{{{ALL}}}) - time()", "{{setting}}"), unit="s",
          runbook="CertExpiry", empty_because="there may be none in the configuration"),
    lines("Insecure settings", "Settings of the configuration that give protection up.",
          (f"max by (setting) (millrace_insecure_config{{{ALL}}})", "{{setting}}"), runbook="InsecureConfig",
          empty_because="there should be none"),
    Panel("Builds", "Which build, and which consumer group, each instance runs.",
          ((f"max by (instance, version, millrace, revision, compiler) (millrace_build_info{{{ALL}}})", ""),
           (f"max by (instance, group, protocol) (millrace_group_info{{{ALL}}})", "")), "table", width=12),
)

ROWS = (
    ("Is it healthy?", HEALTH),
    ("Flow", FLOW),
    ("Kafka", KAFKA),
    ("Avro and schema registry", AVRO),
    ("ScyllaDB", DATABASE),
    ("Dead letters", LETTERS),
    ("Resources", RESOURCES),
)
