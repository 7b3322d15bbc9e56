#!/usr/bin/env bash
# Installs the package in a clean Debian, made with mmdebstrap, and runs it there: --version, doctor, the daemon, and last
# the demo, whose output is that of this script. For root. Usage: scripts/package-test.sh PACKAGE GUEST [OPTION OF THE DEMO...]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
source "$(dirname "${BASH_SOURCE[0]}")/clean-root.sh"
trap end_root EXIT
package=$1

# Usage: has FILE SOURCE: the package has this file, as it stands here.
has() {
  dpkg-deb --fsys-tarfile "$package" | tar --extract --to-stdout "./$1" | cmp - "$DORMOUSE_ROOT/$2" \
    || fail "the package has not $1 as $2 is"
}

make_root "$1" "$2"
[[ -e "$root/usr/lib/dormouse/dormouse.jsa" ]] || fail "the installation made no archive of classes"
inside dormouse --version >&2
inside dormouse doctor >&2
test -s "$root/usr/share/man/man1/dormouse-suspend.1.gz"
inside bash -c 'source /usr/share/bash-completion/completions/dormouse && complete -p dormouse' >&2
# What lets ordinary users have userfaultfd: the rule is in force, about the sysctl the administrator decides.
has usr/lib/udev/rules.d/60-dormouse.rules packaging/udev/60-dormouse.rules
has usr/share/doc/dormouse/examples/60-dormouse.conf packaging/sysctl/60-dormouse.conf
[[ "$(stat --format=%a "$root/usr/lib/udev/rules.d/60-dormouse.rules")" == 644 ]] || fail "udev's rule is not installed"
[[ -z "$(inside find /etc /usr/lib/sysctl.d -name '*dormouse*.conf')" ]] || fail "the package decides about the sysctl"
# It warns of what it does not know, and fails for what it cannot do.
verdict="$(inside env XDG_RUNTIME_DIR=/tmp systemd-analyze --user --man=no verify dormouse.service 2>&1)" \
  || fail "systemd does not take the unit: $verdict"
[[ -z "$verdict" ]] || fail "systemd objects to the unit: $verdict"
# The first command starts the daemon. Beside the demo, whose figures nobody reads here.
inside bash -c 'set -e
  dormouse vm create web --memory 64M
  dormouse start web
  dormouse top | grep "^web  *running "
  dormouse stop --force web
  dormouse serve --end' >&2 &
commands=$!
inside env JAVA_TOOL_OPTIONS=-Ddormouse.guest=/guest dormouse demo "${@:3}"
wait "$commands" || fail "the commands failed in the clean root: see above"
inside dpkg --remove dormouse >&2
[[ ! -e "$root/usr/lib/dormouse" ]] || fail "the package leaves something behind: $(find "$root/usr/lib/dormouse")"
note "the package works in a clean root"
