#!/usr/bin/env bash
# Builds the guests of `./dev bench paper`: a Debian with the programs of its workloads, whose only processes are the probe
# and the workload.
#
# Usage: paper.sh server|desktop
#
# Prints the directory that holds vmlinuz, initrd.gz, disk.qcow2 and manifest.json; progress goes to stderr. The directory
# is named after the sources. Once built it is used as it is, without network; its packages are those that were current
# then (packages.txt names them). Remove the directory to build with today's. DORMOUSE_DEBIAN_MIRROR names another mirror
# than deb.debian.org, which may be one of a certain day.
set -o errexit -o nounset -o pipefail
umask 022
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin

kind=${1:-}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${DORMOUSE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dormouse}
mirror=${DORMOUSE_DEBIAN_MIRROR:-http://deb.debian.org/debian}
suite=bookworm
packages=iproute2,kmod,procps,wget,xz-utils
append='console=ttyS0 root=/dev/vda rw init=/usr/local/sbin/dormouse-init clearcpuid=erms quiet'
case "$kind" in
  server)
    binary_mib=700
    text_mib=400
    disk_gib=8
    packages+=,linux-image-cloud-amd64,build-essential,bison,gcc-12-plugin-dev,nginx-light,redis-server,postgresql-15
    packages+=,openjdk-17-jre-headless
    ;;
  desktop)
    binary_mib=0
    text_mib=40
    disk_gib=6
    # The cloud's kernel has no driver for a display.
    packages+=,linux-image-amd64,xserver-xorg-core,xdotool,openbox,firefox-esr,libreoffice-writer,libreoffice-calc
    packages+=,libreoffice-gtk3,python3-uno,pcmanfm,feh,fonts-dejavu-core,dbus
    ;;
  *)
    echo "paper: '$kind' is no guest, 'server' and 'desktop' are" >&2
    exit 2
    ;;
esac
export SOURCE_DATE_EPOCH=1767225600 E2FSPROGS_FAKE_TIME=1767225600 # 2026-01-01

say() { echo "paper: $*" >&2; }
die() { say "$*"; exit 1; }

# Runs in the new system, as root.
server_script() {
  cat << 'SCRIPT'
set -o errexit
export DEBIAN_FRONTEND=noninteractive
cd /usr/src
apt-get source --quiet=2 --option APT::Sandbox::User=root bash
rm -f ./*.tar.* ./*.dsc
mv bash-* bash-1
cd bash-1
./configure --quiet --disable-nls > /dev/null
# Shared header files and tools are there then, so that each build in the guest is like the others.
make --jobs="$(nproc)" > /dev/null 2>&1
for number in 2 3 4 5 6; do
  cp -a . ../bash-$number
done
cd /usr/lib/dormouse
g++ -O2 -fno-rtti -shared -fPIC -I"$(gcc -print-file-name=plugin)/include" -o passes.so passes.cc
mkdir -p /srv/packages
cd /srv/packages
# None of them has scripts, which would need a shell in the system that they are installed into.
apt-get download --quiet=2 --option APT::Sandbox::User=root manpages-dev libboost1.74-dev libeigen3-dev
bin=$(echo /usr/lib/postgresql/*/bin)
rm -rf /var/lib/postgresql/*/main
install --directory --owner=postgres /srv/postgres /run/postgresql
as() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
cd /srv/postgres
as "$bin/initdb" --pgdata=/srv/postgres --no-sync > /dev/null
echo "shared_buffers = 512MB" >> /srv/postgres/postgresql.conf
as "$bin/pg_ctl" --pgdata=/srv/postgres --wait --log=/tmp/postgres.log start > /dev/null
as createdb bank
as "$bin/pgbench" --initialize --quiet --scale=30 bank 2> /dev/null
as psql --quiet --dbname=bank --command='create extension pg_prewarm'
as "$bin/pg_ctl" --pgdata=/srv/postgres --wait stop > /dev/null
SCRIPT
}

desktop_script() {
  cat << 'SCRIPT'
set -o errexit
mkdir -p /usr/share/dormouse
python3 /usr/lib/dormouse/make-content.py /mnt/text /usr/share/dormouse
fc-cache --system-only
dbus-uuidgen --ensure
SCRIPT
}

# Runs as a hook of mmdebstrap, with the new system's folder as argument.
customize_script() {
  cat << SCRIPT
set -o errexit
root=\$1
install -D --mode=755 "$probe_guest/probe" "\$root/usr/local/sbin/probe"
install --mode=755 "$here/paper/init" "\$root/usr/local/sbin/dormouse-init"
install --mode=755 "$work/worker" "\$root/usr/local/bin/worker"
mkdir -p "\$root/usr/lib/dormouse" "\$root/mnt"
cp -r "$here/paper/common" "$here/paper/meter.h" "$here/paper/$kind/." "$work/lib/." "\$root/usr/lib/dormouse/"
cp -r "$work/seed/tree/." "\$root/mnt/"
cp "$work/seed/manifest" "\$root/mnt/"
cp "$work/inside" "\$root/tmp/inside"
chroot "\$root" sh /tmp/inside
rm -rf "\$root"/tmp/*
chroot "\$root" dpkg-query --show > "$out/packages.txt"
echo dormouse-$kind > "\$root/etc/hostname"
SCRIPT
}

# Programs of the workloads, for the machine that the guest is.
compile() {
  mkdir "$work/lib"
  gcc -O2 -fno-tree-vectorize -static -Wall -Wextra -Werror -o "$work/worker" "$here/paper/worker.c"
  if [ "$kind" = server ]; then
    gcc -O2 -shared -fPIC -Wall -Wextra -Werror -I"$here/paper" -o "$work/lib/statements.so" "$here/paper/server/statements.c"
    "${JAVA_HOME:?names the JDK that compiles the service}/bin/javac" --release 17 -d "$work/lib" \
      "$here/paper/server/Service.java" >&2
  fi
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
  echo "  \"append\": \"$append\","
  echo '  "disk": "disk.qcow2",'
  echo "  $(file_facts vmlinuz),"
  echo "  $(file_facts initrd.gz),"
  echo "  $(file_facts disk.qcow2)"
  echo '}'
}

disk() {
  truncate --size="${disk_gib}G" "$work/disk.raw"
  # Everything is initialised now: the kernel would do it in the background of the measured guest.
  mkfs.ext4 -q -F -b 4096 -L "$kind" -E lazy_itable_init=0,lazy_journal_init=0,nodiscard,root_owner=0:0 -d "$root" \
    "$work/disk.raw"
  qemu-img convert -f raw -O qcow2 "$work/disk.raw" "$out/disk.qcow2"
}

build() {
  local out=$work/out root=$work/root probe_guest
  [ "$(id --user)" = 0 ] || die "only root may make a root file system; run: sudo DORMOUSE_CACHE=$cache $0 $kind"
  probe_guest=$("$here/build.sh")
  mkdir "$out" "$work/seed"
  cp "$probe_guest/seedtree" "$work/seedtree"
  chmod 755 "$work/seedtree"
  "$work/seedtree" "$work/seed" "$binary_mib" "$text_mib"
  compile
  "${kind}_script" > "$work/inside"
  customize_script > "$work/customize"
  say "installing Debian $suite from $mirror, some minutes"
  mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" --aptopt='Acquire::Retries "3"' \
    --customize-hook="bash '$work/customize' \"\$1\"" \
    "$suite" "$root" "deb $mirror $suite main" "deb-src $mirror $suite main" >&2 < /dev/null \
    || die "mmdebstrap failed, see above; check the network, or set DORMOUSE_DEBIAN_MIRROR"
  cp --dereference "$root/vmlinuz" "$out/vmlinuz"
  cp --dereference "$root/initrd.img" "$out/initrd.gz"
  say "making the disk"
  disk
  describe > "$out/manifest.json"
  # Read-only, so that no VM is started on them by mistake: a VM gets an overlay or a copy.
  chmod 0444 "$out"/*
  sync "$out"/* "$out"
  mv --no-target-directory "$out" "$target"
}

# What the guest is made of: its script, the probe, what both kinds have, what this kind has.
hash=$(cd "$here" && find paper.sh build.sh ./*.c ./*.h paper/common paper/init paper/*.c paper/*.h "paper/$kind" -type f \
  | sort | xargs sha256sum | sha256sum | cut --characters=1-16)
target=$cache/paper-$kind-$hash
if [ ! -e "$target/manifest.json" ]; then
  mkdir --parents "$cache"
  exec 9> "$cache/paper.lock"
  flock 9 || die "cannot lock $cache/paper.lock"
  if [ ! -e "$target/manifest.json" ]; then # nobody else built it while this one waited
    command -v mmdebstrap > /dev/null || die "mmdebstrap is missing; run: scripts/setup.sh debian"
    work=$(mktemp --directory "$cache/building.XXXXXX")
    trap 'rm --recursive --force --one-file-system "$work"' EXIT
    build
    say "built $target"
  fi
fi
echo "$target"
