package dev.dormouse.cli;

import dev.dormouse.daemon.Front;
import dev.dormouse.daemon.IdlePolicy;
import dev.dormouse.daemon.Priority;
import dev.dormouse.daemon.Sleep;
import dev.dormouse.daemon.VmSettings;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// The options that say what the daemon does with a VM by itself.
final class SettingsFlags {
    private static final int CPU_PERCENT = 10;
    private static final int NETWORK_PACKETS = 20;
    private static final int AWAKE_SECONDS = 60;

    @Option(
            names = "--front",
            paramLabel = "LISTEN=TARGET",
            description =
                    "A port of the host that leads to the VM and wakes it, as in 5901=vnc or 0.0.0.0:2222=22, a port of "
                            + "the guest that a forward leads to. May be repeated.")
    private @Nullable List<String> fronts;

    @Option(
            names = "--idle-after",
            paramLabel = "SECONDS",
            description = "Suspend the VM when it has had no client at its fronts and has rested for so long.")
    private @Nullable Integer idleAfter;

    @Option(
            names = "--idle-cpu",
            paramLabel = "PERCENT",
            description = "Up to how much of one processor counts as resting (default: 10).")
    private @Nullable Integer idleCpu;

    @Option(
            names = "--idle-network",
            paramLabel = "PACKETS",
            description =
                    "Up to how many packets a second, sent and received, count as resting (default: 20); 0 if the "
                            + "network does not count.")
    private @Nullable Integer idleNetwork;

    @Option(
            names = "--awake-min",
            paramLabel = "SECONDS",
            description =
                    "How long it stays awake at least before it is suspended by itself, also for --sleep and for a memory "
                            + "limit (default: 60).")
    private @Nullable Integer awakeMin;

    @Option(
            names = "--idle-ask-guest",
            description =
                    "Ask the guest's agent before it is suspended by itself, also for --sleep and for a memory limit: not "
                            + "while the guest has a file /run/dormouse-stay-awake.")
    private boolean idleAskGuest;

    @Option(
            names = "--sleep",
            paramLabel = "[DAYS ]FROM-TO",
            description =
                    "Suspend the VM in these hours however busy its guest is, once it has had no client for a minute, as in "
                            + "20:00-07:30, 'mon-fri 20:00-07:30' or 'sat,sun 00:00-24:00': DAYS are those on which the "
                            + "hours begin. May be repeated.")
    private @Nullable List<String> sleep;

    @Option(
            names = "--standby",
            description =
                    "Have a QEMU wait while the VM is suspended: it resumes sooner, and takes some 50 MiB meanwhile.")
    private boolean standby;

    @Option(
            names = "--rehearse",
            description =
                    "Let the guest run for some seconds after each suspend where nobody sees it, to learn what it touches "
                            + "first: it resumes quicker, and takes processor time meanwhile.")
    private boolean rehearse;

    @Option(
            names = "--priority",
            paramLabel = "low|normal|high",
            description =
                    "Where not all restores may be under way at once, whether it goes before others (default: normal).")
    private @Nullable Priority priority;

    @Option(names = "--pinned", description = "Never suspend it by itself, not even to make room for another one.")
    private boolean pinned;

    /// {@return whether a front leads to the VM's screen}
    boolean needsVnc() {
        VmSettings settings = settings();
        return settings != null
                && settings.fronts().stream().anyMatch(front -> front.target().equals("vnc"));
    }

    /// {@return what the options say; null if there are none}
    ///
    /// @throws IllegalArgumentException if one of them is wrong
    @Nullable
    VmSettings settings() {
        boolean idleOptions = idleCpu != null || idleNetwork != null;
        boolean anyOptions = awakeMin != null || idleAskGuest;
        if (fronts == null
                && idleAfter == null
                && !idleOptions
                && !anyOptions
                && sleep == null
                && !standby
                && !rehearse
                && priority == null
                && !pinned) {
            return null;
        }
        if (idleAfter == null && idleOptions) {
            throw new IllegalArgumentException("--idle-cpu and --idle-network: need --idle-after");
        }
        if (idleAfter == null && sleep == null && anyOptions) {
            throw new IllegalArgumentException("--awake-min and --idle-ask-guest: need --idle-after or --sleep");
        }
        int awakeSeconds = awakeMin == null ? AWAKE_SECONDS : awakeMin;
        IdlePolicy idle = idleAfter == null
                ? null
                : new IdlePolicy(
                        idleAfter,
                        idleCpu == null ? CPU_PERCENT : idleCpu,
                        idleNetwork == null ? NETWORK_PACKETS : idleNetwork,
                        awakeSeconds,
                        idleAskGuest);
        List<Front> parsed =
                fronts == null ? List.of() : fronts.stream().map(Front::parse).toList();
        var settings = new VmSettings(
                parsed,
                idle,
                sleep == null ? null : Sleep.parse(sleep, awakeSeconds, idleAskGuest),
                standby,
                rehearse,
                priority == null ? Priority.NORMAL : priority,
                pinned);
        settings.check();
        return settings;
    }
}
