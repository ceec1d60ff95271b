# shellcheck shell=bash
# Sourced by ./dev and tools/dev/*.sh, from the top folder: names, builds and results.

export MILLRACE_CACHE=${MILLRACE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/millrace}
build_root=${MILLRACE_BUILD:-build}
jobs=${MILLRACE_JOBS:-$(nproc)}
# A clone in another folder finds what this one compiled.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
logs=$build_root/logs
results=$logs/results # JUnit, one file a step; tools/dev/totals.py adds them up
log_lines_shown=40

say() { printf '%s\n' "$*" >&2; }
fail() {
  say "dev: $*"
  exit 1
}

# Every C++ file of the tree that git would keep, each ended by a NUL.
cpp_files() { git ls-files -z --cached --others --exclude-standard -- '*.h' '*.cc' | existing; }
existing() {
  local file
  while IFS= read -r -d '' file; do
    if [[ -e $file ]]; then printf '%s\0' "$file"; fi
  done
}

configure() { # PRESET
  local folder=$build_root/$1
  cmake --preset "$1" -B "$folder"
}

# TARGET... of the preset's build, all when none is named; goes on after an error, so that one run shows them all.
build() { # PRESET [TARGET...]
  local preset=$1
  shift
  configure "$preset" && ninja -C "$build_root/$preset" -j "$jobs" -k 0 "$@"
}

has_target() { # PRESET TARGET
  ninja -C "$build_root/$1" -t query "$2" >/dev/null 2>&1
}

# For a person who waits: progress on a terminal, otherwise only what went wrong.
build_quietly() { # PRESET TARGET
  mkdir -p "$logs"
  local log=$logs/build-$1.log
  [[ -e $build_root/$1/build.ninja ]] || say "Building for the first time; this takes some minutes."
  configure "$1" >"$log" 2>&1 || fail_with "$log"
  if [[ -t 2 ]]; then
    ninja -C "$build_root/$1" -j "$jobs" "$2" >&2 || exit 1
  else
    ninja -C "$build_root/$1" -j "$jobs" "$2" >>"$log" 2>&1 || fail_with "$log"
  fi
}

build_program() {
  [[ -e apps/millrace/CMakeLists.txt ]] || fail "this tree has no program to build yet (apps/millrace)"
  build_quietly release millrace
}

fail_with() { # LOG
  tail -n "$log_lines_shown" "$1" >&2
  fail "failed; all of it: $1"
}

# Runs COMMAND as one counted check. Returns its verdict.
check() { # STEP COMMAND...
  local step=$1
  shift
  mkdir -p "$results"
  local log=$logs/${step//[^A-Za-z0-9_.-]/-}.log
  local started=$SECONDS verdict=passed
  "$@" >"$log" 2>&1 || verdict=failed
  say "$(printf '%-8s %-40s %4d s' "$verdict" "$step" $((SECONDS - started)))"
  record "$step" "$verdict" "$log"
  [[ $verdict == passed ]]
}

record() { # STEP passed|failed LOG
  local file=$results/${1//[^A-Za-z0-9_.-]/-}.xml failure=
  if [[ $2 == failed ]]; then
    failure="<failure message=\"see $3\"/><system-out>$(escaped_tail "$3")</system-out>"
  fi
  printf '<testsuite name="check"><testcase name="%s">%s</testcase></testsuite>\n' "$1" "$failure" >"$file"
}

escaped_tail() { # LOG
  # ninja -k prints its errors anywhere in the log.
  { grep -E -A 3 'error:|^FAILED' "$1" | head -n "$log_lines_shown" || tail -n "$log_lines_shown" "$1"; } | LC_ALL=C tr -cd '\11\12\40-\176' | sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g'
}
