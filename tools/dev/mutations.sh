#!/usr/bin/env bash
# ./dev mutations: every mutation must be found by the simulation, or by a unit test of the engine.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tools/dev/common.sh
source tools/dev/common.sh
# shellcheck source=tools/dev/packages.sh
source tools/dev/packages.sh

need_packages build test
build_quietly dev simulation_mutations
build_quietly dev unit_mutations
exec python3 tools/dev/mutations.py --jobs "$jobs" "$build_root/dev/tests/simulation"
