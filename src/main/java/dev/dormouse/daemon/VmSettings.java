package dev.dormouse.daemon;

import dev.dormouse.base.Json;
import dev.dormouse.engine.Home;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.ZonedDateTime;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// What the daemon is to do with a VM by itself: `daemon.json` in its folder. It may change at any time, and counts
/// within a second.
///
/// @param fronts where clients connect to it
/// @param idle when it is suspended; never by itself if null
/// @param sleep when it is to sleep; at no time if null
/// @param standby whether a QEMU waits for its resume while it is suspended
/// @param rehearse whether its guest runs once, unseen, when it was suspended, so that it resumes quicker
/// @param priority whose restore goes first where several wait for their turn
/// @param pinned never suspend it by itself, neither for its own policy nor to make room for others
@io.avaje.jsonb.Json
public record VmSettings(
        List<Front> fronts,
        @Nullable IdlePolicy idle,
        @Nullable Sleep sleep,
        boolean standby,
        boolean rehearse,
        Priority priority,
        boolean pinned) {
    public static final VmSettings NONE = new VmSettings(List.of(), null, null, false, false, Priority.NORMAL, false);
    static final String FILE = "daemon.json";
    private static final int FRONTS_MAX = 16;

    public VmSettings {
        fronts = fronts == null ? List.of() : List.copyOf(fronts);
        priority = Objects.requireNonNullElse(priority, Priority.NORMAL);
    }

    /// {@return those of a VM; none if it has no such file}
    public static VmSettings read(Home home, String vm) throws IOException {
        Path file = home.vm(vm).resolve(FILE);
        try {
            VmSettings settings = Json.parseStrictly(VmSettings.class, Sleep.ofToday(Files.readString(file)));
            settings.check();
            return settings;
        } catch (NoSuchFileException _) {
            return NONE;
        } catch (IllegalArgumentException e) {
            throw new IOException("%s: %s".formatted(file, e.getMessage()), e);
        }
    }

    /// {@return whether its guest is asked before it is suspended by itself, whatever for}
    public boolean asksGuest() {
        return (idle != null && idle.askGuest()) || (sleep != null && sleep.askGuest());
    }

    /// {@return how long it stays awake at least before it is suspended by itself, whatever for}
    public int awakeSeconds() {
        return Math.max(idle == null ? 0 : idle.awakeSeconds(), sleep == null ? 0 : sleep.awakeSeconds());
    }

    boolean sleepsAt(ZonedDateTime now) {
        return sleep != null && sleep.contains(now);
    }

    /// {@return when it is suspended at such a time; null if it is not} In its hours of sleep all that
    /// counts is whether it has clients, and what holds for each suspend that nobody asked for.
    @Nullable
    IdlePolicy policyAt(ZonedDateTime now) {
        if (pinned) {
            return null;
        }
        if (sleepsAt(now)) {
            return new IdlePolicy(Sleep.REST_SECONDS, 100, 0, awakeSeconds(), asksGuest());
        }
        return idle == null
                ? null
                : new IdlePolicy(
                        idle.afterSeconds(), idle.cpuPercent(), idle.networkPackets(), awakeSeconds(), asksGuest());
    }

    /// Writes them for a VM, which exists.
    public void write(Home home, String vm) throws IOException {
        check();
        byte[] text = (Json.writePretty(this) + "\n").getBytes(StandardCharsets.UTF_8);
        home.storage().writeAtomically(home.vm(vm).resolve(FILE), text);
    }

    /// As [#check()], and that the fronts lead to something that the VM has, and that its guest can be asked
    /// if it is to be.
    ///
    /// @param vnc where the VM's VNC server is; null if it has none
    /// @param forwards of the VM, in QEMU's form
    /// @param guestAgent whether it has a channel for the agent of its guest
    public void checkFor(@Nullable String vnc, List<String> forwards, boolean guestAgent) {
        check();
        if (asksGuest() && !guestAgent) {
            throw new IllegalArgumentException(
                    "%s: the guest cannot be asked and would never be suspended, the VM has no channel for its agent; leave out 'askGuest' (--idle-ask-guest), or make the VM with 'vm create --guest-agent'"
                            .formatted(idle != null && idle.askGuest() ? "idle" : "sleep"));
        }
        fronts.forEach(front -> front.checkFor(vnc, forwards));
    }

    /// Checks that no front is to listen where one of another VM does.
    ///
    /// @param vm whose settings they are
    /// @param names of all VMs
    /// @throws IllegalArgumentException that says which does
    public void checkBeside(Home home, String vm, List<String> names) {
        for (String other : names) {
            for (Front theirs : other.equals(vm) || fronts.isEmpty() ? List.<Front>of() : frontsOf(home, other)) {
                for (Front front : fronts) {
                    if (front.isInTheWayOf(theirs)) {
                        throw new IllegalArgumentException("front %s: at %s vm %s has its front %s, choose another port"
                                .formatted(front.name(), front.listen(), other, theirs.name()));
                    }
                }
            }
        }
    }

    private static List<Front> frontsOf(Home home, String vm) {
        try {
            return read(home, vm).fronts();
        } catch (IOException _) {
            return List.of(); // They are not opened either.
        }
    }

    /// @throws IllegalArgumentException that says what is wrong
    public void check() {
        if (fronts.size() > FRONTS_MAX) {
            throw new IllegalArgumentException("fronts: %d, at most %d".formatted(fronts.size(), FRONTS_MAX));
        }
        var names = new HashSet<String>();
        for (Front front : fronts) {
            front.check();
            if (!names.add(front.name())) {
                throw new IllegalArgumentException("front %s: there are two of that name".formatted(front.name()));
            }
        }
        if (idle != null) {
            idle.check();
        }
        if (sleep != null) {
            sleep.check();
        }
    }
}
