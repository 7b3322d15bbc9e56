#!/usr/bin/env bash
# Runs the daemon, and runs it again when it was killed: guests that are being restored wait for it. A signal that asks
# this script to end asks the daemon, too; a daemon that ends by itself, well or not, or that somebody else asks
# to end, is left alone.
# Usage: keep-daemon.sh COMMAND [ARGUMENT...]
set -uo pipefail

daemon=
asked=
ask() {
  asked=yes
  [[ -z "$daemon" ]] || kill -TERM "$daemon" 2>/dev/null
}
trap ask TERM INT HUP

while true; do
  began=$SECONDS
  "$@" &
  daemon=$!
  [[ -z "$asked" ]] || ask # Asked before there was anybody to pass it on to.
  while true; do # A signal for this script ends a wait, but not the daemon.
    wait "$daemon"
    code=$?
    kill -0 "$daemon" 2>/dev/null || break
  done
  # Ended by itself, asked to, or asked without us (INT, TERM).
  [[ -z "$asked" && "$code" -gt 128 && "$code" -ne 130 && "$code" -ne 143 ]] || exit "$code"
  echo "keep-daemon: the daemon was ended by signal $((code - 128)), starting another one"
  # At once, but not in a circle.
  [[ $((SECONDS - began)) -ge 5 ]] || sleep 1
done
