"""The example's data on the servers that ./dev up started: tables, profiles and topics; records; what came of them."""

from __future__ import annotations

import argparse
import pathlib
import sys

from servers.state import UP_FOLDER, access_of, load

from . import expectations, navigation


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev example", description=__doc__)
    parser.add_argument("command", choices=["prepare", "write", "verify"])
    parser.add_argument("--fresh", action="store_true", help="prepare: drop tables and topics of earlier runs first")
    parser.add_argument("--count", type=int, default=navigation.PREPARED_COUNT, help="records")
    parser.add_argument("--seed", type=int, default=42, help="the same seed makes the same records")
    parser.add_argument("--rate", type=float, help="write: records per second")
    parser.add_argument("--group", help="verify: wait first until this consumer group has committed everything")
    parser.add_argument("--timeout", type=float, default=300.0, help="verify: seconds to wait for the group")
    parser.add_argument("--folder", type=pathlib.Path, default=UP_FOLDER, help="run folder of the servers")
    arguments = parser.parse_args()

    state = load(arguments.folder.resolve())
    if state is None:
        print("no servers are up; start them with: ./dev up", file=sys.stderr)
        return 1
    kafka, cassandra, registry = access_of(state)
    records = navigation.Generator(arguments.seed).records(arguments.count)
    if arguments.command == "prepare":
        if arguments.fresh:
            navigation.reset(kafka, cassandra)
        navigation.prepare(kafka, cassandra, records)
        print(f"prepared {navigation.KEYSPACE} and the topics {', '.join(navigation.TOPICS)}")
        return 0
    if arguments.command == "write":
        print(f"wrote {navigation.write(kafka, registry, records, arguments.rate)} records")
        return 0
    if arguments.group:
        navigation.wait_until_committed(kafka, arguments.group, arguments.timeout)
    report = expectations.compare(expectations.expect(records), expectations.read(kafka, cassandra, registry))
    print(report)
    return 0 if report.exact else 1


if __name__ == "__main__":
    sys.exit(main())
