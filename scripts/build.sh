#!/usr/bin/env bash
# Builds target/dormouse.jar and its class archive; one build at a time in a checkout.
#   scripts/build.sh --quick     only the program, and only if it is out of date (./dormouse)
#   scripts/build.sh [ARG...]    with every check of the build; the arguments go to Maven (./dev)
# What Maven prints goes to a log; when it fails, its warnings and errors are shown.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
use_jdk
target="$DORMOUSE_ROOT/target"

run_maven() {
  # The time of the start: what is edited during the build makes the next one necessary.
  touch "$target/dormouse.stamp.new"
  rm --force "$target/dormouse.jar" # Not written over: a daemon may be running from it.
  # Not --quiet: that leaves the compiler's warnings out of the log, and each of them fails the build.
  if ! "$DORMOUSE_ROOT/mvnw" --batch-mode --no-transfer-progress -Dstyle.color=never "$@" \
    >"$target/build.log" 2>&1 </dev/null; then
    grep --invert-match --extended-regexp '^\[INFO\]' "$target/build.log" >&2 || cat "$target/build.log" >&2
    fail "$target/build.log: the build failed: see above"
  fi
}

# Into what Maven takes as resources: what the console loads of others, if that can be had.
add_console_libraries() {
  local libraries vendor="$target/console/dev/dormouse/daemon/console/vendor"
  rm --recursive --force "$target/console"
  mkdir --parents "$vendor"
  if libraries="$("$DORMOUSE_ROOT/scripts/console-libraries.sh")"; then
    cp --recursive "$libraries/." "$vendor"
  elif [[ $? -eq 3 ]]; then
    note "npm: not found, the console is built without screens and charts (Debian's package npm has it)"
  else
    note "the console is built without screens and charts"
  fi
}

# picocli is compiled for Java 5, which the class archive does not take: a quarter of a start.
modernize_libraries() {
  local jar
  for jar in "$target"/lib/picocli-*.jar; do
    [[ ! -e "$jar.modern" ]] || continue # Maven leaves a jar alone that is newer than its own.
    if "$JAVA_HOME/bin/java" "$DORMOUSE_ROOT/scripts/ModernizeJar.java" "$jar" >"$target/modernize.log" 2>&1; then
      touch "$jar.modern"
    else
      note "$target/modernize.log: $jar stays as it is, starts will be slower"
    fi
  done
}

# Usage: archive_classes_of COMMAND [ARGUMENT...]: runs that command and archives the classes it loaded.
archive_classes_of() {
  timeout 60 "$JAVA_HOME/bin/java" "${DORMOUSE_JVM_FLAGS[@]}" \
    -XX:ArchiveClassesAtExit="$target/dormouse.jsa.new" \
    -jar "$target/dormouse.jar" "$@" >"$target/archive.log" 2>&1 </dev/null
}

# The classes that commands load, parsed and checked beforehand: halves the time of a start. They are those of
# a tiny VM's life, or only those of --help where no VM can run here. The JVM ignores the archive when a jar
# was replaced since.
archive_classes() {
  local training
  rm --force "$target/dormouse.jsa"
  training="$(mktemp --directory)"
  if archive_classes_of train --folder "$training" || archive_classes_of --help; then
    mv --force "$target/dormouse.jsa.new" "$target/dormouse.jsa"
  else
    note "$target/archive.log: no class archive, starts will be slower"
  fi
  rm --recursive --force "$training"
}

# The lock is on the folder itself: it needs no file, and 'clean' does not remove it.
exec 9<"$DORMOUSE_ROOT"
if ! flock --nonblock 9; then
  note "waiting for another build of $DORMOUSE_ROOT"
  flock --timeout 600 9 || fail "$DORMOUSE_ROOT: locked by another build for 10 minutes"
fi
mkdir --parents "$target"
if [[ "${1:-}" == --quick ]] && program_is_current; then
  exit 0
fi
add_console_libraries
if [[ "${1:-}" == --quick ]]; then
  note "building (the first time takes a minute)"
  run_maven -Dmaven.test.skip=true -Dspotless.check.skip=true package
else
  run_maven "$@"
fi
modernize_libraries
archive_classes
mv --force "$target/dormouse.stamp.new" "$target/dormouse.stamp"
