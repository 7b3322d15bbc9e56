# Sourced by the tests of the package, after env.sh: a clean Debian in which it is installed, and nothing else. For root.
#   make_root PACKAGE GUEST  makes it, with the package installed and the guest in /guest; sets
#     root                   where it is
#     work                   the folder of the script, which goes with it
#   inside COMMAND...        runs a command in it
#   end_root                 removes it; to be called at the end of the script
# shellcheck shell=bash disable=SC2034

umask 022 # Ordinary users are to find their way in it, whoever runs this.
clean_root_mounts=()

# What the package depends on, and a systemd that can be booted, with what it needs for users: nothing of it depends on
# the package, so it is made once. Little is downloaded and nothing synced. Sets base.
make_clean_base() {
  local suite=bookworm packages=qemu-system-x86,qemu-utils,ipxe-qemu,systemd,libpam-systemd,dbus
  base="$DORMOUSE_CACHE_DIR/package-root-$suite-booted"
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
  exec 9>&-
}

make_root() {
  local package=$1 guest=$2 point
  [[ "$EUID" -eq 0 ]] || fail "the clean root needs root: it is mounted and entered"
  "$DORMOUSE_ROOT/scripts/setup.sh" debian
  work="$(mktemp --directory)"
  root="$work/root"
  make_clean_base
  # What is installed lies above it and goes with the script.
  mkdir "$root" "$work/upper" "$work/work"
  mount -t overlay overlay -o "lowerdir=$base,upperdir=$work/upper,workdir=$work/work" "$root"
  clean_root_mounts=("$root")
  for point in proc dev; do
    mount --rbind "/$point" "$root/$point"
    mount --make-rslave "$root/$point"
    clean_root_mounts=("$root/$point" "${clean_root_mounts[@]}")
  done
  mkdir "$root/guest"
  mount --bind "$guest" "$root/guest"
  clean_root_mounts=("$root/guest" "${clean_root_mounts[@]}")
  cp "$package" "$root/tmp/dormouse.deb"
  inside dpkg --force-unsafe-io --install /tmp/dormouse.deb >&2
}

inside() { env --ignore-environment PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root timeout 300 chroot "$root" "$@"; }

end_root() {
  local point
  for point in "${clean_root_mounts[@]}"; do umount --recursive --lazy "$point" || true; done
  [[ -z "${work:-}" ]] || rm --recursive --force --one-file-system "$work"
}
