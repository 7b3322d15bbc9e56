#!/usr/bin/env bash
# Measures suspend and resume beside stock QEMU several times, the two ways in turn, and prints medians.
# Usage: bench.sh [ROUNDS] [ARGUMENTS OF 'dormouse demo'...]     3 rounds unless given
#        bench.sh memory [ROUNDS] [MEMORY [BACK ENDS [QEMU]]]        compares the memory back ends, 3 rounds unless given
#        bench.sh image [ROUNDS] [GUEST [MEMORY [BACK END [QEMU]]]]   sizes and times of images, 3 rounds unless given
#        bench.sh restore [OPTION...]                                the ways of restoring; --help lists the options
#        bench.sh together [OPTION...]                               several VMs resumed at once; --help lists the options
#        bench.sh serve [RUNS [MIB [TRACE]]]                         the page-fault server, without QEMU
#        bench.sh daemon [ROUNDS [wakes]]                            a daemon from outside, or only its wakes, 5 rounds unless given
#        bench.sh micro [OPTION OF JMH...]                           page table, records, decompression, checksums, index
#        bench.sh paper [OPTION...]                                  the same on guests at work; --help lists the options
#        bench.sh report paper SAMPLES [FOLDER]                      the report of samples of 'paper'
#        bench.sh report SAMPLES...                                  the report of samples of 'restore' and 'together'
#        bench.sh refresh [ROUNDS] [GIB [ALLOCATED GIB [PERCENT]]]   the index of a VM's own layer, 1 round unless given
# Every round's figures, the raw work rate included, are kept as one line of JSON.
set -euo pipefail
cd "${BASH_SOURCE[0]%/*}/.."
source scripts/env.sh
use_jdk

# A bench that is a program of its own, with the heap that a suspend may take.
declare -a jvm_properties=()
run() { # class [argument...]
  "$JAVA_HOME/bin/java" "${DORMOUSE_JVM_FLAGS[@]}" --enable-native-access=ALL-UNNAMED -Xmx256m -Ddormouse.root="$PWD" "${jvm_properties[@]}" \
    -classpath target/dormouse.jar "dev.dormouse.bench.$1" "${@:2}"
}

asks_for_help() { [[ " $* " == *" --help "* || " $* " == *" -h "* ]]; }

help_of() { # class
  program_is_current || scripts/build.sh --quick
  run "$1" --help ''
  exit 0
}

# Has QEMU 10.0 at hand if the options ask for it.
use_qemu10() { # [option...]
  local qemu10=
  [[ "$*" != *10.0* ]] || qemu10="$(scripts/qemu10.sh)" || [[ $? -eq 3 ]] || fail "scripts/qemu10.sh failed"
  jvm_properties=(-Ddormouse.qemu10="$qemu10")
}

# The same for a program that stands among the tests, because it needs their libraries.
run_of_tests() { # class [argument...]
  local classpath=target/test-classpath
  if [[ ! -e "$classpath" || pom.xml -nt "$classpath" ]]; then
    maven dependency:build-classpath -DincludeScope=test -Dmdep.outputFile="$classpath"
  fi
  "$JAVA_HOME/bin/java" -Xlog:disable -ea:dev.dormouse... --enable-native-access=ALL-UNNAMED -Xmx2g \
    -Ddormouse.root="$PWD" -classpath "target/test-classes:target/classes:$(<"$classpath")" "$@"
}

maven() { ./mvnw --batch-mode --no-transfer-progress --quiet "$@" </dev/null >&2; }

compile_tests() {
  scripts/setup.sh run build test
  maven -Dspotless.check.skip=true test-compile
}

# Usage: report SAMPLES...: beside the first file, in a folder of its name.
report() {
  local folder="${1%.jsonl}"
  mkdir --parents "$folder"
  cat "$@" >"$folder/samples.jsonl"
  run_of_tests dev.dormouse.bench.RestoreBenchReport "$folder/samples.jsonl" "$folder"
}

# Usage: paper_report SAMPLES FOLDER
paper_report() {
  mkdir --parents "$2"
  run_of_tests dev.dormouse.bench.PaperReport "$1" "$2"
}

kind="${1:-}"
case "$kind" in
  help | --help | -h) exec ./dev help ;;
  report)
    compile_tests
    if [[ "${2:-}" == paper ]]; then
      paper_report "${3:?the file of samples}" "${4:-${3%.jsonl}}"
      exit 0
    fi
    report "${@:2}"
    exit 0
    ;;
  serve)
    compile_tests
    mkdir --parents target/bench
    run_of_tests dev.dormouse.restore.ServeBench "${@:2}" | tee "target/bench/serve-$(date +%Y%m%d-%H%M%S).jsonl"
    exit 0
    ;;
  daemon)
    compile_tests
    scripts/build.sh --quick
    mkdir --parents target/bench
    jvm_properties=(-Ddormouse.guest="$(bash guest/build.sh | tail --lines 1)")
    run_of_tests "${jvm_properties[@]}" dev.dormouse.daemon.DaemonBench "$PWD/dormouse" "${2:-5}" \
      "target/bench/daemon-$(date +%Y%m%d-%H%M%S).jsonl" "${3:-all}"
    exit 0
    ;;
  micro)
    compile_tests
    mkdir --parents target/bench
    run_of_tests org.openjdk.jmh.Main -rf json -rff "target/bench/micro-$(date +%Y%m%d-%H%M%S).json" "${@:2}"
    exit 0
    ;;
esac
if [[ "$kind" == refresh ]]; then
  scripts/setup.sh run
  program_is_current || scripts/build.sh --quick
  mkdir --parents target/bench
  run RefreshBench "${@:2}" | tee "target/bench/refresh-$(date +%Y%m%d-%H%M%S).jsonl"
  exit 0
fi
if [[ "$kind" == paper ]]; then
  shift
  ! asks_for_help "$@" || help_of PaperBench
  scripts/setup.sh run guest debian
  program_is_current || scripts/build.sh --quick
  qemu10="$(scripts/qemu10.sh)" || [[ $? -eq 3 ]] || fail "scripts/qemu10.sh failed"
  jvm_properties=(-Ddormouse.qemu10="$qemu10")
  samples="$(run PaperBench "$@" "target/bench/paper-$(date +%Y%m%d-%H%M%S).jsonl")"
  compile_tests
  paper_report "$samples" "${samples%.jsonl}"
  exit 0
fi
if [[ "$kind" == together ]]; then
  shift
  ! asks_for_help "$@" || help_of TogetherBench
  scripts/setup.sh run guest
  program_is_current || scripts/build.sh --quick
  use_qemu10 "$@"
  mkdir --parents target/bench
  run TogetherBench "$@" "target/bench/together-$(date +%Y%m%d-%H%M%S).jsonl"
  exit 0
fi
if [[ "$kind" == restore ]]; then
  shift
  ! asks_for_help "$@" || help_of RestoreBench
  scripts/setup.sh run guest
  program_is_current || scripts/build.sh --quick
  use_qemu10 "$@"
  samples="$(run RestoreBench "$@" "target/bench/restore-$(date +%Y%m%d-%H%M%S).jsonl")"
  compile_tests
  run_of_tests dev.dormouse.restore.CopyLoop >>"$samples"
  report "$samples"
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
    arguments=("$@")
    if [[ "${4:-}" == 10.0 ]]; then
      arguments[3]="$(scripts/qemu10.sh)/bin/qemu-system-x86_64" || fail "scripts/qemu10.sh failed"
    fi
    run ImageBench "$rounds" "${arguments[@]}" > "$samples"
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
