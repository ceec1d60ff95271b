#!/usr/bin/env bash
# ./dev lint: each check is counted. With --steps, only the checks, for ./dev test to count.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tools/dev/common.sh
source tools/dev/common.sh
# shellcheck source=tools/dev/packages.sh
source tools/dev/packages.sh

tidy_files_max=12 # of a change; --all has no limit
tidy_all=no

main() {
  local totals=yes argument
  for argument in "$@"; do
    case $argument in
      --all) tidy_all=yes ;;
      --steps) totals=no ;;
      *) fail "unknown argument: $argument" ;;
    esac
  done
  if [[ $totals == yes ]]; then rm -rf -- "$results"; fi
  mkdir -p "$results"
  need_packages build lint

  layering
  check docs python3 tests/docs/check_docs.py || true
  check docs-self-test python3 tests/docs/self_test.py || true
  check format format_is_clean || true
  check shell shell_is_clean || true
  check headers python3 tests/headers/lint.py || true
  check headers-self-test python3 tests/headers/self_test.py || true
  if check lint-configure configure dev; then
    # Compiles every public header alone, and its example.
    check header-examples ninja -C "$build_root/dev" -j "$jobs" -k 0 header_examples || true
    tidy
  fi
  if [[ $totals == yes ]]; then python3 tools/dev/totals.py "$results"; fi
}

layering() {
  local log=$logs/layering.log
  python3 tests/layering/check_layering.py --junit "$results/layering.xml" >"$log" 2>&1 || cat "$log" >&2
  [[ -s $results/layering.xml ]] || record layering failed "$log"
  check layering-self-test python3 tests/layering/self_test.py || true
}

format_is_clean() { cpp_files | xargs -0 -r clang-format-19 --dry-run --Werror; }

shell_is_clean() {
  git ls-files -z --cached --others --exclude-standard -- dev '*.sh' .ci/run | existing |
    xargs -0 -r shellcheck --external-sources --severity=warning
}

tidy() {
  local files=() file total
  mapfile -t files < <(tidy_candidates)
  total=${#files[@]}
  if [[ $tidy_all == no ]] && ((total > tidy_files_max)); then
    say "clang-tidy: $tidy_files_max of $total changed files (./dev lint --all for every file)"
    files=("${files[@]:0:tidy_files_max}")
  fi
  for file in "${files[@]}"; do
    check "clang-tidy $file" tidy_file "$file" &
    while (($(jobs_running) >= jobs)); do wait -n || true; done
  done
  wait
}

jobs_running() { jobs -rp | wc -l; }

# Compiles the file first: what it includes may be generated. A test's coroutine may refer to what its body owns.
tidy_file() { # FILE
  local unit checks=
  unit=$(unit_of "$1")
  if [[ $1 == */tests/* ]]; then checks=-cppcoreguidelines-avoid-reference-coroutine-parameters; fi
  ninja -C "$build_root/dev" "$unit^" &&
    clang-tidy-19 --quiet --checks="$checks" --extra-arg=-Wno-sign-conversion \
      --extra-arg=-Wno-deprecated-declarations -p "$build_root/dev" "$unit"
}

# What the compile commands know a file by: a public header is checked in the file that proves that it compiles alone.
unit_of() { # FILE
  if [[ $1 =~ ^libs/([a-z]+)/include/(.*\.h)$ ]]; then
    local library=${BASH_REMATCH[1]} header=${BASH_REMATCH[2]}
    echo "$(realpath -m "$build_root")/dev/libs/$library/millrace_${library}_verify_interface_header_sets/$header.cxx"
  else
    echo "$PWD/$1"
  fi
}

# The sources and public headers that changed, newest first, and that this build compiles.
tidy_candidates() {
  local file
  if [[ $tidy_all == yes ]]; then
    git ls-files -- '*.cc' '*.h'
  else
    {
      git diff --name-only HEAD -- '*.cc' '*.h'
      git ls-files --others --exclude-standard -- '*.cc' '*.h'
      git log --format= --name-only "$(lint_base)..HEAD" -- '*.cc' '*.h'
    } | awk '!seen[$0]++'
  fi | while IFS= read -r file; do
    if [[ $file == tests/check/cases/* ]]; then continue; fi # they have what clang-tidy finds
    if [[ -e $file ]] && grep -qF "\"$(unit_of "$file")\"" "$build_root/dev/compile_commands.json"; then echo "$file"; fi
  done
}

lint_base() {
  local base=${MILLRACE_LINT_BASE:-}
  [[ -n $base ]] || base=$(git merge-base HEAD origin/main 2>/dev/null) || base=
  if [[ -z $base || $(git rev-parse "$base") == $(git rev-parse HEAD) ]]; then
    base=$(git rev-list --first-parent --max-count=6 HEAD | tail -n 1)
  fi
  echo "$base"
}

main "$@"
