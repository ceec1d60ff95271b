"""Recording rules, alerts, and the texts of their runbook pages. Durations are written once, in seconds, and can be
divided, so that a test covers minutes of production in seconds."""

from __future__ import annotations

import dataclasses

OBJECTIVE_SECONDS = 5  # latency objective: from the creation of a record to its completion
OBJECTIVE_RATIO = 0.99  # share of the records that must meet it
TIME_LAG_SECONDS = 300
STALLED_SECONDS = 300
STATEMENT_P99_SECONDS = 0.1
CERTIFICATE_DAYS = 14
REBALANCES_PER_INSTANCE = 6  # in ten minutes; a rollout of one instance costs two to four

PAGE, TICKET = "page", "ticket"
MINUTE, HOUR, DAY = 60, 3600, 86400


@dataclasses.dataclass(frozen=True)
class Recording:
    name: str
    expression: str


@dataclasses.dataclass(frozen=True)
class Alert:
    name: str
    severity: str
    expression: str
    hold: str  # "" or a duration: how long the expression must hold
    summary: str
    meaning: str
    impact: str
    diagnosis: tuple[tuple[str, str], ...]  # an expression or a command, and what its result shows
    mitigation: tuple[str, ...]
    related: tuple[str, ...]  # names of alerts, or paths of documents

    @property
    def description(self) -> str:
        return f"{self.meaning} {self.impact}"


class Time:
    """Durations divided by `faster`."""

    def __init__(self, faster: float) -> None:
        self.faster = faster

    def window(self, seconds: float) -> str:
        return text_of(max(round(seconds / self.faster), 1))

    def value(self, seconds: float) -> str:
        return f"{seconds / self.faster:g}"


def text_of(seconds: int) -> str:
    for unit, size in (("h", HOUR), ("m", MINUTE)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


BY = "by (job, instance)"


def recordings(time: Time) -> list[Recording]:
    five, hour = time.window(5 * MINUTE), time.window(HOUR)
    half_hour, six_hours = time.window(30 * MINUTE), time.window(6 * HOUR)

    def late(window: str) -> str:
        good = f'sum by (job) (rate(millrace_record_e2e_seconds_bucket{{le="{OBJECTIVE_SECONDS}"}}[{window}]))'
        return f"1 - {good} / (sum by (job) (rate(millrace_record_e2e_seconds_count[{window}])) > 0)"

    def ended(window: str) -> str:
        zero = f"0 * sum {BY} (millrace_records_done_total)"
        return (
            f"sum {BY} (increase(millrace_records_done_total[{window}]))"
            f" + (sum {BY} (increase(millrace_records_skipped_total[{window}])) or {zero})"
            f" + (sum {BY} (increase(millrace_records_dead_lettered_total[{window}])) or {zero})"
        )

    zero = f"0 * sum {BY} (millrace_records_received_total)"
    return [
        Recording("job:millrace_late_records:ratio_short", late(five)),
        Recording("job:millrace_late_records:ratio_half_hour", late(half_hour)),
        Recording("job:millrace_late_records:ratio_hour", late(hour)),
        Recording("job:millrace_late_records:ratio_six_hours", late(six_hours)),
        Recording("job:millrace_consumer_lag_records:sum", "sum by (job) (millrace_consumer_lag_records)"),
        Recording("job_instance:millrace_records_ended:increase", ended(five)),
        Recording(
            "job_instance:millrace_record_accounting:balance",
            f"sum {BY} (millrace_records_received_total) - sum {BY} (millrace_records_done_total)"
            f" - (sum {BY} (millrace_records_skipped_total) or {zero})"
            f" - (sum {BY} (millrace_records_dead_lettered_total) or {zero})"
            f" - sum {BY} (millrace_records_abandoned_total) - sum {BY} (millrace_in_flight_records)",
        ),
    ]


def alerts(time: Time) -> list[Alert]:
    return [*_flow(time), *_kafka(time), *_schemas(time), *_database(time), *_process(time), *_resources(time)]


LAG = f"sum {BY} (millrace_consumer_lag_records)"
TOP = ("millrace top http://HOST:9464", "Activity of each worker and partition, and the oldest record of each partition.")
DEAD_LETTERS = "docs/guide/dead-letters.md"


def _flow(time: Time) -> list[Alert]:
    five, ten, fifteen = time.window(5 * MINUTE), time.window(10 * MINUTE), time.window(15 * MINUTE)
    budget = 1 - OBJECTIVE_RATIO
    received = f"sum by (job) (rate(millrace_records_received_total[{fifteen}]))"
    return [
        Alert(
            "FreshnessSLOBurn", PAGE,
            f"(job:millrace_late_records:ratio_hour > {14.4 * budget:g} and job:millrace_late_records:ratio_short > {14.4 * budget:g})"
            f" or (job:millrace_late_records:ratio_six_hours > {6 * budget:g} and job:millrace_late_records:ratio_half_hour > {6 * budget:g})",
            "", f"Too many records are done later than {OBJECTIVE_SECONDS} s after their creation.",
            f"The objective is {OBJECTIVE_RATIO:.0%} of the records done within {OBJECTIVE_SECONDS} s of their creation. "
            "At the current rate the error budget of a month is exhausted within days.",
            "Readers of the tables see old data.",
            (("max by (topic) (millrace_time_lag_seconds)", "Current age of the data."),
             ("topk(5, sum by (stage) (rate(millrace_stage_seconds_sum[5m])))", "The wait that increased."), TOP),
            ("If the time lag increases, follow LagGrowing: the input rate exceeds the processing rate.",
             "If `fetch_wait` dominates and the lag is 0, check the clocks and timestamps of the producers.",
             "If statements dominate, follow DbLatencyHigh."),
            ("TimeLagHigh", "LagGrowing", "DbLatencyHigh"),
        ),
        Alert(
            "ConsumerStalled", PAGE,
            f"{LAG} > 0 and job_instance:millrace_records_ended:increase == 0 and max {BY} (millrace_state) == 1",
            five, "Records wait, and none is finished.",
            "The instance is running and has lag, but no record was done, skipped or dead-lettered for five minutes.",
            "The data of its partitions gets older. No record is lost.",
            (("max by (instance, dependency) (millrace_breaker_state)", "Circuit breakers that are not closed."),
             ("max by (instance, worker) (millrace_worker_since_turn_seconds)", "Blocked event loops."), TOP),
            ("If a breaker is open, restore the database or the broker. Processing resumes without intervention.",
             "If an event loop is blocked, follow EventLoopBlocked.",
             "Otherwise keep the log of the instance and stop it with `kill -TERM`. It drains, and the group assigns its "
             "partitions to other instances."),
            ("BreakerOpen", "EventLoopBlocked", "PartitionStalled"),
        ),
        Alert(
            "PartitionStalled", PAGE,
            f"max by (job, instance, topic, partition) (millrace_partition_oldest_inflight_age_seconds) > {time.value(STALLED_SECONDS)}",
            "", "A record has been in flight for minutes and prevents commits of its partition.",
            f"The oldest record of the partition was received more than {STALLED_SECONDS} s ago and is not finished.",
            "Other records of the partition are processed, but no later offset is committed. A crash repeats all of them, and "
            "the partition is paused at 100,000 uncommitted records.",
            (("topk(5, max by (topic, partition) (millrace_partition_oldest_inflight_age_seconds))", "The partition."),
             ("curl -s http://HOST:9464/status", "`oldest` of the partition: offset, key, stage, processor, attempt, last error.")),
            ("Stage `retry`: correct the cause of the last error. If the record can never succeed, send it to the dead-letter "
             "topic with the operator command `POST /records/TOPIC/PARTITION/OFFSET/dead-letter`.",
             "Stage `process`: find the operation of the processor that has no timeout.",
             "Stage `dead_letter` or `emit`: follow DlqWriteFailing; the broker does not accept produced records."),
            ("DlqWriteFailing", "ConsumerStalled", DEAD_LETTERS),
        ),
        Alert(
            "TimeLagHigh", PAGE,
            f"max by (job, topic) (millrace_time_lag_seconds) > {time.value(TIME_LAG_SECONDS)}", five,
            "The oldest unfinished record is minutes old.",
            f"At least one partition has an unfinished record that was created more than {TIME_LAG_SECONDS} s ago.",
            "The tables lack the data of that partition since then.",
            (("max by (topic, partition) (millrace_time_lag_seconds)", "One partition, or all of them."),
             ("millrace lag config.yaml", "Lag of the group in records and in time, as the brokers report it.")),
            ("One partition: follow PartitionStalled.", "All partitions: follow ConsumerStalled and LagGrowing."),
            ("PartitionStalled", "ConsumerStalled", "LagGrowing"),
        ),
        Alert(
            "LagGrowing", TICKET,
            f"deriv(job:millrace_consumer_lag_records:sum[{fifteen}]) > 0.1 * {received}"
            f" and job:millrace_consumer_lag_records:sum > {received} * {time.value(MINUTE)}",
            fifteen, "The lag grows.",
            "For a quarter of an hour the lag has grown by more than a tenth of the processing rate, and it exceeds one minute "
            "of processing.",
            "The data gets older until the processing rate exceeds the input rate.",
            (("sum(rate(millrace_partition_high_watermark_offset[5m]))", "Input rate."),
             ("sum(millrace_in_flight_records) / sum(millrace_in_flight_records_max)", "Near 1: the limit of records in flight limits the rate."),
             ("sum(rate(process_cpu_seconds_total[5m]))", "Near the number of workers: the CPU limits the rate.")),
            ("If records in flight limit the rate, follow DbLatencyHigh, or raise `engine.in_flight_records_max`.",
             "If the CPU limits the rate, add instances, up to the number of partitions.",
             "If neither limits the rate, one partition has most of the records: choose a key with a better distribution."),
            ("DbLatencyHigh", "CpuThrottled", "TimeLagHigh"),
        ),
        Alert(
            "OffsetGapDetected", PAGE, f"sum by (job, instance) (increase(millrace_offset_gap_records_total[{ten}])) > 0", "",
            "The broker deleted records before they were read.",
            "The committed offset was no longer in the log. `kafka.on_offset_out_of_range` allows the group to continue at the "
            "beginning of the log.",
            "The deleted records are lost for this group.",
            (("sum(increase(millrace_offset_gap_records_total[1d]))", "Number of lost records."),
             ("millrace lag config.yaml", "Remaining lag and its age.")),
            ("Raise the retention of the topic above the longest outage that must be survived.",
             "Restore the lost records from their source. The log names topic, partition and offsets."),
            ("LagGrowing", "TimeLagHigh"),
        ),
        Alert(
            "RecordAccountingMismatch", PAGE,
            f"min_over_time(abs(job_instance:millrace_record_accounting:balance)[{ten}:{time.window(30)}]) > 0", "",
            "The record accounting does not add up.",
            "The number of received records must equal the sum of the records done, skipped, dead-lettered, abandoned and in "
            "flight. The difference was never 0 for ten minutes. The cause is a defect of Millrace.",
            "Records may be lost or counted twice.",
            (("job_instance:millrace_record_accounting:balance", "The difference, and its beginning."),
             ("curl -s http://HOST:9464/status", "`accounting` of the process.")),
            ("Save /metrics, /status and the log of the instance, and report the defect.",
             "Restart the instance. Records without a commit are delivered again."),
            ("OffsetGapDetected", "ConsumerStalled"),
        ),
        Alert(
            "DlqRateHigh", TICKET,
            f"sum by (job) (rate(millrace_records_dead_lettered_total[{five}])) > 0.01 * sum by (job) (rate(millrace_records_received_total[{five}]))",
            five, "More than 1 % of the records are dead-lettered.",
            "Processors reject records, or their attempts are exhausted.",
            "The records are kept in the dead-letter topic with their reason. Other records are not delayed.",
            (("sum by (reason) (rate(millrace_records_dead_lettered_total[5m]))", "Rate by reason."),
             ("millrace dlq ls config.yaml", "Counts by reason, processor, topic and partition."),
             ("millrace dlq show config.yaml OFFSET", "One dead-letter record.")),
            ("If a producer changed its records, notify its owner.",
             "If a table or a schema changed, correct it, then run `millrace dlq redrive config.yaml`.",
             "If most of the records are dead-lettered, the dead-letter rate limit stops the record engine."),
            ("ProcessorThrows", "SchemaNotFound", "DlqWriteFailing", DEAD_LETTERS),
        ),
        Alert(
            "ProcessorThrows", TICKET, f"sum by (job, processor) (increase(millrace_processor_exceptions_total[{five}])) > 0", "",
            "A processor throws exceptions.",
            "An exception left process(). It is counted as an error of the attempt.",
            "The record is retried, and dead-lettered after the last attempt. Other records are not affected.",
            (("sum by (processor) (increase(millrace_processor_exceptions_total[1h]))", "The processor and the number of exceptions."),
             ("event=processor_threw", "Log event with the record, the type of the exception and its what(); one for each processor and type in ten seconds."),
             ("millrace dlq ls config.yaml --reason processor_threw", "The affected records.")),
            ("If the same records fail each time, correct the processor, then run `millrace dlq redrive config.yaml --reason processor_threw`.",
             "Return an error with its code, or `outcome::dead_letter`, which is not retried, instead of throwing.",
             "`std::bad_alloc`: the memory is exhausted, or a size is taken from the record without a check."),
            ("DlqRateHigh", DEAD_LETTERS),
        ),
        Alert(
            "AttemptTimeouts", TICKET, f"sum by (job, processor) (increase(millrace_attempt_timeouts_total[{five}])) > 0", "",
            "Attempts of a processor do not return in time.",
            "An attempt took longer than `engine.attempt_timeout`. The engine cancelled it and retries the record.",
            "The record is late, and dead-lettered after the last attempt. An attempt that never returns holds one place of the records in flight.",
            (("sum by (processor) (increase(millrace_attempt_timeouts_total[1h]))", "The processor and the number of timeouts."),
             ("sum by (instance) (millrace_cancelled_attempts)", "Cancelled attempts that still run."),
             ("millrace dlq ls config.yaml --reason timed_out", "The affected records.")),
            ("Find the wait of the processor that has no limit of its own: an event that nobody sets, a request without a timeout.",
             "Sleep with `ctx.sleep_for()`, which ends when the attempt is cancelled, and return when `ctx.is_cancelled()`.",
             "If the work is slow on purpose, raise `engine.attempt_timeout`."),
            ("PartitionStalled", "DlqRateHigh", DEAD_LETTERS),
        ),
        Alert(
            "DlqWriteFailing", PAGE, f'sum by (job, instance) (increase(millrace_errors_total{{stage="dead_letter"}}[{five}])) > 0',
            time.window(2 * MINUTE), "Dead-letter records cannot be produced.",
            "The broker does not acknowledge records of the dead-letter topic.",
            "The records stay in flight, no later offset of their partitions is committed, and finally the partitions are paused.",
            (('sum by (error) (rate(millrace_errors_total{stage="dead_letter"}[5m]))', "Error codes."),
             ("millrace dlq ls config.yaml", "Whether the topic can be read.")),
            ("Verify that the topic of `engine.dead_letter_topic` exists and that the user may write to it.",
             "`produce_rejected`: raise `max.message.bytes` of the dead-letter topic to that of the source topic."),
            ("PartitionStalled", "BreakerOpen", DEAD_LETTERS),
        ),
    ]


def _kafka(time: Time) -> list[Alert]:
    two, five, ten = time.window(2 * MINUTE), time.window(5 * MINUTE), time.window(10 * MINUTE)
    return [
        Alert(
            "RebalanceStorm", TICKET,
            f"sum by (job) (increase(millrace_rebalances_total[{ten}])) > {REBALANCES_PER_INSTANCE} * count by (job) (millrace_workers)", "",
            "The consumer group rebalances repeatedly.",
            f"The assignment changed more than {REBALANCES_PER_INSTANCE} times for each instance within ten minutes.",
            "Each rebalance drains the records in flight or repeats them.",
            (("sum by (instance, type) (increase(millrace_rebalances_total[10m]))", "One instance, or all of them."),
             ("changes(process_start_time_seconds[15m])", "Restarts."),
             ("max by (instance, worker) (millrace_worker_since_turn_seconds)", "Blocked event loops, which miss heartbeats.")),
            ("Restarts: follow CrashLoop. During a rollout, wait; static members (`kafka.instance_id`) keep their partitions.",
             "No restarts: raise `session.timeout.ms`, and find the processor that blocks (EventLoopLag).",
             "Autoscaling that follows the lag: lengthen its stabilisation window."),
            ("CrashLoop", "EventLoopLag", "EventLoopBlocked"),
        ),
        Alert(
            "CommitFailing", PAGE,
            f"sum {BY} (increase(millrace_commit_failures_total[{five}])) > 0 and sum {BY} (increase(millrace_commits_total[{five}])) == 0 and {LAG} > 0",
            two, "Offsets cannot be committed.",
            "Every commit of the last five minutes failed.",
            "Records are processed. After a restart all records since the last commit are processed again.",
            (("sum by (error) (increase(millrace_commit_failures_total[5m]))", "Error codes."),
             ("time() - max(millrace_last_commit_timestamp_seconds)", "Time since the last commit.")),
            ("`broker_fenced`: find the second process with the same `kafka.instance_id`, and stop it.",
             "`broker_unauthorized`: permit the user to read the group.",
             "`broker_unavailable`: the coordinator of the group is unavailable. Commits resume without intervention."),
            ("RebalanceStorm", "BreakerOpen"),
        ),
    ]


def _schemas(time: Time) -> list[Alert]:
    five = time.window(5 * MINUTE)
    return [
        Alert(
            "RegistryErrors", TICKET,
            f'sum by (job) (increase(millrace_schema_registry_requests_total{{outcome=~"server_error|invalid_response|no_response|tls_refused|rate_limited"}}[{five}])) > 0.01 * sum by (job) (increase(millrace_schema_registry_requests_total[{five}]))',
            five, "Requests to the schema registry fail.",
            "More than 1 % of the requests to the schema registry failed.",
            "Records with cached schemas are processed. Records with a new schema wait, and no later offset of their "
            "partitions is committed. No record is lost: the request is retried until the registry responds.",
            (("sum by (outcome) (increase(millrace_schema_registry_requests_total[5m]))", "Outcomes of the requests."),
             ('sum(rate(millrace_stage_seconds_count{stage="schema_wait"}[5m]))', "Records that waited for a schema.")),
            ("Verify that the registry is available and that `registry.urls` names all of its instances.",),
            ("SchemaNotFound", "PartitionStalled"),
        ),
        Alert(
            "SchemaRefused", PAGE, f'sum by (job) (increase(millrace_errors_total{{stage="schema",error="registry_unauthorized"}}[{five}])) > 0', "",
            "The registry refuses a schema.",
            "The registry answered 401 or 403 to the request of a schema.",
            "The partitions that contain records of this schema are held up until the registry allows it. Nothing is lost, and the other partitions go on.",
            (("event=schema_refused", "Log event with the id of the schema."),
             ("millrace top config.yaml", "The partitions whose oldest record is in the stage `schema`."),
             ('max by (topic, partition) (millrace_partition_oldest_inflight_age_seconds)', "How long they have been held up.")),
            ("Grant the application's registry user read access to the subject of the schema.",
             "If all schemas are refused, check the credentials of `registry`.",
             "If the records are not wanted, dead-letter the oldest one with the operator command of the admin port."),
            ("RegistryErrors", "PartitionStalled", DEAD_LETTERS),
        ),
        Alert(
            "SchemaNotFound", TICKET, f'sum by (job) (increase(millrace_errors_total{{stage="schema",error="schema_not_found"}}[{five}])) > 0', "",
            "Records refer to schemas that the registry does not have.",
            "The registry reported that the schema id of a record does not exist.",
            "The records are dead-lettered after a grace period.",
            (('sum(increase(millrace_errors_total{error="schema_not_found"}[1h]))', "Number of errors."),
             ("millrace dlq ls config.yaml --reason schema_not_found", "The affected records.")),
            ("If the producer uses another registry, or none, correct the producer: the first five bytes of its values are "
             "not a valid schema id.",
             "If a schema was deleted, register it again with the same id, then run `millrace dlq redrive config.yaml`."),
            ("RegistryErrors", "DlqRateHigh", DEAD_LETTERS),
        ),
    ]


def _database(time: Time) -> list[Alert]:
    five = time.window(5 * MINUTE)
    return [
        Alert(
            "DbErrors", TICKET,
            f"sum by (job) (rate(millrace_statement_failures_total[{five}])) > 0.01 * sum by (job) (rate(millrace_statement_seconds_count[{five}]))",
            five, "More than 1 % of the statements fail.",
            "The database rejects statements, or they time out.",
            "Statements are retried within the retry budget. Records take longer, and are dead-lettered after the last attempt.",
            (("sum by (statement, error) (rate(millrace_statement_failures_total[5m]))", "Statements and error codes."),
             ("sum(millrace_retrying_records)", "Processor runs that wait for their next attempt.")),
            ("`db_overloaded`, `db_timeout`: the cluster lacks capacity; see its own dashboard.",
             "`db_client_timeout`: raise `cql.request_timeout` above the timeout of the server.",
             "`db_unavailable`: restore the nodes that are down, or lower `cql.consistency`."),
            ("DbLatencyHigh", "BreakerOpen", "DlqRateHigh"),
        ),
        Alert(
            "DbLatencyHigh", TICKET,
            f"histogram_quantile(0.99, sum by (job, le, statement) (rate(millrace_statement_seconds_bucket[{five}]))) > {STATEMENT_P99_SECONDS:g}",
            five, "Statements are slow.",
            f"The 99th percentile of a statement exceeds {STATEMENT_P99_SECONDS * 1000:g} ms.",
            "The number of records in flight rises. The processing rate falls when it reaches its limit.",
            (("histogram_quantile(0.99, sum by (le, statement) (rate(millrace_statement_seconds_bucket[5m])))", "Latency by statement."),
             ("histogram_quantile(0.99, sum by (le, node) (rate(millrace_node_seconds_bucket[5m])))", "Latency by node."),
             ("sum(millrace_in_flight_records) / sum(millrace_in_flight_records_max)", "Near 1: the processing rate is about to fall.")),
            ("All statements: check the database for compaction, repair, or a slow node.",
             "One statement: check the size of its partitions, and tombstones.",
             "Records in flight at their limit: raise `engine.in_flight_records_max` if the memory permits."),
            ("DbErrors", "LagGrowing"),
        ),
        Alert(
            "BreakerOpen", TICKET, "max by (job, instance, dependency) (millrace_breaker_state) > 0", five,
            "A circuit breaker has been open for minutes.",
            "More than half of the requests to the dependency failed.",
            "No records are received from Kafka until probes succeed. No record is lost.",
            (("max by (instance, dependency) (millrace_breaker_state)", "The dependency, and whether one instance or all are affected."),
             ("sum by (error) (rate(millrace_errors_total[5m]))", "Error codes."), TOP),
            ("All instances: restore the dependency. One instance: check its network and its certificates.",
             "The breaker closes after successful probes, without intervention."),
            ("DbErrors", "ConsumerStalled", "NotReady"),
        ),
    ]


def _process(time: Time) -> list[Alert]:
    five, ten, fifteen = time.window(5 * MINUTE), time.window(10 * MINUTE), time.window(15 * MINUTE)
    return [
        Alert(
            "InstanceDown", TICKET, "up == 0", five, "Prometheus cannot scrape an instance.",
            "The process ended, is blocked, or its admin endpoint is not reachable.",
            "The group assigns the partitions of an ended process to other instances.",
            (("up", "The instance."),
             ("kubectl logs --previous POD", "`event=stopped` or `event=failed` names the reason.")),
            ("Exit code 78: correct the configuration. Exit code 1: the last error of the log names the failure.",
             "If the process runs: set `admin.address`, whose default 127.0.0.1 is not reachable from another machine."),
            ("NoInstances", "CrashLoop", "EventLoopBlocked"),
        ),
        Alert(
            "NoInstances", PAGE, "absent(millrace_build_info)", five, "No instance is scraped.",
            "No process of Millrace runs, or the monitoring lost all of them.",
            "If no process runs, no record is processed.",
            (("count(up) by (job)", "Targets that are scraped."),
             ("millrace lag config.yaml", "Whether the committed offsets of the group advance.")),
            ("If the offsets advance, repair the scrape configuration.",
             "Otherwise start the application. It continues at its committed offsets."),
            ("InstanceDown", "CrashLoop"),
        ),
        Alert(
            "CrashLoop", TICKET, f"changes(process_start_time_seconds[{fifteen}]) > 2", "", "An instance restarts repeatedly.",
            "The process started more than twice within a quarter of an hour.",
            "Each restart causes a rebalance and repeats the records without a commit.",
            (("changes(process_start_time_seconds[1h])", "The instance, and the number of restarts."),
             ("kubectl logs --previous POD", "`event=failed` or `event=not_started` names the reason.")),
            ("If the same record fails each time, `event=failed` names its offset; see docs/guide/dead-letters.md.",
             "If the process was killed for memory, follow MemoryNearLimit."),
            ("MemoryNearLimit", "RebalanceStorm", DEAD_LETTERS),
        ),
        Alert(
            "NotReady", TICKET, "min by (job, instance) (millrace_ready) == 0", ten, "An instance is not ready.",
            "The instance has not joined the group, a dependency is not usable, or an event loop is blocked.",
            "A rollout waits for the instance. Its partitions may not be processed.",
            (("curl -s http://HOST:9464/readyz", "The reasons."), TOP),
            ("A dependency: follow BreakerOpen.", "A worker: follow EventLoopBlocked.",
             "Not joined: check the group's coordinator and the permissions of the user. Workers beyond the number of partitions stay idle."),
            ("BreakerOpen", "EventLoopBlocked", "docs/observability.md"),
        ),
        Alert(
            "EventLoopBlocked", PAGE, f"max by (job, instance, worker) (millrace_worker_since_turn_seconds) > {time.value(30)}", "",
            "The event loop of a worker is blocked.",
            "The event loop has not begun a turn for 30 s. A processor blocks its thread.",
            "The worker does not poll Kafka. The group revokes its partitions when its session times out.",
            (("max by (instance, worker) (millrace_worker_since_turn_seconds)", "The worker."),
             ("curl -s http://HOST:9464/healthz", "The processor and the record that were entered last.")),
            ("Liveness fails, and the orchestrator restarts the process.",
             "Correct the processor: it must wait with co_await, and must not sleep, take locks or read files."),
            ("EventLoopLag", "ConsumerStalled", "RebalanceStorm"),
        ),
        Alert(
            "VersionSkew", TICKET, "count by (job) (count by (job, version, millrace) (millrace_build_info)) > 1", time.window(30 * MINUTE),
            "Instances run different versions.",
            "The instances of a job have run more than one version for half an hour.",
            "Records are processed by different code, depending on their partition.",
            (("count by (instance, version, millrace, revision) (millrace_build_info)", "Version of each instance."),),
            ("Complete the rollout, or roll it back.",),
            ("CrashLoop", "NotReady"),
        ),
        Alert(
            "CertExpiry", TICKET,
            f"min by (job, setting) (millrace_certificate_expiry_timestamp_seconds) - time() < {CERTIFICATE_DAYS * DAY}", "",
            f"A certificate expires within {CERTIFICATE_DAYS} days.",
            "The certificate in the file of the setting is close to its expiry.",
            "After the expiry new connections are rejected. Established connections continue until they are closed.",
            (("min by (setting) (millrace_certificate_expiry_timestamp_seconds) - time()", "The setting, and the remaining seconds."),
             ("openssl x509 -noout -enddate -in FILE", "The date of expiry.")),
            ("Replace the file. Certificates of the registry and of the database are read again for new connections. Those of "
             "Kafka need a restart.",),
            ("InsecureConfig", "RegistryErrors", "BreakerOpen"),
        ),
        Alert(
            "InsecureConfig", TICKET, "max by (job, setting) (millrace_insecure_config) == 1", fifteen,
            "A setting disables a protection.",
            "A password or a token crosses the network unencrypted, or the certificate of a server is not verified. The "
            "process logs `event=insecure_config` at each start.",
            "An attacker with access to the network can read credentials or impersonate a server.",
            (("max by (job, instance, setting) (millrace_insecure_config)", "The setting and the instance."),),
            ("Encrypt the connection (`SASL_SSL`, https, `cql.tls`), and verify certificates.",
             "For an isolated network, silence the alert with a reason."),
            ("CertExpiry",),
        ),
    ]


def _resources(time: Time) -> list[Alert]:
    five, ten, fifteen = time.window(5 * MINUTE), time.window(10 * MINUTE), time.window(15 * MINUTE)
    return [
        Alert(
            "CpuThrottled", TICKET,
            f"sum {BY} (rate(millrace_cgroup_cpu_throttled_periods_total[{five}])) > 0.25 * sum {BY} (rate(millrace_cgroup_cpu_periods_total[{five}]))",
            fifteen, "The CPU of the process is throttled.",
            "The cgroup exhausted its CPU quota in more than a quarter of the periods.",
            "Threads wait up to 100 ms at a time. All latencies rise.",
            (("sum by (instance) (rate(process_cpu_seconds_total[5m]))", "CPU cores used."),
             ("min(millrace_cgroup_cpu_limit_cores)", "CPU limit in cores.")),
            ("Remove the CPU limit, or raise it to whole cores: the number of workers plus one.",),
            ("EventLoopLag", "LagGrowing"),
        ),
        Alert(
            "MemoryNearLimit", TICKET,
            f"max {BY} (millrace_cgroup_memory_bytes) > 0.9 * max {BY} (millrace_cgroup_memory_limit_bytes)", ten,
            "The memory of the cgroup is nearly exhausted.",
            "The cgroup uses more than 90 % of its memory limit.",
            "The kernel kills the process at the limit. Records without a commit are repeated.",
            (("max(process_resident_memory_bytes)", "Resident memory."),
             ("max(millrace_in_flight_bytes)", "Part held by records in flight."),
             ("max(millrace_kafka_queue_bytes)", "Part held by the queues of the Kafka clients.")),
            ("Lower `engine.memory_max` or `kafka.fetch_bytes_max`, or raise the limit.",
             "If only the resident memory grows, report a memory leak together with /metrics."),
            ("CrashLoop",),
        ),
        Alert(
            "FdsNearLimit", TICKET, f"max {BY} (process_open_fds) > 0.8 * max {BY} (process_max_fds)", ten,
            "The file descriptors are nearly exhausted.",
            "The process uses more than 80 % of its file descriptors.",
            "At the limit new connections fail.",
            (("max by (instance) (process_open_fds)", "Open file descriptors."), ("ls -l /proc/PID/fd", "Their targets.")),
            ("Raise the limit (`ulimit -n`, `LimitNOFILE`).", "If the number grows without a bound, report a leak."),
            ("InstanceDown",),
        ),
        Alert(
            "EventLoopLag", TICKET,
            f"histogram_quantile(0.99, sum by (job, instance, le) (rate(millrace_loop_turn_seconds_bucket[{five}]))) > 0.1", five,
            "Turns of the event loop take long.",
            "The 99th percentile of the duration of a turn exceeds 100 ms.",
            "All other records and the heartbeats of the worker wait during the turn.",
            (("histogram_quantile(0.99, sum by (instance, le) (rate(millrace_loop_turn_seconds_bucket[5m])))", "Duration by instance."),
             ("histogram_quantile(0.99, sum by (le) (rate(millrace_decode_seconds_bucket[5m])))", "Share of decoding.")),
            ("Find long computations in processors, and split them or move them to another thread.",
             "If the CPU is exhausted, follow CpuThrottled."),
            ("CpuThrottled", "EventLoopBlocked"),
        ),
    ]
