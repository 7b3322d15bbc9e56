#!/usr/bin/env bash
# Coverage-guided fuzzing, with Jazzer, of whatever reads bytes that somebody else wrote.
# Usage: fuzz.sh [TARGET] [SECONDS]     all targets one after the other, 600 seconds each, unless given
# Targets: image metadata stream return-path disk vm-file
# A finding ends it with exit code 1; the input lies in target/fuzz/TARGET/found. Mend it, then move the input to
# src/test/resources/fuzz/TARGET/, from where the tests run it for ever. What was found to reach new code stays in
# target/fuzz/TARGET/corpus; 'fuzz.sh --pack TARGET' makes the small corpus of the tests of it.
set -euo pipefail
cd "${BASH_SOURCE[0]%/*}/.."
source scripts/env.sh
use_jdk
targets=(image metadata stream return-path disk vm-file)

pack=0
if [[ "${1:-}" == --pack ]]; then
  pack=1
  shift
fi
if [[ -n "${1:-}" && ! "$1" =~ ^[0-9]+$ ]]; then
  targets=("$1")
  shift
fi
seconds="${1:-600}"

classpath="$PWD/target/fuzz/classpath"
mkdir --parents target/fuzz
scripts/build.sh verify -DskipTests
./mvnw --batch-mode --quiet --no-transfer-progress -Pfuzz dependency:build-classpath -DincludeScope=test \
  -Dmdep.outputFile="$classpath" </dev/null
classes="$PWD/target/test-classes:$PWD/target/classes:$(<"$classpath")"
# The options of Jazzer's driver come before its own JVM starts the target; the heap is what a command may have.
jvm=("$JAVA_HOME/bin/java" -ea:dev.dormouse... --enable-native-access=ALL-UNNAMED -Xmx1g -XX:+UseSerialGC
  -Xshare:off -XX:-OmitStackTraceInFastThrow -Ddormouse.root="$PWD" -classpath "$classes")

# Usage: jazzer CLASS OPTION...
jazzer() {
  "${jvm[@]}" com.code_intelligence.jazzer.Jazzer --target_class="$1" \
    --instrumentation_includes='dev.dormouse.**:org.snakeyaml.**:io.avaje.**' \
    --reproducer_path="$PWD/target/fuzz" "${@:2}"
}

for target in "${targets[@]}"; do
  folder="$PWD/target/fuzz/$target"
  stored="src/test/resources/fuzz/$target"
  mkdir --parents "$folder"/{corpus,found,stored}
  class="$("${jvm[@]}" dev.dormouse.testkit.FuzzTarget "$target" "$folder/seeds")"
  if [[ -e "$stored/corpus.zip" ]]; then
    (cd "$folder/stored" && "$JAVA_HOME/bin/jar" --extract --file="$OLDPWD/$stored/corpus.zip")
  fi
  if [[ "$pack" == 1 ]]; then
    rm --recursive --force "$folder/packed"
    mkdir --parents "$folder/packed" "$stored"
    jazzer "$class" -merge=1 -max_len=4096 "$folder/packed" "$folder/seeds" "$folder/stored" "$folder/corpus" \
      >"$folder/pack.log" 2>&1 || fail "$folder/pack.log: packing failed, see there"
    (cd "$folder/packed" && find . -type f -size -5k | sort | head --lines 400 \
      | "$JAVA_HOME/bin/jar" --create --no-manifest --date=2026-01-01T00:00:00Z --file="$OLDPWD/$stored/corpus.zip" @/dev/stdin)
    note "$stored/corpus.zip: $(find "$folder/packed" -type f | wc --lines) inputs"
    continue
  fi
  note "fuzz $target: $seconds s, log in target/fuzz/$target/log"
  if ! jazzer "$class" -max_total_time="$seconds" -max_len=16384 -len_control=50 -rss_limit_mb=4096 -timeout=20 \
    -artifact_prefix="$folder/found/" "$folder/corpus" "$folder/seeds" "$folder/stored" >"$folder/log" 2>&1; then
    grep --max-count 12 --after-context 12 'Java Exception\|== \|ERROR' "$folder/log" >&2 || tail "$folder/log" >&2
    fail "fuzz $target: found something, see target/fuzz/$target/log; the input is in target/fuzz/$target/found"
  fi
  note "fuzz $target: no finding; $(grep --extended-regexp '^#[0-9]+.*DONE' "$folder/log" | tail --lines 1)"
done
