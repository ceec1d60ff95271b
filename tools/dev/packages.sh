# shellcheck shell=bash
# Sourced after common.sh: which packages each kind of work needs, and how they come.

cargo_minimum=1.88

packages_of() { # SET
  case $1 in
    build)
      echo g++ cmake ninja-build ccache mold pkg-config make perl libboost1.81-dev nlohmann-json3-dev \
        libyaml-cpp-dev libfmt-dev libspdlog-dev libcli11-dev libssl-dev zlib1g-dev libsnappy-dev libzstd-dev liblz4-dev
      has_cargo || echo rustc-web cargo-web
      ;;
    test) echo libgtest-dev libbenchmark-dev python3 ;;
    # The peers' other tools (cargo, Go, Java with Maven) are used where they are present.
    bench) echo libbenchmark-dev python3 python3-venv libsimdjson-dev libavro-dev valgrind openssl ;;
    fuzz) echo clang-19 libclang-rt-19-dev ;;
    lint) echo git shellcheck clang-19 clang-tidy-19 clang-tools-19 clang-format-19 libgtest-dev libbenchmark-dev python3 ;;
    observability) echo prometheus chromium ;;
    servers)
      echo python3 python3-venv maven binutils prometheus
      has_java || echo openjdk-17-jdk-headless
      ;;
    *) fail "no such set of packages: $1" ;;
  esac
}

# Installs what is missing of the named sets, or says what to install.
need_packages() { # SET...
  local wanted set
  mapfile -t wanted < <(for set in "$@"; do packages_of "$set"; done | tr ' ' '\n')
  if ! command -v dpkg-query >/dev/null; then
    say "dev: not a Debian system; these packages, or their equivalents, must be present: ${wanted[*]}"
    return
  fi
  local missing
  mapfile -t missing < <(missing_packages "${wanted[@]}")
  if ((${#missing[@]} > 0)); then install_packages "${missing[@]}"; fi
  if [[ " $* " == *" build "* ]]; then find_cargo; fi
}

missing_packages() { # NAME...
  # dpkg-query fails when it knows nothing of a name: that name is missing too.
  { dpkg-query -W -f='${binary:Package} ${db:Status-Abbrev}\n' "$@" 2>/dev/null || true; } |
    awk '$2 == "ii" { sub(/:.*/, "", $1); print $1 }' |
    grep -vxFf - <(printf '%s\n' "$@") | sort -u || true
}

install_packages() { # NAME...
  local as_root=()
  if [[ $EUID -ne 0 ]]; then
    command -v sudo >/dev/null || fail "install these packages first: $*"
    as_root=(sudo)
  fi
  say "dev: installing with apt-get: $*"
  mkdir -p "${logs:?}"
  local log=$logs/apt-get.log
  if ! "${as_root[@]}" apt-get update >"$log" 2>&1 ||
    ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >>"$log" 2>&1; then
    fail_with "$log"
  fi
}

has_cargo() {
  local version
  version=$(cargo --version 2>/dev/null | cut -d ' ' -f 2) || return 1
  [[ -n $version ]] && printf '%s\n' "$cargo_minimum" "$version" | sort -C -V
}

# The distribution's cargo counts also when an older one comes first on the PATH.
find_cargo() {
  has_cargo && return
  export PATH=/usr/bin:$PATH
  has_cargo || fail "cargo $cargo_minimum or newer is needed; found: $(cargo --version 2>&1 | head -n 1)"
}

# The servers want Java 17 exactly; it need not be the default.
has_java() {
  local java
  for java in ${JAVA_HOME:+"$JAVA_HOME/bin/java"} java /usr/lib/jvm/*17*/bin/java; do
    if "$java" -version 2>&1 | grep -q 'version "17[.]'; then return; fi
  done
  return 1
}
