package dev.dormouse.engine;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.Layer;
import dev.dormouse.disk.LayerIdentity;
import dev.dormouse.qmp.ProcessEntry;
import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.qmp.QmpClient;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// A QEMU that waits beside a suspended VM, so that its resume need not start one.
///
/// Nothing is recorded of it: it is the process that the pid file in the runtime folder names while the VM is
/// suspended and has no QEMU on record. It was given nothing yet, so whoever finds it may end it at any time, and
/// [Settle] does before anything but a resume. Looking needs no lock; whoever takes or ends it holds that of the VM.
final class Standby {
    private static final String DELETED = " (deleted)";
    private static final Duration TIMEOUT = Duration.ofSeconds(2); // Then it is killed: it has nothing to lose.
    private static final Duration ANSWER_TIMEOUT = Duration.ofSeconds(2);

    private final Vm vm;

    Standby(Vm vm) {
        this.vm = vm;
    }

    /// @throws VmException if QEMU does not open all of the disks itself: whether they have changed could not be told
    static void refuseUnlessPossible(Vm vm, VmRecord record) throws IOException {
        for (BackingChain chain : record.chainsWithOverlays()) {
            if (chain.servedDepth() > 0) {
                throw new VmException("vm %s: %s has layers that are neither raw nor qcow2, no QEMU waits for such a VM"
                        .formatted(vm.name(), chain.top().path()));
            }
        }
    }

    /// {@return the process that the pid file names, if it still lives and was started with that file}
    static Optional<QemuProcess> ofPidFile(VmSockets sockets) {
        Path pidFile = sockets.pidFile();
        if (!Files.exists(pidFile)) {
            return Optional.empty();
        }
        try {
            long pid = Long.parseLong(Files.readString(pidFile).strip());
            Optional<ProcessEntry> entry = ProcessEntry.of(pid);
            return entry.isPresent() && commandLine(pid).contains(pidFile.toString())
                    ? QemuProcess.attach(pid, entry.get().startTimeTicks(), sockets.qemuLog())
                    : Optional.empty();
        } catch (NumberFormatException | IOException _) {
            return Optional.empty(); // Not yet written, or the process is gone.
        }
    }

    /// {@return the QEMU that waits, if one does}
    Optional<QemuProcess> find(VmRecord record) throws IOException {
        return record.state() == VmState.SUSPENDED && record.qemu() == null
                ? ofPidFile(vm.sockets())
                : Optional.empty();
    }

    /// {@return the QEMU that waits, if it is what would be started now} One that is not is ended.
    ///
    /// @param wanted the command line of a new one
    /// @param chains the disks that it is to have
    Optional<QemuProcess> take(List<String> wanted, List<BackingChain> chains) throws IOException {
        Optional<QemuProcess> waiting = ofPidFile(vm.sockets());
        if (waiting.isPresent() && !fits(waiting.get(), wanted, chains)) {
            waiting.get().terminate(TIMEOUT);
            return Optional.empty();
        }
        return waiting;
    }

    private boolean fits(QemuProcess waiting, List<String> wanted, List<BackingChain> chains) {
        long pid = waiting.pid();
        try {
            Path program = Files.readSymbolicLink(process(pid).resolve("exe"));
            return hasArguments(commandLine(pid), wanted.subList(1, wanted.size()))
                    && !program.toString().endsWith(DELETED) // Upgraded meanwhile.
                    && hasOpenAsTheyAre(pid, chains)
                    && waits(waiting);
        } catch (IOException _) {
            return false; // It has ended, or is not ours to look into.
        }
    }

    /// One that has been given a guest already must never get another one.
    private boolean waits(QemuProcess qemu) throws IOException {
        try (QmpClient qmp = QmpClient.connect(vm.sockets().qmp(), ANSWER_TIMEOUT, qemu)) {
            return "inmigrate"
                    .equals(qmp.execute("query-status", Map.of(), ANSWER_TIMEOUT)
                            .get("status"));
        }
    }

    /// What stands before them is not compared: the program may be a script that starts QEMU. Its version is asked for.
    private static boolean hasArguments(List<String> commandLine, List<String> wanted) {
        int first = commandLine.size() - wanted.size();
        return first > 0 && commandLine.subList(first, commandLine.size()).equals(wanted);
    }

    /// {@return whether it has opened the very files of these layers, and they have not been touched since} It reads
    /// what describes a disk when it opens it.
    private boolean hasOpenAsTheyAre(long pid, List<BackingChain> chains) throws IOException {
        Set<String> open = openFiles(pid);
        // QEMU writes it before it opens its disks. By the clock of file systems, which a process' start time is not;
        // of files on a server it is the server's, so what somebody writes there in the same moment may go unseen.
        var opened = (FileTime) Files.getAttribute(vm.sockets().pidFile(), "unix:lastModifiedTime");
        for (BackingChain chain : chains) {
            for (Layer layer : chain.layers()) {
                for (Path file : LayerIdentity.of(layer).files()) {
                    var changed = (FileTime) Files.getAttribute(file, "unix:ctime");
                    if (!open.contains(identity(file)) || changed.compareTo(opened) >= 0) {
                        return false;
                    }
                }
            }
        }
        return true;
    }

    private static Set<String> openFiles(long pid) throws IOException {
        var open = new HashSet<String>();
        try (DirectoryStream<Path> descriptors =
                Files.newDirectoryStream(process(pid).resolve("fd"))) {
            for (Path descriptor : descriptors) {
                open.add(identity(descriptor)); // Of what it leads to, also where that has no name any more.
            }
        }
        return open;
    }

    private static String identity(Path file) throws IOException {
        return Files.getAttribute(file, "unix:dev") + ":" + Files.getAttribute(file, "unix:ino");
    }

    private static List<String> commandLine(long pid) throws IOException {
        return List.of(Files.readString(process(pid).resolve("cmdline"), StandardCharsets.UTF_8)
                .split("\0"));
    }

    private static Path process(long pid) {
        return Path.of("/proc", Long.toString(pid));
    }
}
