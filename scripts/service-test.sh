#!/usr/bin/env bash
# Boots a real systemd in a clean Debian with the package, in namespaces of its own, and has it run the unit of a user:
# start, restart in the middle of a restore, a daemon that is killed, the end of a session, a power-off, and the boot
# after it; then the unit as one of the system, for another user. For root. Usage: scripts/service-test.sh PACKAGE GUEST; exits with 3 where no systemd can be booted.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
source "$(dirname "${BASH_SOURCE[0]}")/clean-root.sh"
user=ada uid=1000
other=bob other_unit=dormouse-bob # Of the system.
held_up="/run/user/$uid/held-up" # As long as this is there the service is not stopped.
container='' systemd='' cgroup=''

skip() { note "$*"; exit 3; }

end() {
  local status=$?
  # What is in the way where the test fails: its log.
  if [[ "$status" -ne 0 && "$status" -ne 3 ]]; then show_journal >&2 || true; fi
  # The first process ends with it, and all others with that.
  [[ -z "$container" ]] || kill -KILL "$container" || true
  if [[ -n "$cgroup" ]]; then
    await 10 "the end of all processes" remove_cgroup || true
    umount "$cgroups" || true
    rmdir "$cgroups" || true
  fi
  end_root
}
trap end EXIT

# Usage: await SECONDS WHAT COMMAND...: until the command succeeds.
await() {
  local end=$((SECONDS + $1)) what=$2
  until "${@:3}" >/dev/null 2>&1; do
    if ((SECONDS >= end)); then
      note "$what: not within $1 s"
      return 1
    fi
    sleep 0.2
  done
}

remove_cgroup() { find "$cgroup" -depth -type d -exec rmdir {} + && [[ ! -e "$cgroup" ]]; }

# A subtree of the hierarchy, for this systemd alone. The mount is another view of it: nobody else's is looked at.
make_cgroup() {
  local here=dormouse-service-test-$$
  [[ "$EUID" -eq 0 ]] || skip "a systemd can be booted by root only"
  unshare --pid --mount --net --uts --ipc --cgroup --fork true || skip "no namespaces can be made for a systemd"
  cgroups="$(mktemp --directory)"
  if ! mount -t cgroup2 cgroup2 "$cgroups" || ! mkdir "$cgroups/$here"; then
    umount "$cgroups" || true
    rmdir "$cgroups"
    skip "a systemd cannot be booted without a cgroup of its own"
  fi
  cgroup="$cgroups/$here"
  # Where the manager of the user has what it runs.
  slice="$cgroup/user.slice/user-$uid.slice/user@$uid.service/app.slice"
}

# The first process of the namespaces, which becomes systemd. What is the whole host's stays as it is: /proc/sys is
# only read, devices are those that do no harm, and the network is another one.
become_systemd() {
  set -e
  local root=$1 device
  mount --make-rprivate /
  mount -t proc proc "$root/proc"
  mount --bind "$root/proc/sys" "$root/proc/sys"
  mount -o remount,bind,ro "$root/proc/sys"
  mount -t sysfs -o ro sysfs "$root/sys"
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
  mount -t tmpfs -o mode=755 tmpfs "$root/run"
  mount -t tmpfs -o mode=755 tmpfs "$root/dev"
  for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
  done
  mkdir "$root/dev/pts" "$root/dev/shm"
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
  mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
  ln --symbolic pts/ptmx "$root/dev/ptmx"
  ln --symbolic /proc/self/fd "$root/dev/fd"
  cd "$root"
  pivot_root . mnt
  umount --lazy /mnt
  exec env --ignore-environment container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd
}

# Usage: boot skip|fail: what it is if none can be booted. What has booted once does so again.
boot() {
  local otherwise=$1
  note "booting"
  (
    echo "$BASHPID" >"$cgroup/cgroup.procs"
    exec unshare --pid --mount --net --uts --ipc --cgroup --fork --kill-child \
      bash -c "$(declare -f become_systemd); become_systemd \"\$1\"" systemd "$root"
  ) </dev/null >"$work/boot.log" 2>&1 &
  container=$!
  await 20 "the first process" has_systemd || "$otherwise" "systemd was not started: $(<"$work/boot.log")"
  await 90 "the manager of the user" as_root systemctl is-active --quiet "user@$uid.service" \
    || "$otherwise" "systemd does not boot: $(<"$work/boot.log")"
}

has_systemd() {
  read -r systemd <"/proc/$container/task/$container/children" || true # Its line has no end.
  [[ -n "$systemd" ]] && grep --quiet --line-regexp systemd "/proc/$systemd/comm"
}

power_off() {
  note "powering off"
  as_root systemctl --no-block poweroff
  await 150 "the power-off" gone "$systemd"
  wait "$container" || true
  container='' systemd=''
}

gone() { [[ ! -e "/proc/$1" ]]; }

as_root() {
  timeout 200 nsenter --target "$systemd" --all \
    env --ignore-environment PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@" </dev/null
}

as_user() {
  as_root setpriv --reuid="$uid" --regid="$uid" --init-groups \
    env HOME="/home/$user" USER="$user" XDG_RUNTIME_DIR="/run/user/$uid" "$@"
}

as_other() { as_root setpriv --reuid="$other" --regid="$other" --init-groups env HOME="/home/$other" USER="$other" "$@"; }

unit() { as_user systemctl --user "$@"; }

show_journal() { [[ -z "$systemd" ]] || as_user journalctl --user --no-pager --lines=80; }

# Each QEMU with its pid, one in each scope: 'web 1234' and so on, with the pids of the host.
qemus() {
  local procs pid
  for procs in "$slice"/run-*.scope/cgroup.procs; do
    pid="$(cat "$procs")"
    printf '%s %s\n' "$(tr '\0' '\n' <"/proc/$pid/cmdline" | sed --quiet 's/^guest=//p')" "$pid"
  done | sort
}

# Usage: expect_qemus BEFORE: the very same ones, and the service is none the worse.
expect_qemus() {
  local now
  now="$(qemus)"
  [[ "$now" == "$1" ]] || fail "QEMU did not outlive the service: before it was '$1', now it is '$now'"
  [[ "$(unit show --property=ActiveState --value dormouse)" == active ]] || fail "the service is not active"
}

all_awake() { [[ "$(as_user dormouse list | grep --count ' running ')" -eq 3 ]]; }
is_restoring() { as_user dormouse list | grep --quiet "^$1  *restoring"; }

# What the files of the home say: it is looked at also when nothing runs.
expect_all_suspended() {
  local vms="$root/home/$user/.local/share/dormouse"
  [[ "$(grep --files-with-matches '"state": "SUSPENDED"' "$vms"/vms/*/state.json | wc --lines)" -eq 3 ]] \
    || fail "not all VMs were suspended: $(grep '"state"' "$vms"/vms/*/state.json)"
  [[ "$(cat "$vms/bring-back.json")" == '{"vms":["alder","birch","web"]}' ]] || fail "not all VMs are to be brought back"
}

# Usage: drop_in FILE LINE...: of a [Service].
drop_in() { install -D --mode=644 <(echo '[Service]' && printf '%s\n' "${@:2}") "$root/$1"; }

prepare() {
  make_cgroup
  make_root "$1" "$2"
  inside useradd --create-home --uid "$uid" "$user"
  # As 'loginctl enable-linger' does.
  install -D --mode=644 /dev/null "$root/var/lib/systemd/linger/$user"
  # The user may use userfaultfd by a capability: vm.unprivileged_userfaultfd is the whole host's.
  drop_in "etc/systemd/system/user@$uid.service.d/userfaultfd.conf" AmbientCapabilities=CAP_SYS_PTRACE
  drop_in etc/systemd/user/dormouse.service.d/userfaultfd.conf AmbientCapabilities=CAP_SYS_PTRACE
  drop_in etc/systemd/user/dormouse.service.d/held-up.conf \
    "ExecStop=/bin/sh -c 'while [ -e $held_up ]; do sleep 0.1; done'"
  inside useradd --create-home "$other"
  inside cp /usr/lib/systemd/user/dormouse-vms.target /etc/systemd/system/
  inside cp /usr/lib/systemd/user/dormouse.service "/etc/systemd/system/$other_unit.service"
  drop_in "etc/systemd/system/$other_unit.service.d/user.conf" "User=$other" AmbientCapabilities=CAP_SYS_PTRACE
}

has_its_log() {
  as_user journalctl --user --unit=dormouse --priority=info..info --output=cat \
    | grep --extended-regexp --quiet "^daemon of /home/$user/[^ ]*, process [0-9]+$"
}

starts() {
  note "starting the service"
  unit enable --now dormouse
  await 20 "its log in the journal" has_its_log # A daemon that is ready says so last.
  # shellcheck disable=SC2016 # For the shell inside.
  as_user bash -c 'set -e
    dormouse vm create web --memory 128M --kernel /guest/vmlinuz --initrd /guest/initrd.gz --append console=ttyS0
    dormouse start web
    for vm in alder birch; do
      dormouse vm create "$vm" --memory 64M
      dormouse start "$vm"
    done
    dormouse top' >"$work/top"
  [[ "$(grep --count --extended-regexp '^(alder|birch|web) +running ' "$work/top")" -eq 3 ]] \
    || fail "the daemon does not answer: $(<"$work/top")"
  [[ "$(qemus | wc --lines)" -eq 3 ]] || fail "not each QEMU has a scope: $(qemus)"
  [[ "$(unit show --property=Before --value 'run-*.scope' | grep --count --word-regexp dormouse-vms.target)" -eq 3 ]] \
    || fail "the scopes are not ordered"
  expect_rules "$(unit show --property=OOMPolicy,KillMode,Restart dormouse)"
  expect_qemus_to_go_first
}

# When the host runs out of memory: the daemon may have the pages of all of them.
expect_qemus_to_go_first() {
  local daemon name pid
  daemon="$(<"/proc/$systemd/root/proc/$(unit show --property=MainPID --value dormouse)/oom_score_adj")"
  while read -r name pid; do
    [[ "$(<"/proc/$pid/oom_score_adj")" -gt "$daemon" ]] || fail "the QEMU of $name does not go before the daemon"
  done < <(qemus)
}

# Usage: expect_rules SHOWN: what systemd took of the unit, by which VMs outlive their daemon.
expect_rules() {
  [[ "$(sort <<<"$1")" == $'KillMode=process\nOOMPolicy=continue\nRestart=always' ]] \
    || fail "VMs would not outlive the service: it has $1"
}

# Another resume begins while the service is being stopped, which is held up for that.
restarts_in_the_middle_of_a_restore() {
  local before process
  note "restarting the service in the middle of a restore"
  as_user bash -c 'dormouse suspend alder && dormouse suspend web && dormouse resume --background-rate 500K web' >&2
  is_restoring web || fail "the restore was over before the restart"
  process="$(unit show --property=MainPID --value dormouse)"
  as_user touch "$held_up"
  unit restart --no-block dormouse
  as_user dormouse resume --background-rate off alder >&2
  before="$(qemus)"
  as_user rm "$held_up"
  await 120 "another daemon" has_another_daemon "$process"
  expect_qemus "$before"
  await 60 "the end of the restores" all_awake
}

is_restarted_when_killed() {
  local before process
  note "killing the daemon in the middle of a restore"
  as_user bash -c 'dormouse suspend alder && dormouse resume --background-rate off alder' >&2
  before="$(qemus)"
  is_restoring alder || fail "the restore was over before the kill"
  process="$(unit show --property=MainPID --value dormouse)"
  unit kill --signal=KILL dormouse
  await 60 "another daemon" has_another_daemon "$process"
  expect_qemus "$before"
  await 60 "the end of the restore" all_awake
}

has_another_daemon() {
  local process
  process="$(unit show --property=MainPID --value dormouse)"
  [[ "$process" != "$1" && "$process" != 0 ]] && unit is-active --quiet dormouse
}

suspends_with_the_session() {
  note "ending the manager of the user, as at the end of the last session"
  as_root systemctl stop "user@$uid.service"
  expect_all_suspended
}

brings_back() {
  await 120 "the VMs that were awake" all_awake
  [[ "$(qemus | wc --lines)" -eq 3 ]] || fail "not each QEMU has a scope: $(qemus)"
}

# Its QEMU stays in its cgroup.
works_as_a_unit_of_the_system() {
  local before process
  note "starting the unit of the system"
  as_root systemctl start "$other_unit"
  as_other sh -c 'dormouse vm create oak --memory 64M && dormouse start oak && dormouse suspend oak \
    && dormouse resume oak' >&2
  await 60 "the end of its restore" oak_runs
  before="$(oak)"
  grep --quiet "/$other_unit.service$" "/proc/$systemd/root/proc/$before/cgroup" || fail "the QEMU is not in the unit"
  expect_rules "$(as_root systemctl show --property=OOMPolicy,KillMode,Restart "$other_unit")"
  note "restarting it, and killing its daemon"
  as_root systemctl restart "$other_unit"
  [[ "$(oak)" == "$before" ]] || fail "QEMU did not outlive the unit of the system"
  process="$(other_daemon)"
  as_root systemctl kill --kill-whom=main --signal=KILL "$other_unit"
  await 60 "another daemon" has_another_daemon_of_the_system "$process"
  [[ "$(oak)" == "$before" ]] || fail "QEMU did not outlive the daemon of the unit of the system"
}

oak_runs() { [[ -n "$(oak)" ]]; }

# The process of its QEMU, of a VM that runs.
oak() {
  as_other dormouse show --json oak \
    | sed --quiet --regexp-extended '/"state": ?"running"/,$ s/.*"pid": ?([0-9]+).*/\1/p'
}

other_daemon() { as_root systemctl show --property=MainPID --value "$other_unit"; }

has_another_daemon_of_the_system() {
  local process
  process="$(other_daemon)"
  [[ "$process" != "$1" && "$process" != 0 ]] && as_root systemctl is-active --quiet "$other_unit"
}

prepare "$@"
boot skip
starts
restarts_in_the_middle_of_a_restore
is_restarted_when_killed
suspends_with_the_session
power_off
boot fail
brings_back
log="$(as_user journalctl --user --unit=dormouse --output=cat)"
[[ "$(grep --count "^daemon of " <<<"$log")" -ge 3 ]] || fail "the journal has not the log of all daemons"
! grep "Failed with result 'exit-code'" <<<"$log" || fail "systemd takes an orderly end of the daemon for a failure"
works_as_a_unit_of_the_system
power_off
expect_all_suspended
grep --quiet '"state": "SUSPENDED"' "$root/home/$other/.local/share/dormouse/vms/oak/state.json" \
  || fail "the unit of the system did not suspend its VM"
note "the service works under systemd, in $SECONDS s"
