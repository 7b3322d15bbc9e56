package dev.dormouse.qmp;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;

/// The migrations of one QEMU, in both directions. Any thread, but one migration belongs to one thread.
///
/// Events (capability `events`) shorten the waits; the truth is what QEMU answers when asked. While a
/// page that the guest or QEMU itself needs is missing, only out-of-band commands are answered: the
/// methods that use no others say so.
public final class Migrations {
    private static final Duration POLL = Duration.ofMillis(50);
    private static final Map<String, Object> YANK_INSTANCE = Map.of("type", "migration");

    private final QmpClient qmp;

    public Migrations(QmpClient qmp) {
        this.qmp = qmp;
    }

    /// {@return the capabilities that this QEMU knows, each on or off}
    public Map<String, Boolean> capabilities() throws IOException {
        return qmp.executeForList("query-migrate-capabilities").stream()
                .collect(Collectors.toMap(
                        entry -> String.valueOf(entry.get("capability")),
                        entry -> Boolean.TRUE.equals(entry.get("state")),
                        (_, last) -> last,
                        TreeMap::new));
    }

    /// Sets capabilities in one step and reads them back. One that this QEMU does not know is as good as
    /// off: asking for off is done, asking for on is an error.
    public void setCapabilities(Map<String, Boolean> wanted) throws IOException {
        Set<String> known = capabilities().keySet();
        Set<String> missing = new TreeSet<>();
        List<Map<String, Object>> knownWanted = new ArrayList<>();
        wanted.forEach((name, on) -> {
            if (known.contains(name)) knownWanted.add(Map.of("capability", name, "state", on));
            else if (on) missing.add(name);
        });
        if (!missing.isEmpty()) {
            throw new QemuException("migration: this QEMU lacks the capabilities " + missing + ", use a newer one");
        }
        qmp.execute("migrate-set-capabilities", Map.of("capabilities", knownWanted));
        checkCapabilities(wanted);
    }

    private void checkCapabilities(Map<String, Boolean> wanted) throws IOException {
        Map<String, Boolean> now = capabilities();
        for (Map.Entry<String, Boolean> entry : wanted.entrySet()) {
            boolean on = now.getOrDefault(entry.getKey(), false);
            if (on != entry.getValue()) {
                throw new QemuException("migration: capability " + entry.getKey() + " is " + on
                        + " after it was set to " + entry.getValue());
            }
        }
    }

    /// Switches off every capability but `events`: what an incoming postcopy migration leaves on, an
    /// outgoing one must not have. Only after [#awaitIncomingClean].
    public void resetCapabilities() throws IOException {
        Map<String, Boolean> off = new TreeMap<>(capabilities());
        off.keySet().removeAll(Set.of("events"));
        off.values().removeIf(on -> !on);
        off.replaceAll((_, _) -> false);
        if (!off.isEmpty()) setCapabilities(off);
    }

    public Map<String, Object> parameters() throws IOException {
        return qmp.execute("query-migrate-parameters");
    }

    /// Sets parameters in one step and reads them back; one that this QEMU does not know is an error.
    public void setParameters(Map<String, ?> wanted) throws IOException {
        Set<String> missing = new TreeSet<>(wanted.keySet());
        missing.removeAll(parameters().keySet());
        if (!missing.isEmpty()) {
            throw new QemuException("migration: this QEMU lacks the parameters " + missing + ", use a newer one");
        }
        qmp.execute("migrate-set-parameters", wanted);
        Map<String, Object> now = parameters();
        for (Map.Entry<String, ?> entry : wanted.entrySet()) {
            if (!same(entry.getValue(), now.get(entry.getKey()))) {
                throw new QemuException("migration: parameter " + entry.getKey() + " is " + now.get(entry.getKey())
                        + " after it was set to " + entry.getValue());
            }
        }
    }

    private static boolean same(Object wanted, Object now) {
        boolean integers = wanted instanceof Number && now instanceof Number;
        return integers ? ((Number) wanted).longValue() == ((Number) now).longValue() : Objects.equals(wanted, now);
    }

    public MigrationStatus status() throws IOException {
        return MigrationStatus.of(qmp.execute("query-migrate"));
    }

    /// {@return why this machine cannot be migrated now, empty when it can}
    public List<String> blockedReasons() throws IOException {
        return status().blockedReasons();
    }

    /// Starts an outgoing migration to `unix:PATH` or another URI that QEMU takes.
    public void startOutgoing(String uri) throws IOException {
        qmp.execute("migrate", Map.of("uri", uri));
    }

    /// Starts to listen, in a QEMU that was started with `-incoming defer`.
    public void startIncoming(String uri) throws IOException {
        qmp.execute("migrate-incoming", Map.of("uri", uri));
    }

    /// Waits until the migration is completed.
    ///
    /// @throws QemuException if it failed or was cancelled, with QEMU's reason
    public MigrationStatus awaitCompleted(Duration timeout) throws IOException {
        MigrationStatus end = awaitStatus(Set.of("completed", "failed", "cancelled"), timeout);
        if (end.isCompleted()) return end;
        throw new QemuException("migration: it ended as " + end.name() + ": "
                + Objects.requireNonNullElse(end.error(), "QEMU gave no reason"));
    }

    /// Waits until `query-migrate` shows one of the names.
    public MigrationStatus awaitStatus(Set<String> names, Duration timeout) throws IOException {
        long deadline = System.nanoTime() + EventLog.nanos(timeout);
        while (true) {
            long mark = qmp.eventMark(); // Before the question, so that no change falls between them.
            MigrationStatus now = status();
            if (names.contains(now.name())) return now;
            if (!waitForChange(mark, deadline)) {
                throw new QmpTimeoutException("migration: is still " + now.name() + " after " + QmpClient.text(timeout)
                        + ", awaited was " + new TreeSet<>(names));
            }
        }
    }

    /// Waits for the MIGRATION event with one of the names, those since the mark included. Sends nothing,
    /// so it works while QEMU's main loop waits for a page; needs the capability `events`.
    public QmpEvent awaitStatusEvent(long mark, Set<String> names, Duration timeout) throws IOException {
        return qmp.pollEvent(
                        mark,
                        event -> event.name().equals("MIGRATION")
                                && event.data().get("status") instanceof String status
                                && names.contains(status),
                        timeout)
                .orElseThrow(() -> new QmpTimeoutException("migration: none of " + new TreeSet<>(names)
                        + " was reported within " + QmpClient.text(timeout)));
    }

    /// Waits until an incoming migration is not only completed but also cleaned up, before which a second
    /// migration must not be started: on 7.2 that wedges the machine for ever.
    ///
    /// Asks out of band until the cleanup is done, so it may begin at any time.
    public void awaitIncomingClean(Duration timeout) throws IOException {
        long deadline = System.nanoTime() + EventLog.nanos(timeout);
        while (true) {
            long mark = qmp.eventMark();
            if (!isUnderWay()) break;
            if (!waitForChange(mark, deadline)) {
                throw new QmpTimeoutException(
                        "migration: the incoming side was not cleaned up within " + QmpClient.text(timeout));
            }
        }
        MigrationStatus end = status();
        if (!end.isCompleted()) {
            throw new QemuException("migration: the incoming side ended as " + end.name() + ": "
                    + Objects.requireNonNullElse(end.error(), "QEMU gave no reason"));
        }
    }

    /// {@return whether QEMU holds the resources of a migration, be it running, paused or to be cleaned up}
    ///
    /// Asks out of band.
    public boolean isUnderWay() throws IOException {
        Object instances = qmp.executeOutOfBandForAny("query-yank", Map.of(), QmpClient.DEFAULT_TIMEOUT);
        return instances instanceof List<?> list && list.contains(YANK_INSTANCE);
    }

    /// Cancels an outgoing migration and waits until QEMU has ended it.
    public MigrationStatus cancel(Duration timeout) throws IOException {
        qmp.execute("migrate_cancel");
        return awaitStatus(Set.of("completed", "failed", "cancelled", "none"), timeout);
    }

    /// Breaks a postcopy migration off, so that it can be recovered. Out of band.
    public void pause(Duration timeout) throws IOException {
        qmp.executeOutOfBand("migrate-pause", Map.of(), timeout);
    }

    /// Has a postcopy-paused destination listen anew. Out of band.
    public void recover(String uri, Duration timeout) throws IOException {
        qmp.executeOutOfBand("migrate-recover", Map.of("uri", uri), timeout);
    }

    /// {@return false when the deadline is over}
    private boolean waitForChange(long mark, long deadline) throws IOException {
        long remainingNanos = deadline - System.nanoTime();
        if (remainingNanos <= 0) return false;
        Duration wait = Duration.ofNanos(Math.min(remainingNanos, POLL.toNanos()));
        qmp.pollEvent(mark, event -> event.name().equals("MIGRATION"), wait);
        return true;
    }
}
