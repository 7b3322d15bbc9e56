#!/usr/bin/env bash
# Builds a full Debian for benchmarks: a guest that compiles something at each boot, then says DORMOUSE-READY on its
# serial console.
#
# Usage: debian.sh
#
# Prints the directory that holds vmlinuz, initrd.gz, disk.raw and manifest.json; progress goes to stderr. The directory
# is named after this file. Once built it is used as it is, without network; its packages are those that were current
# then (packages.txt names them). Remove the directory to build with today's. DORMOUSE_DEBIAN_MIRROR names another mirror
# than deb.debian.org.
set -o errexit -o nounset -o pipefail
umask 022
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${DORMOUSE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dormouse}
mirror=${DORMOUSE_DEBIAN_MIRROR:-http://deb.debian.org/debian}
suite=bookworm
packages=systemd-sysv,linux-image-cloud-amd64,build-essential
source=zlib # A minute or two under emulation.

say() { echo "debian: $*" >&2; }
die() { say "$*"; exit 1; }

unit() {
  cat << 'UNIT'
[Unit]
Description=Compile something, then say so on the console
After=multi-user.target

[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/usr/local/sbin/dormouse-compile

[Install]
WantedBy=default.target
UNIT
}

compile_script() {
  cat << 'SCRIPT'
#!/bin/sh
# The host waits for one of these two lines.
if cd /usr/src/zlib-* && ./configure --static && make --jobs=2 libz.a; then
  echo DORMOUSE-READY > /dev/console
else
  echo DORMOUSE-FAILED > /dev/console
fi
SCRIPT
}

# Runs as a hook of mmdebstrap, with the new system's folder as argument.
customize_script() {
  cat << SCRIPT
set -o errexit
chroot "\$1" sh -c 'cd /usr/src && apt-get source --quiet=2 --option APT::Sandbox::User=root $source && rm -f ./*.tar.* ./*.dsc'
cp "$work/dormouse-compile" "\$1/usr/local/sbin/"
cp "$work/dormouse-compile.service" "\$1/etc/systemd/system/"
chroot "\$1" systemctl enable --quiet dormouse-compile.service
# What wakes up by the clock would make one run differ from another.
for timer in apt-daily apt-daily-upgrade dpkg-db-backup e2scrub_all fstrim logrotate man-db; do
  ln -sf /dev/null "\$1/etc/systemd/system/\$timer.timer"
done
chroot "\$1" passwd --quiet --delete root
chroot "\$1" dpkg-query --show > "$out/packages.txt"
echo dormouse-debian > "\$1/etc/hostname"
SCRIPT
}

file_facts() { # name
  printf '"%s": {"bytes": %d, "sha256": "%s"}' "$1" "$(stat --format=%s "$out/$1")" \
    "$(sha256sum < "$out/$1" | cut --delimiter=' ' --fields=1)"
}

describe() {
  echo '{'
  echo '  "formatVersion": 1,'
  echo "  \"sources\": \"$hash\","
  echo "  \"suite\": \"$suite\","
  echo "  \"packages\": $(wc --lines < "$out/packages.txt"),"
  # README.md says why clearcpuid.
  echo '  "append": "console=ttyS0 root=/dev/vda rw clearcpuid=erms quiet",'
  echo "  $(file_facts vmlinuz),"
  echo "  $(file_facts initrd.gz),"
  echo "  $(file_facts disk.raw)"
  echo '}'
}

build() {
  local out=$work/out root=$work/root
  [ "$(id --user)" = 0 ] || die "only root may make a root file system; run: sudo DORMOUSE_CACHE=$cache $0"
  mkdir "$out"
  unit > "$work/dormouse-compile.service"
  compile_script > "$work/dormouse-compile"
  chmod 755 "$work/dormouse-compile"
  customize_script > "$work/customize"
  say "installing Debian $suite from $mirror, a few minutes"
  mmdebstrap --quiet --mode=root --variant=important --include="$packages" --aptopt='Acquire::Retries "3"' \
    --customize-hook="sh '$work/customize' \"\$1\"" \
    "$suite" "$root" "deb $mirror $suite main" "deb-src $mirror $suite main" >&2 < /dev/null \
    || die "mmdebstrap failed, see above; check the network, or set DORMOUSE_DEBIAN_MIRROR"
  cp --dereference "$root/vmlinuz" "$out/vmlinuz"
  cp --dereference "$root/initrd.img" "$out/initrd.gz"
  say "making the disk"
  truncate --size=4G "$out/disk.raw"
  # Everything is initialised now: the kernel would do it in the background of the measured guest.
  mkfs.ext4 -q -F -b 4096 -L debian -E lazy_itable_init=0,lazy_journal_init=0,nodiscard,root_owner=0:0 -d "$root" \
    "$out/disk.raw"
  describe > "$out/manifest.json"
  # Read-only, so that no VM is started on them by mistake: a VM gets an overlay or a copy.
  chmod 0444 "$out"/*
  sync "$out"/* "$out"
  mv --no-target-directory "$out" "$target"
}

hash=$(sha256sum < "$here/debian.sh" | cut --characters=1-16)
target=$cache/debian-$hash
if [ ! -e "$target/manifest.json" ]; then
  mkdir --parents "$cache"
  exec 9> "$cache/debian.lock"
  flock 9 || die "cannot lock $cache/debian.lock"
  if [ ! -e "$target/manifest.json" ]; then # nobody else built it while this one waited
    command -v mmdebstrap > /dev/null || die "mmdebstrap is missing; run: scripts/setup.sh debian"
    work=$(mktemp --directory "$cache/building.XXXXXX")
    trap 'rm --recursive --force --one-file-system "$work"' EXIT
    build
    say "built $target"
  fi
fi
echo "$target"
