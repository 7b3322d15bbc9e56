#!/usr/bin/env bash
# Installs the package in a clean Debian, made with mmdebstrap, and runs it there: --version, doctor, the daemon, and last
# the demo, whose output is that of this script. For root. Usage: scripts/package-test.sh PACKAGE GUEST [OPTION OF THE DEMO...]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
package=$1 guest=$2 suite=bookworm
[[ "$EUID" -eq 0 ]] || fail "the clean root needs root: it is mounted and entered"
"$DORMOUSE_ROOT/scripts/setup.sh" debian
work="$(mktemp --directory)"
root="$work/root"
mounted=()
end() {
  local point
  for point in "${mounted[@]}"; do umount --recursive --lazy "$point" || true; done
  rm --recursive --force --one-file-system "$work"
}
trap end EXIT

# A clean Debian with what the package depends on: nothing of it depends on the package, so it is made once. Little
# is downloaded and nothing synced. systemd is there for its judgement of the unit only: nothing is booted.
packages=qemu-system-x86,qemu-utils,ipxe-qemu,systemd
base="$DORMOUSE_CACHE_DIR/package-root-$suite-systemd"
exec 9>"$DORMOUSE_CACHE_DIR/package-root.lock"
flock 9
if [[ ! -e "$base" ]]; then
  note "making a clean root (once)"
  rm --recursive --force "$base".*
  mmdebstrap --quiet --format=directory --variant=minbase --mode=root --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --include="$packages" "$suite" "$base.new"
  mv "$base.new" "$base"
fi
flock --unlock 9

# What is installed lies above it and goes with this script.
mkdir "$root" "$work/upper" "$work/work"
mount -t overlay overlay -o "lowerdir=$base,upperdir=$work/upper,workdir=$work/work" "$root"
mounted=("$root")
for point in proc dev; do
  mount --rbind "/$point" "$root/$point"
  mount --make-rslave "$root/$point"
  mounted=("$root/$point" "${mounted[@]}")
done
mkdir "$root/guest"
mount --bind "$guest" "$root/guest"
mounted=("$root/guest" "${mounted[@]}")

inside() { env --ignore-environment PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root timeout 300 chroot "$root" "$@"; }
cp "$package" "$root/tmp/dormouse.deb"
inside dpkg --force-unsafe-io --install /tmp/dormouse.deb >&2
[[ -e "$root/usr/lib/dormouse/dormouse.jsa" ]] || fail "the installation made no archive of classes"
inside dormouse --version >&2
inside dormouse doctor >&2
test -s "$root/usr/share/man/man1/dormouse-suspend.1.gz"
inside bash -c 'source /usr/share/bash-completion/completions/dormouse && complete -p dormouse' >&2
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
