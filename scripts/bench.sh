#!/usr/bin/env bash
# Measures suspend and resume beside stock QEMU several times, the two ways in turn, and prints medians.
# Usage: bench.sh [ROUNDS] [ARGUMENTS OF 'dormouse demo'...]     3 rounds unless given
# Every round's figures, the raw work rate included, are kept as one line of JSON.
set -euo pipefail
cd "${BASH_SOURCE[0]%/*}/.."
source scripts/env.sh
use_jdk

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
