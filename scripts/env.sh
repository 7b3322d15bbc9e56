# Sourced by the other scripts: where things are, and which JDK runs them. Sets
#   DORMOUSE_ROOT       the repository
#   DORMOUSE_CACHE_DIR  what is downloaded or built once per user (Maven, QEMU 10.0, the guest)
#   DORMOUSE_JVM_FLAGS  flags of every JVM that runs Dormouse; the class archive fits only these
# and defines use_jdk, which sets JAVA_HOME, and program_is_current. Forks nothing in the usual case: each start of
# ./dormouse waits for this file.
# shellcheck shell=bash disable=SC2034

DORMOUSE_JDK_MIN=25
DORMOUSE_ROOT="${BASH_SOURCE[0]%/*}/.."
DORMOUSE_ROOT="$(cd "$DORMOUSE_ROOT" && pwd -P)"
DORMOUSE_CACHE_DIR="${DORMOUSE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/dormouse}"
# The JVM's own log is off: a class archive that no longer fits is ignored, not announced in the
# middle of --json output.
# The serial collector starts fastest, and the heap is small: guest pages live outside of it.
DORMOUSE_JVM_FLAGS=(
  -XX:+UseSerialGC
  -Xshare:auto
  -Xlog:disable
  -ea:dev.dormouse...
)

note() { printf 'dormouse: %s\n' "$*" >&2; }

fail() {
  note "$*"
  exit 1
}

# Is target/dormouse.jar younger than what it is built from? Folders count as well: their time shows
# that a file was deleted.
program_is_current() {
  local stamp="$DORMOUSE_ROOT/target/dormouse.stamp"
  [[ -e "$stamp" && -e "$DORMOUSE_ROOT/target/dormouse.jar" ]] \
    && [[ -z "$(find "$DORMOUSE_ROOT/src/main" "$DORMOUSE_ROOT/pom.xml" -newer "$stamp" -print -quit)" ]]
}

# Prints the feature version (25) of the JDK in the folder $1, nothing if there is no JDK.
jdk_version() {
  local line
  [[ -x "$1/bin/javac" && -r "$1/release" ]] || return 0
  while IFS= read -r line; do
    if [[ "$line" =~ ^JAVA_VERSION=\"(1\.)?([0-9]+) ]]; then
      printf '%s' "${BASH_REMATCH[2]}"
      return 0
    fi
  done <"$1/release"
}

# Takes the folder $1 as JAVA_HOME if it holds a new enough JDK; else remembers what was found.
try_jdk() {
  local version
  version="$(jdk_version "$1")"
  if [[ -n "$version" && "$version" -ge "$DORMOUSE_JDK_MIN" ]]; then
    export JAVA_HOME="$1"
    return 0
  fi
  [[ -z "$version" ]] || jdks_found+=" JDK $version in $1,"
  return 1
}

# Sets JAVA_HOME to a JDK that is new enough: that of JAVA_HOME, of java on the PATH, or the first
# one in the folder where Debian's packages put them. Exits with the remedy when there is none.
use_jdk() {
  local candidate java jdks_found=
  if [[ -n "${JAVA_HOME:-}" ]] && try_jdk "$JAVA_HOME"; then return 0; fi
  if java="$(command -v java)"; then
    java="$(readlink --canonicalize "$java")"
    if try_jdk "${java%/bin/java}"; then return 0; fi
  fi
  for candidate in /usr/lib/jvm/*; do
    if [[ ! -L "$candidate" ]] && try_jdk "$candidate"; then return 0; fi
  done
  fail "JDK: found${jdks_found:- none,} but $DORMOUSE_JDK_MIN or newer is needed:" \
    "install one (Debian 13: sudo apt-get install openjdk-25-jdk-headless; others: package" \
    "temurin-25-jdk from https://adoptium.net/installation/linux), or set JAVA_HOME to it"
}
