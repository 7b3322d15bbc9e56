#!/usr/bin/env bash
# Measures suspend and resume beside stock QEMU several times, the two ways in turn, and prints medians.
# Usage: bench.sh [ROUNDS] [ARGUMENTS OF 'dormouse demo'...]     3 rounds unless given
#        bench.sh memory [ROUNDS] [MEMORY [BACK ENDS [QEMU]]]        compares the memory back ends, 3 rounds unless given
#        bench.sh image [ROUNDS] [GUEST [MEMORY [BACK END [QEMU]]]]   sizes and times of images, 3 rounds unless given
#        bench.sh refresh [ROUNDS] [GIB [ALLOCATED GIB [PERCENT]]]   the index of a VM's own layer, 1 round unless given
# Every round's figures, the raw work rate included, are kept as one line of JSON.
set -euo pipefail
cd "${BASH_SOURCE[0]%/*}/.."
source scripts/env.sh
use_jdk

# A bench that is a program of its own, with the heap that a suspend may take.
run() { # class [argument...]
  "$JAVA_HOME/bin/java" "${DORMOUSE_JVM_FLAGS[@]}" --enable-native-access=ALL-UNNAMED -Xmx256m -Ddormouse.root="$PWD" \
    -classpath target/dormouse.jar "dev.dormouse.bench.$1" "${@:2}"
}

kind="${1:-}"
if [[ "$kind" == refresh ]]; then
  scripts/setup.sh run
  program_is_current || scripts/build.sh --quick
  mkdir --parents target/bench
  run RefreshBench "${@:2}" | tee "target/bench/refresh-$(date +%Y%m%d-%H%M%S).jsonl"
  exit 0
fi
if [[ "$kind" == memory || "$kind" == image ]]; then
  shift
  rounds=3
  if [[ "${1:-}" =~ ^[0-9]+$ ]]; then
    rounds="$1"
    shift
  fi
  scripts/setup.sh run guest
  program_is_current || scripts/build.sh --quick
  mkdir --parents target/bench
  samples="target/bench/$kind-$(date +%Y%m%d-%H%M%S).jsonl"
  if [[ "$kind" == image ]]; then
    [[ "${1:-}" != debian ]] || scripts/setup.sh debian
    run ImageBench "$rounds" "$@" > "$samples"
    "$JAVA_HOME/bin/java" -Xshare:auto scripts/ImageSummary.java "$samples"
    exit 0
  fi
  for ((round = 1; round <= rounds; round++)); do
    run MemoryBench "$@" | tee --append "$samples"
  done
  note "$samples: a line for each back end and round"
  exit 0
fi

rounds=3
if [[ "${1:-}" =~ ^[0-9]+$ ]]; then
  rounds="$1"
  shift
fi
mkdir --parents target/bench
samples="target/bench/demo-$(date +%Y%m%d-%H%M%S).jsonl"
for ((round = 1; round <= rounds; round++)); do
  echo "round $round of $rounds" >&2
  if ! ./dormouse demo --json "$@" | tail --lines=1 >> "$samples"; then
    echo '{"failed":true}' >> "$samples" # Recorded as failed, never as 0 or left out.
  fi
done
"$JAVA_HOME/bin/java" -Xshare:auto scripts/BenchSummary.java "$samples"
