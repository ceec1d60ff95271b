#!/usr/bin/env bash
# ./dev simulate [--seeds N] [--from S] [ARGUMENTS...]: N runs of the record engine's simulation, on all cores.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tools/dev/common.sh
source tools/dev/common.sh
# shellcheck source=tools/dev/packages.sh
source tools/dev/packages.sh

main() {
  local seeds=10000 from=1 rest=()
  while (($# > 0)); do
    case $1 in
      --seeds) seeds=$2 && shift 2 ;;
      --from) from=$2 && shift 2 ;;
      *) rest+=("$1") && shift ;;
    esac
  done
  [[ $seeds =~ ^[1-9][0-9]*$ && $from =~ ^[0-9]+$ ]] || fail "--seeds and --from are followed by numbers"

  need_packages build test
  build_quietly dev simulation
  local parts=$((seeds < jobs ? seeds : jobs)) part pids=() verdict=0
  for ((part = 0; part < parts; part++)); do
    local first=$((from + seeds * part / parts)) next=$((from + seeds * (part + 1) / parts))
    "$build_root/dev/tests/simulation/simulation" --from "$first" --seeds $((next - first)) --quiet \
      ${rest[@]+"${rest[@]}"} &
    pids+=($!)
  done
  for part in "${pids[@]}"; do wait "$part" || verdict=1; done
  return "$verdict"
}

main "$@"
