package dev.dormouse.engine;

import dev.dormouse.base.Command;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/// QEMU's own filter of system calls, as far as a VM can do without them.
final class QemuSandbox {
    private static final String STRICT = "on,obsolete=deny,elevateprivileges=deny,resourcecontrol=deny,spawn=";
    /// With it QEMU is linked if it has the filter; one without it ends when it is asked for it. Reading the file takes
    /// a few milliseconds of a resume, asking QEMU a hundred.
    private static final byte[] LIBRARY = "libseccomp.so".getBytes(StandardCharsets.US_ASCII);
    private static final byte ELF = 0x7f;
    private static final Duration TIMEOUT = Duration.ofSeconds(20);
    /// The names of libraries stand at the beginning of a program.
    private static final int BYTES_READ = 1 << 20;
    private static final Map<Path, Boolean> KNOWN = new ConcurrentHashMap<>();

    private QemuSandbox() {}

    /// {@return the value of QEMU's option `-sandbox`; nothing if this QEMU was built without}
    ///
    /// @param helper whether QEMU must be able to start a program
    static Optional<String> options(Path binary, boolean helper) {
        if (!KNOWN.computeIfAbsent(binary, QemuSandbox::hasFilter)) {
            return Optional.empty();
        }
        return Optional.of(
                helper
                        ? STRICT.replace("elevateprivileges=deny", "elevateprivileges=allow") + "allow"
                        : STRICT + "deny");
    }

    private static boolean hasFilter(Path binary) {
        try (var in = Files.newInputStream(binary)) {
            byte[] bytes = in.readNBytes(BYTES_READ);
            if (bytes.length == 0 || bytes[0] != ELF) {
                return asks(binary);
            }
            for (int at = 0; at <= bytes.length - LIBRARY.length; at++) {
                if (bytes[at] == LIBRARY[0] && startsWith(bytes, at)) {
                    return true;
                }
            }
            return false;
        } catch (IOException _) {
            return false; // Starting it says more about it than we could.
        }
    }

    /// Of a script that starts it.
    private static boolean asks(Path binary) throws IOException {
        return Command.tryRun(List.of(binary.toString(), "-sandbox", "on", "-version"), TIMEOUT)
                        .exitCode()
                == 0;
    }

    private static boolean startsWith(byte[] bytes, int at) {
        for (int i = 0; i < LIBRARY.length; i++) {
            if (bytes[at + i] != LIBRARY[i]) {
                return false;
            }
        }
        return true;
    }
}
