#!/usr/bin/env bash
# ./dev test: runs the parts one after another, whatever fails, and ends with one line of totals.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tools/dev/common.sh
source tools/dev/common.sh
# shellcheck source=tools/dev/packages.sh
source tools/dev/packages.sh

all_parts=(unit consumer clang lint sanitize native avro integration faults observability)
address_labels=(unit simulation)
thread_labels=(runtime stream bridge)
avro_pairs=2000 # of schemas and data, compared with other implementations
avro_pairs_long=100000
unit_rounds=1
integration_rounds=1
simulation_seeds=0 # besides those of the unit tests
faults_long=no
consumer_steps=(install new_app guide)
soak_hours=0.17 # of --long: ten minutes

main() {
  local parts=() argument part
  for argument in "$@"; do
    case $argument in
      --long)
        unit_rounds=3
        integration_rounds=2
        simulation_seeds=100000
        avro_pairs=$avro_pairs_long
        faults_long=yes
        consumer_steps+=(fetch pkg_config)
        ;;
      unit | consumer | clang | lint | sanitize | native | avro | integration | faults | observability) parts+=("$argument") ;;
      *) fail "unknown part: $argument (one of: ${all_parts[*]})" ;;
    esac
  done
  if ((${#parts[@]} == 0)); then parts=("${all_parts[@]}"); fi

  rm -rf -- "$results"
  mkdir -p "$results"
  need_packages build test
  for part in "${parts[@]}"; do
    "run_$part"
  done
  python3 tools/dev/totals.py "$results"
}

run_unit() {
  if ! check configure-dev configure dev; then return; fi
  check build-dev build dev || true
  run_ctest dev unit -LE '^(native|simulation)$' --repeat "until-fail:$unit_rounds"
  run_ctest dev simulation -L '^simulation$'
  if ((simulation_seeds > 0)); then
    check "simulate-$simulation_seeds" tools/dev/simulate.sh --seeds "$simulation_seeds" || true
    check mutations tools/dev/mutations.sh || true
  fi
}

# An installation of the dev build, and a project outside of the tree.
run_consumer() {
  local step
  if ! check consumer-build build dev millrace_installed; then return; fi
  for step in "${consumer_steps[@]}"; do
    check "consumer-$step" python3 tests/consumer/consumer.py "$step" \
      --build "$build_root/dev" --work "$build_root/consumer" || true
  done
}

# The examples and their tests, by the other compiler.
run_clang() {
  need_packages lint
  if ! check configure-clang configure clang; then return; fi
  check build-clang build clang navigation ratings ratings_tests shop shop_tests || true
  run_ctest clang clang -R '^(ratings|shop)_tests[.]'
}

run_lint() { tools/dev/lint.sh --steps || true; }

run_sanitize() {
  run_sanitizer asan-ubsan "${address_labels[@]}"
  run_sanitizer tsan "${thread_labels[@]}"
}

# Builds and runs only the test programs that carry one of the labels.
run_sanitizer() { # PRESET LABEL...
  local preset=$1 label targets=()
  shift
  if ! check "configure-$preset" configure "$preset"; then return; fi
  for label in "$@"; do
    if has_target "$preset" "tests_$label"; then targets+=("tests_$label"); fi
  done
  ((${#targets[@]} > 0)) || return 0
  check "build-$preset" build "$preset" "${targets[@]}" || true
  local labels
  labels=$(IFS='|' && echo "$*")
  ASAN_OPTIONS=detect_stack_use_after_return=1:detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 \
    TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 \
    run_ctest "$preset" "$preset" -L "^($labels)\$"
}

run_native() {
  [[ -e native/CMakeLists.txt ]] || return 0
  if ! check configure-dev configure dev; then return; fi
  has_target dev tests_native && { check build-native build dev tests_native || true; }
  run_ctest dev native -L '^native$'
}

# Our codec beside Avro for Java and fastavro.
run_avro() {
  compgen -G "tests/avro/test_*.py" >/dev/null || return 0
  need_packages servers
  if ! check avro-environment prepare_avro; then return; fi
  local python
  python=$(tests/servers/setup.sh)
  MILLRACE_AVRO_PAIRS=$avro_pairs run_pytest "$python" avro tests/avro
}

prepare_avro() {
  tests/servers/setup.sh || return
  build dev avro_driver
}

run_integration() {
  local folders=() folder round
  for folder in tests/demo tests/servers tests/integration tests/foreign_drivers; do
    if compgen -G "$folder/test_*.py" >/dev/null; then folders+=("$folder"); fi
  done
  ((${#folders[@]} > 0)) || return 0
  need_packages servers
  if ! check integration-environment prepare_integration; then return; fi
  local python
  python=$(tests/servers/setup.sh)
  for ((round = 1; round <= integration_rounds; round++)); do
    run_pytest "$python" "integration-$round" "${folders[@]}"
  done
}

# Kills, stops and restarts of a group of processes between real servers, and a relay on a cluster that answers wrongly.
run_faults() {
  compgen -G "tests/faults/test_*.py" >/dev/null || return 0
  need_packages servers
  if ! check faults-environment prepare_faults; then return; fi
  local python seed=${MILLRACE_FAULTS_SEED:-$((RANDOM + 1))}
  python=$(tests/servers/setup.sh)
  say "faults: again with MILLRACE_FAULTS_SEED=$seed"
  MILLRACE_FAULTS_SEED=$seed MILLRACE_FAULTS_WHOLE_TABLE=$faults_long run_pytest "$python" faults tests/faults
  [[ $faults_long == yes ]] || return 0
  MILLRACE_FAULTS_SEED=$seed run_pytest "$python" faults-storm tests/faults/storm.py
  MILLRACE_BUILD=$build_root PYTHONPATH=tests check "soak-$soak_hours-hours" \
    "$python" -m faults soak "$soak_hours" --seed "$seed" --ignore-latency || true
}

# A real Prometheus on the demo, and the live page in a browser.
run_observability() {
  compgen -G "tests/observability/test_*.py" >/dev/null || return 0
  need_packages servers observability
  if ! check observability-environment prepare_observability; then return; fi
  local python
  python=$(tests/servers/setup.sh)
  run_pytest "$python" observability tests/observability
}

prepare_observability() {
  tests/servers/setup.sh || return
  build dev millrace navigation ratings
}

prepare_faults() {
  local python
  python=$(tests/servers/setup.sh --jars --go) || return
  build dev millrace relay recorder cql_cluster || return
  PYTHONPATH=tests MILLRACE_BUILD=$build_root "$python" -m faults.fake_kafka
}

prepare_integration() {
  tests/servers/setup.sh --jars || return
  [[ -e apps/millrace/CMakeLists.txt ]] || return 0
  build dev millrace shop registry_driver kafka_driver cql_server_tests cql_cluster || return
  build release millrace # test_program.py looks at what ships
}

# A run without results file (a crash of the runner itself) is a failed check of its own.
run_pytest() { # PYTHON STEP FOLDER...
  local python=$1 step=$2 log=$logs/$2.log started=$SECONDS
  shift 2
  MILLRACE_BUILD=$build_root "$python" -m pytest -q -c tests/pytest.ini --junitxml="$results/$step.xml" "$@" \
    >"$log" 2>&1 || true
  report "$step" "$log" "$started"
}

run_ctest() { # PRESET STEP ARGUMENTS...
  local preset=$1 step=$2 log=$logs/ctest-$2.log started=$SECONDS
  shift 2
  ctest --test-dir "$build_root/$preset" -j "$jobs" --output-on-failure --no-tests=ignore \
    --output-junit "$(realpath "$results")/ctest-$step.xml" "$@" >"$log" 2>&1 || true
  report "ctest-$step" "$log" "$started"
}

report() { # STEP LOG STARTED
  if [[ -s $results/$1.xml ]]; then
    say "$(printf '%-8s %-40s %4d s   %s' ran "$1" $((SECONDS - $3)) "$(python3 tools/dev/totals.py --brief "$results/$1.xml")")"
  elif ! grep -q 'No tests were found' "$2"; then
    record "$1" failed "$2"
    say "$(printf '%-8s %-40s %4d s' failed "$1" $((SECONDS - $3)))"
  fi
}

main "$@"
