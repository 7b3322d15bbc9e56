#!/usr/bin/env bash
# Runs the page server, and runs it again when a signal has ended it: its guest waits for pages and must
# not wait until a person types a command. A page server that ends by itself, well or not, is left alone.
# Usage: keep-page-server.sh COMMAND [ARGUMENT...]
set -uo pipefail

code=1
for _ in 1 2 3 4 5; do
  "$@"
  code=$?
  [[ "$code" -gt 128 ]] || exit "$code"
  echo "keep-page-server: the page server was ended by signal $((code - 128)), starting another one"
  sleep 0.2
done
exit "$code"
