#!/usr/bin/env bash
# Makes target/dormouse_VERSION_amd64.deb: the program with a trimmed Java of its own, manual pages, completions, the
# units of systemd, and what lets ordinary users have userfaultfd. Prints its path.
# Usage: scripts/package.sh [COMPRESSION] (after a build; xz, or none for one that is only tested)
set -euo pipefail
umask 022 # What is installed is for all users, whoever packs it.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
use_jdk
cd "$DORMOUSE_ROOT"
command -v dpkg-deb >/dev/null || fail "dpkg-deb: not found, install it (Debian: dpkg)"

# One at a time: two tests want it, perhaps at once.
mkdir --parents target
exec 9>target/package.lock
flock 9
version="$(sed --quiet '0,/<version>/s|.*<version>\(.*\)</version>.*|\1|p' pom.xml)"
version="${version/-SNAPSHOT/~snapshot}"
tree="$DORMOUSE_ROOT/target/package"
root="$tree/usr/lib/dormouse"
rm --recursive --force "$tree"
mkdir --parents "$root" "$tree/DEBIAN"

# The modules that the jars need; what is left out is mostly the desktop and the compiler.
modules=java.base,java.logging,java.management,java.naming,java.net.http,java.sql,java.xml
modules+=,jdk.jfr,jdk.management,jdk.net,jdk.unsupported,jdk.zipfs
make_runtime() {
  # Not compressed: the package is, as a whole, which is smaller, and classes load faster.
  "$JAVA_HOME/bin/jlink" --add-modules "$modules" --strip-java-debug-attributes --no-man-pages --no-header-files \
    --generate-cds-archive --output "$1" >target/jlink.log 2>&1 \
    || { cat target/jlink.log >&2; fail "jlink failed: see above"; }
}
# The same JDK gives the same one: it is made once.
runtime="$DORMOUSE_CACHE_DIR/runtime-$({ cat "$JAVA_HOME/release"; declare -f make_runtime; echo "$modules"; } | sha256sum | cut --characters=1-16)"
if [[ ! -e "$runtime" ]]; then
  mkdir --parents "$DORMOUSE_CACHE_DIR"
  rm --recursive --force "$runtime".*
  make_runtime "$runtime.$$"
  mv "$runtime.$$" "$runtime"
fi
cp --recursive --preserve=mode,timestamps --link "$runtime" "$root/runtime" 2>/dev/null \
  || { rm --recursive --force "$root/runtime" && cp --recursive --preserve=mode,timestamps "$runtime" "$root/runtime"; }

cp --recursive target/dormouse.jar target/lib target/daemon-lib "$root"
rm --force "$root"/lib/*.modern
install -D --mode=755 --target-directory="$root/scripts" scripts/keep-daemon.sh scripts/keep-page-server.sh scripts/env.sh \
  scripts/setup.sh
cp --recursive guest "$root/guest"
# SQLite's library lies on the disk: the jar would unpack it to /tmp at each start.
mkdir "$root/native"
(cd "$root/native" && "$JAVA_HOME/bin/jar" --extract --file "$(ls ../daemon-lib/sqlite-jdbc-*.jar)" \
  org/sqlite/native/Linux/x86_64/libsqlitejdbc.so)
mv "$root/native/org/sqlite/native/Linux/x86_64/libsqlitejdbc.so" "$root/native"
rm --recursive "$root/native/org"

install -D --mode=755 packaging/dormouse "$tree/usr/bin/dormouse"
install -D --mode=644 --target-directory="$tree/usr/lib/systemd/user" packaging/systemd/dormouse.service \
  packaging/systemd/dormouse-vms.target
install -D --mode=644 packaging/udev/60-dormouse.rules "$tree/usr/lib/udev/rules.d/60-dormouse.rules"
doc="$tree/usr/share/doc/dormouse"
install -D --mode=644 packaging/sysctl/60-dormouse.conf "$doc/examples/60-dormouse.conf"
install -D --mode=644 packaging/grafana/dormouse.json "$doc/examples/grafana-dormouse.json"
install -D --mode=644 --target-directory="$doc" README.md CHANGELOG.md docs/daemon.md docs/cli.md
install -D --mode=644 LICENSE "$doc/copyright"

program=("$root/runtime/bin/java" -XX:+UseSerialGC -jar "$root/dormouse.jar")
mkdir --parents "$tree/usr/share/bash-completion/completions"
"${program[@]}" generate-completion >"$tree/usr/share/bash-completion/completions/dormouse"
"${program[@]}" generate-man --folder "$tree/usr/share/man/man1"
gzip --best --no-name "$tree"/usr/share/man/man1/*.1

size="$(du --summarize --apparent-size --block-size=1K "$tree/usr" | cut --fields=1)"
sed "s/@VERSION@/$version/; s/@SIZE@/$size/" packaging/debian/control.in >"$tree/DEBIAN/control"
install --mode=755 --target-directory="$tree/DEBIAN" packaging/debian/postinst packaging/debian/prerm
chmod --recursive u=rwX,go=rX "$tree"
package="$DORMOUSE_ROOT/target/dormouse_${version}_amd64.deb"
dpkg-deb --root-owner-group -Z"${1:-xz}" --build "$tree" "$package.new" >/dev/null
mv "$package.new" "$package" # Another test may be reading it.
printf '%s\n' "$package"
