"""Recording rules and alerts, with what their runbook pages say. Durations are written once, in seconds, and can be
divided, so that a test sees in seconds what production sees in minutes."""

from __future__ import annotations

import dataclasses

OBJECTIVE_SECONDS = 5  # records are done within so long of their creation,
OBJECTIVE_RATIO = 0.99  # so many of them
TIME_LAG_SECONDS = 300
STUCK_SECONDS = 300
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
    means: str
    look: tuple[tuple[str, str], ...]  # an expression or a command, and what it tells
    act: tuple[str, ...]


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
            "job_instance:millrace_books:balance",
            f"sum {BY} (millrace_records_received_total) - sum {BY} (millrace_records_done_total)"
            f" - (sum {BY} (millrace_records_skipped_total) or {zero})"
            f" - (sum {BY} (millrace_records_dead_lettered_total) or {zero})"
            f" - sum {BY} (millrace_records_abandoned_total) - sum {BY} (millrace_in_flight_records)",
        ),
    ]


def alerts(time: Time) -> list[Alert]:
    two, five, ten = time.window(2 * MINUTE), time.window(5 * MINUTE), time.window(10 * MINUTE)
    fifteen = time.window(15 * MINUTE)
    budget = 1 - OBJECTIVE_RATIO
    lag = f"sum {BY} (millrace_consumer_lag_records)"
    status = ("millrace top http://HOST:9464", "what each worker and partition does, and its oldest record")

    return [
        Alert(
            "FreshnessSLOBurn", PAGE,
            f"(job:millrace_late_records:ratio_hour > {14.4 * budget:g} and job:millrace_late_records:ratio_short > {14.4 * budget:g})"
            f" or (job:millrace_late_records:ratio_six_hours > {6 * budget:g} and job:millrace_late_records:ratio_half_hour > {6 * budget:g})",
            "", "Too many records are done later than {} s after their creation.".format(OBJECTIVE_SECONDS),
            f"The objective is that {OBJECTIVE_RATIO:.0%} of the records are done within {OBJECTIVE_SECONDS} s of their "
            "creation. At this rate the budget of a month is used up within days: whoever reads the tables sees old data.",
            (("max by (topic) (millrace_time_lag_seconds)", "how old the data is now"),
             ("topk(5, sum by (stage) (rate(millrace_stage_seconds_sum[5m])))", "which wait grew"), status),
            ("Time lag grows: see LagGrowing; more is produced than finished.",
             "`fetch_wait` is most of it and lag is 0: the producers stamp records late, or their clock is behind.",
             "Statements are most of it: see DbLatencyHigh."),
        ),
        Alert(
            "ConsumerStalled", PAGE,
            f"{lag} > 0 and job_instance:millrace_records_ended:increase == 0 and max {BY} (millrace_state) == 1",
            five, "Records wait, and none ends.",
            "The instance is running and has records to process, and for minutes none was finished, skipped or dead-lettered.",
            (("max by (instance, dependency) (millrace_breaker_state)", "is a dependency down?"),
             ("max by (instance, worker) (millrace_worker_since_turn_seconds)", "does a loop not turn?"), status),
            ("A breaker is open: the database or the broker is down; nothing is lost, it goes on by itself.",
             "A loop does not turn: see WorkerStuck.",
             "Neither: `kill -TERM` one instance; it drains and the group gives its partitions to another. Keep its log."),
        ),
        Alert(
            "PartitionStuck", PAGE,
            f"max by (job, instance, topic, partition) (millrace_partition_oldest_inflight_age_seconds) > {time.value(STUCK_SECONDS)}",
            "", "A record has been in flight for minutes and holds up its partition's commit.",
            "The other records of the partition go on, but nothing is committed past this one: a crash would repeat all of "
            "them, and at `partition_window_max` the partition is paused.",
            (("topk(5, max by (topic, partition) (millrace_partition_oldest_inflight_age_seconds))", "which partition"),
             ("curl -s http://HOST:9464/status", "`oldest`: its offset, key, stage, processor, attempt and last error")),
            ("Stage `retry`: its error says why. If it can never succeed, order it: `POST /records/TOPIC/PARTITION/OFFSET/dead-letter` (docs/dead-letters.md).",
             "Stage `process` for long: a processor waits for something without a time limit.",
             "Stage `dead_letter` or `emit`: the broker does not accept what is produced, see DlqWriteFailing."),
        ),
        Alert(
            "TimeLagHigh", PAGE,
            f"max by (job, topic) (millrace_time_lag_seconds) > {time.value(TIME_LAG_SECONDS)}", five,
            "The oldest unfinished record is minutes old.",
            "What is read from the tables misses what happened since then, at least for one partition.",
            (("max by (topic, partition) (millrace_time_lag_seconds)", "one partition, or all?"),
             ("millrace lag config.yaml", "lag of the group in records and in time, as the brokers see it")),
            ("One partition: see PartitionStuck.", "All of them: see ConsumerStalled and LagGrowing."),
        ),
        Alert(
            "LagGrowing", TICKET,
            f"deriv(job:millrace_consumer_lag_records:sum[{fifteen}]) > 0.1 * sum by (job) (rate(millrace_records_received_total[{fifteen}]))"
            f" and job:millrace_consumer_lag_records:sum > sum by (job) (rate(millrace_records_received_total[{fifteen}])) * {time.value(MINUTE)}",
            fifteen, "More is produced than processed.",
            "Lag has grown for a quarter of an hour by more than a tenth of what is processed, and is more than a minute of work.",
            (("sum(rate(millrace_partition_high_watermark_offset[5m]))", "what is produced"),
             ("sum(millrace_in_flight_records) / sum(millrace_in_flight_records_max)", "near 1: the window limits the rate"),
             ("sum(rate(process_cpu_seconds_total[5m]))", "near the number of workers: the CPU limits it")),
            ("The window limits: statements became slow (DbLatencyHigh), or raise `engine.in_flight_records_max`.",
             "The CPU limits: add instances, up to the number of partitions.",
             "Neither: one partition gets most records; choose a key that spreads."),
        ),
        Alert(
            "OffsetGapDetected", PAGE, f"sum by (job, instance) (increase(millrace_offset_gap_records_total[{ten}])) > 0", "",
            "Records were deleted by the broker before they were read.",
            "`kafka.on_offset_out_of_range` lets the group go on where the log now begins: what was before is lost for it.",
            (("sum(increase(millrace_offset_gap_records_total[1d]))", "how many"),
             ("millrace lag config.yaml", "what is left, and how old it is")),
            ("Raise the topic's retention above the longest outage you want to survive.",
             "Fill the gap from the source of the records; the log names topic, partition and offsets."),
        ),
        Alert(
            "BooksDoNotBalance", PAGE,
            f"min_over_time(abs(job_instance:millrace_books:balance)[{ten}:{time.window(30)}]) > 0", "",
            "Records are missing from the books.",
            "Every record taken is done, skipped, dead-lettered, abandoned or in flight. A sum that is wrong for ten minutes "
            "without a moment of truth is a defect of Millrace: please report it.",
            (("job_instance:millrace_books:balance", "how many, and since when"),
             ("curl -s http://HOST:9464/status", "`books` of the process itself")),
            ("Keep /metrics, /status and the log of the instance.", "Restart it: what was not committed is delivered again."),
        ),
        Alert(
            "DlqRateHigh", TICKET,
            f"sum by (job) (rate(millrace_records_dead_lettered_total[{five}])) > 0.01 * sum by (job) (rate(millrace_records_received_total[{five}]))",
            five, "More than one in a hundred records is dead-lettered.",
            "They are kept with the reason, and nothing else waits for them; but somebody must look at them.",
            (("sum by (reason) (rate(millrace_records_dead_lettered_total[5m]))", "why"),
             ("millrace dlq ls config.yaml", "by reason, processor, topic and partition"),
             ("millrace dlq show config.yaml OFFSET", "one of them")),
            ("A producer began to write something else: tell its owner.",
             "A table or a schema changed: repair it, then `millrace dlq redrive config.yaml`.",
             "When most records end there, the dead-letter brake stops the line by itself."),
        ),
        Alert(
            "ProcessorThrows", TICKET, f"sum by (job, processor) (increase(millrace_processor_exceptions_total[{five}])) > 0", "",
            "Exceptions leave process().",
            "Each is an error of its attempt. The record is retried, and after the last attempt it is dead-lettered; other records go on.",
            (("sum by (processor) (increase(millrace_processor_exceptions_total[1h]))", "which processor, how often"),
             ("event=processor_threw", "in the log: the record, the type of the exception and what() of one per processor and type in ten seconds"),
             ("millrace dlq ls config.yaml --reason processor_threw", "which records")),
            ("Always on the same records: the processor does not expect what they hold. Repair it, then `millrace dlq redrive config.yaml --reason processor_threw`.",
             "Return a failure that the processor expects: an error with its code, or `outcome::dead_letter`, which is not retried.",
             "`std::bad_alloc`: memory is short, or the size of something comes from the record."),
        ),
        Alert(
            "DlqWriteFailing", PAGE, f'sum by (job, instance) (increase(millrace_errors_total{{stage="dead_letter"}}[{five}])) > 0', two,
            "Dead letters cannot be written.",
            "Their records stay in flight, their partitions are not committed past them, and stop in the end.",
            (('sum by (error) (rate(millrace_errors_total{stage="dead_letter"}[5m]))', "why"),
             ("millrace dlq ls config.yaml", "can the topic be read?")),
            ("Does the topic of `engine.dead_letter_topic` exist, and may the user write to it?",
             "`produce_rejected`: its `max.message.bytes` is below the source topic's."),
        ),
        Alert(
            "RebalanceStorm", TICKET,
            f"sum by (job) (increase(millrace_rebalances_total[{ten}])) > {REBALANCES_PER_INSTANCE} * count by (job) (millrace_workers)", "",
            "The consumer group rebalances again and again.",
            "Each time partitions change hands, work in flight is drained or done twice.",
            (("sum by (instance, type) (increase(millrace_rebalances_total[10m]))", "who: one instance, or all"),
             ("changes(process_start_time_seconds[15m])", "restarts"),
             ("max by (instance, worker) (millrace_worker_since_turn_seconds)", "loops that do not turn miss their heartbeats")),
            ("Restarts: see CrashLoop; a rollout ends by itself. Static members (`kafka.instance_id`) keep their partitions.",
             "No restarts: raise `session.timeout.ms`, and look for a processor that blocks (EventLoopLag).",
             "An autoscaler that follows the lag up and down: give it a longer window."),
        ),
        Alert(
            "CommitFailing", PAGE,
            f"sum {BY} (increase(millrace_commit_failures_total[{five}])) > 0 and sum {BY} (increase(millrace_commits_total[{five}])) == 0 and {lag} > 0",
            two, "Offsets cannot be committed.",
            "Records are processed, but after a restart all of them since the last commit are processed again.",
            (("sum by (error) (increase(millrace_commit_failures_total[5m]))", "why"),
             ("time() - max(millrace_last_commit_timestamp_seconds)", "since when")),
            ("`broker_fenced`: a second process has the same `kafka.instance_id`.",
             "`broker_unauthorized`: the user may not write to the group.",
             "`broker_unavailable`: the group's coordinator is away; it goes on by itself."),
        ),
        Alert(
            "RegistryErrors", TICKET,
            f'sum by (job) (increase(millrace_schema_registry_requests_total{{outcome=~"server_error|unusable|no_answer|tls_refused|limited"}}[{five}])) > 0.01 * sum by (job) (increase(millrace_schema_registry_requests_total[{five}]))',
            five, "The schema registry does not answer.",
            "Schemas that are known go on; records with a new schema wait, and hold up their partitions.",
            (("sum by (outcome) (increase(millrace_schema_registry_requests_total[5m]))", "what came of its requests"),
             ('sum(rate(millrace_stage_seconds_count{stage="schema_wait"}[5m]))', "records that had to wait")),
            ("Is the registry up, and does `registry.urls` name all of its instances?",
             "Nothing is lost: the id is asked for until the registry answers."),
        ),
        Alert(
            "SchemaNotFound", TICKET, f'sum by (job) (increase(millrace_errors_total{{stage="schema",error="schema_not_found"}}[{five}])) > 0', "",
            "Records name schemas that the registry does not know.",
            "After a short grace they are dead-lettered.",
            (('sum(increase(millrace_errors_total{error="schema_not_found"}[1h]))', "how often"),
             ("millrace dlq ls config.yaml --reason schema_not_found", "which records")),
            ("The producer wrote with another registry, or without one: its first five bytes are no schema id.",
             "A schema was deleted: register it again under the same id, then `millrace dlq redrive`."),
        ),
        Alert(
            "DbErrors", TICKET,
            f"sum by (job) (rate(millrace_statement_failures_total[{five}])) > 0.01 * sum by (job) (rate(millrace_statement_seconds_count[{five}]))",
            five, "More than one in a hundred statements fails.",
            "They are retried within the retry budget; records take longer, and end as dead letters after the last attempt.",
            (("sum by (statement, error) (rate(millrace_statement_failures_total[5m]))", "which, and why"),
             ("sum(millrace_retrying_records)", "records that wait for their next attempt")),
            ("`db_overloaded`, `db_timeout`: the cluster is short of capacity; see its own dashboard.",
             "`db_client_timeout`: is `cql.request_timeout` below the server's own timeout?",
             "`db_unavailable`: nodes are down, or `cql.consistency` asks for more replicas than are up."),
        ),
        Alert(
            "DbLatencyHigh", TICKET,
            f"histogram_quantile(0.99, sum by (job, le, statement) (rate(millrace_statement_seconds_bucket[{five}]))) > {STATEMENT_P99_SECONDS:g}",
            five, "Statements are slow.",
            f"One in a hundred takes longer than {STATEMENT_P99_SECONDS * 1000:g} ms. Millrace absorbs this by having more records in flight.",
            (("histogram_quantile(0.99, sum by (le, statement) (rate(millrace_statement_seconds_bucket[5m])))", "which statement"),
             ("sum(millrace_in_flight_records) / sum(millrace_in_flight_records_max)", "near 1: soon the rate will fall")),
            ("All statements: the database; compaction, repair, a slow node, too few connections.",
             "One statement: its partitions are large, or it reads tombstones.",
             "In flight is at its limit: raise `engine.in_flight_records_max` if memory allows."),
        ),
        Alert(
            "BreakerOpen", TICKET, "max by (job, instance, dependency) (millrace_breaker_state) > 0", five,
            "A circuit breaker has been open for minutes.",
            "More than half of the requests to the dependency failed. Nothing is taken from Kafka until probes succeed; nothing is lost.",
            (("max by (instance, dependency) (millrace_breaker_state)", "which dependency, of all instances or one"),
             ("sum by (error) (rate(millrace_errors_total[5m]))", "how its requests fail"), status),
            ("All instances: the dependency is down. One instance: its network, its certificates.",
             "It closes by itself after a few probes."),
        ),
        Alert(
            "InstanceDown", TICKET, "up == 0", five, "Prometheus does not reach an instance.",
            "It ended, hangs, or its admin endpoint cannot be reached. The group gives its partitions to others.",
            (("up", "which"), ("kubectl logs --previous POD", "its last words: `event=stopped` says why")),
            ("Exit code 78: the configuration is wrong. 1: a failure, named in the line before.",
             "It runs: `admin.address` is 127.0.0.1 unless configured; a scrape from outside needs another."),
        ),
        Alert(
            "NoInstances", PAGE, "absent(millrace_build_info)", five, "Nothing runs.",
            "No instance is scraped at all: nothing is processed, or monitoring lost all of them.",
            (("count(up) by (job)", "what is scraped at all"), ("millrace lag config.yaml", "does the group still move?")),
            ("The group moves: repair the scrape configuration.", "It does not: start it; it goes on where it was."),
        ),
        Alert(
            "CrashLoop", TICKET, f"changes(process_start_time_seconds[{fifteen}]) > 2", "", "An instance restarts again and again.",
            "Each restart costs a rebalance and repeats what was not committed.",
            (("changes(process_start_time_seconds[1h])", "which"), ("kubectl logs --previous POD", "`event=failed` or `not_started` says why")),
            ("The same record each time: `event=failed` names its offset; see docs/dead-letters.md.",
             "Killed for memory: see MemoryNearLimit."),
        ),
        Alert(
            "NotReady", TICKET, "min by (job, instance) (millrace_ready) == 0", ten, "An instance is not ready.",
            "It has not joined the group, a dependency is not usable, or a worker stands still. /readyz says which.",
            (("curl -s http://HOST:9464/readyz", "the reasons"), status),
            ("A dependency: see BreakerOpen.", "A worker: see WorkerStuck.", "Not joined: more workers than partitions idle."),
        ),
        Alert(
            "WorkerStuck", PAGE, f"max by (job, instance, worker) (millrace_worker_since_turn_seconds) > {time.value(30)}", "",
            "A worker's loop does not turn.",
            "A processor blocks its thread. The worker polls nothing, so the group takes its partitions away.",
            (("max by (instance, worker) (millrace_worker_since_turn_seconds)", "which"),
             ("curl -s http://HOST:9464/healthz", "the processor and record that were entered last")),
            ("Liveness fails, so that the orchestrator restarts it.",
             "Wait with co_await in processors; never sleep, lock or read a file there."),
        ),
        Alert(
            "CpuThrottled", TICKET,
            f"sum {BY} (rate(millrace_cgroup_cpu_throttled_periods_total[{five}])) > 0.25 * sum {BY} (rate(millrace_cgroup_cpu_periods_total[{five}]))",
            fifteen, "The control group has no CPU time left in a quarter of its periods.",
            "Threads wait up to 100 ms at a time: latencies show it everywhere and explain it nowhere.",
            (("sum by (instance) (rate(process_cpu_seconds_total[5m]))", "what it uses"),
             ("min(millrace_cgroup_cpu_limit_cores)", "what it may use")),
            ("Remove the CPU limit, or raise it to whole cores: workers plus one.",),
        ),
        Alert(
            "MemoryNearLimit", TICKET,
            f"max {BY} (millrace_cgroup_memory_bytes) > 0.9 * max {BY} (millrace_cgroup_memory_limit_bytes)", ten,
            "The control group's memory is nearly used up.",
            "The kernel kills the process at the limit: a crash, and what was not committed is repeated.",
            (("max(process_resident_memory_bytes)", "resident"), ("max(millrace_in_flight_bytes)", "of it, records in flight"),
             ("max(millrace_kafka_queue_bytes)", "of it, fetched and produced records")),
            ("Lower `engine.memory_max` or `kafka.fetch_bytes_max`, or raise the limit.",
             "Neither grows, resident memory does: a leak; please report it with /metrics."),
        ),
        Alert(
            "FdsNearLimit", TICKET, f"max {BY} (process_open_fds) > 0.8 * max {BY} (process_max_fds)", ten,
            "File descriptors are nearly used up.",
            "New connections will fail.",
            (("max by (instance) (process_open_fds)", "how many"), ("ls -l /proc/PID/fd", "which")),
            ("Raise the limit (`ulimit -n`, `LimitNOFILE`).", "They grow for ever: a leak; please report it."),
        ),
        Alert(
            "EventLoopLag", TICKET,
            f"histogram_quantile(0.99, sum by (job, instance, le) (rate(millrace_loop_turn_seconds_bucket[{five}]))) > 0.1", five,
            "Turns of the event loop are long.",
            "One turn in a hundred works for more than 100 ms: everything else waits meanwhile, heartbeats too.",
            (("histogram_quantile(0.99, sum by (instance, le) (rate(millrace_loop_turn_seconds_bucket[5m])))", "which instance"),
             ("histogram_quantile(0.99, sum by (le) (rate(millrace_decode_seconds_bucket[5m])))", "is it decoding?")),
            ("Look for computation in a processor; split it or move it out.", "CPU is short: see CpuThrottled."),
        ),
        Alert(
            "VersionSkew", TICKET, "count by (job) (count by (job, version, millrace) (millrace_build_info)) > 1", time.window(30 * MINUTE),
            "Instances run different versions.",
            "A rollout takes minutes; after half an hour somebody was forgotten.",
            (("count by (instance, version, millrace, revision) (millrace_build_info)", "who runs what"),),
            ("Finish the rollout, or take it back.",),
        ),
        Alert(
            "CertExpiry", TICKET,
            f"min by (job, setting) (millrace_certificate_expiry_timestamp_seconds) - time() < {CERTIFICATE_DAYS * DAY}", "",
            f"A certificate ends within {CERTIFICATE_DAYS} days.",
            "From that moment new connections are refused; those that there are stay until they break.",
            (("min by (setting) (millrace_certificate_expiry_timestamp_seconds) - time()", "which one, and how long it has left"),
             ("openssl x509 -noout -enddate -in FILE", "the date")),
            ("Replace the file. Those of the registry are read anew for each connection; those of Kafka and the database by a "
             "restart.",),
        ),
        Alert(
            "InsecureConfig", TICKET, "max by (job, setting) (millrace_insecure_config) == 1", fifteen,
            "A setting of the configuration gives protection up.",
            "A password crosses the network unencrypted, or a server's certificate is not verified. The process warns of it at "
            "each start: `event=insecure_config`.",
            (("max by (job, instance, setting) (millrace_insecure_config)", "which setting, where"),),
            ("Encrypt the connection (`SASL_SSL`, https, `cql.tls`), and verify certificates.",
             "A network that nobody else can reach: silence the alert for it, with a reason."),
        ),
    ]
