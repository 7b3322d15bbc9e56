package dev.dormouse.daemon;

import dev.dormouse.base.Json;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.ErrorText;
import dev.dormouse.engine.Home;
import dev.dormouse.engine.ResumeOptions;
import dev.dormouse.engine.SuspendOptions;
import dev.dormouse.engine.VmStatus;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Suspends what is awake when the host ends, and resumes that when it is back: `bring-back.json` in the home names it
/// meanwhile, written before the first suspend begins.
final class BringBack {
    private static final Logger LOG = LoggerFactory.getLogger(BringBack.class);
    private static final Set<String> AWAKE = Set.of("running", "restoring");

    private final Engine engine;
    private final Vms vms;
    private final Path file;

    BringBack(Engine engine, Vms vms) {
        this.engine = engine;
        this.vms = vms;
        file = file(engine.home());
    }

    private static Path file(Home home) {
        return home.root().resolve("bring-back.json");
    }

    @io.avaje.jsonb.Json
    record Names(List<String> vms) {}

    /// Suspends all VMs that are awake, at the same time.
    ///
    /// @param patience for all of them; what takes longer is left as it is
    void suspendAll(Duration patience) throws InterruptedException {
        List<String> awake = awake();
        try {
            byte[] names = (Json.write(new Names(awake)) + "\n").getBytes(StandardCharsets.UTF_8);
            engine.home().storage().writeAtomically(file, names);
        } catch (IOException e) {
            LOG.error("{}: not written, nothing will be brought back: {}", file, ErrorText.of(e));
        }
        var begun = new ArrayList<Operation>();
        for (String name : awake) {
            try {
                vms.suspend(name, SuspendOptions.DEFAULT).ifPresent(begun::add);
            } catch (IOException e) {
                LOG.error("vm {}: not suspended before the host ends: {}", name, ErrorText.of(e));
            }
        }
        long end = System.nanoTime() + patience.toNanos();
        for (Operation suspend : begun) {
            suspend.awaitEnd(Duration.ofNanos(Math.max(0, end - System.nanoTime())));
        }
    }

    private List<String> awake() {
        var awake = new ArrayList<String>();
        try {
            for (String name : engine.names()) {
                state(name).filter(AWAKE::contains).ifPresent(_ -> awake.add(name));
            }
        } catch (IOException e) {
            LOG.error("{}", ErrorText.of(e));
        }
        return awake;
    }

    private Optional<String> state(String name) {
        try {
            return Optional.of(engine.status(name)).map(VmStatus::state);
        } catch (IOException e) {
            LOG.warn("{}", ErrorText.of(e));
            return Optional.empty();
        }
    }

    /// Resumes what was awake when the host ended. The file goes first: what fails is tried once.
    void resumeAll() {
        List<String> names;
        try {
            names = Json.parse(Names.class, Files.readString(file)).vms();
            Files.delete(file);
        } catch (NoSuchFileException _) {
            return;
        } catch (IOException | IllegalArgumentException e) {
            LOG.error("{}: nothing is brought back: {}", file, e.getMessage());
            return;
        }
        for (String name : names) {
            try {
                if (state(name).filter("suspended"::equals).isPresent()) {
                    LOG.info("vm {}: was awake when the host ended, resuming it", name);
                    vms.resume(name, ResumeOptions.DEFAULT);
                }
            } catch (IOException e) {
                LOG.error("vm {}: not brought back: {}", name, ErrorText.of(e));
            }
        }
    }
}
