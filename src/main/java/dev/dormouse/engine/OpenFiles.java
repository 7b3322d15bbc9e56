package dev.dormouse.engine;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;

/// The files that running processes have open and the unix sockets that are bound, at one moment. Of another
/// user's processes only root sees the files; but nobody else can open what lies in a home.
final class OpenFiles {
    private static final Path PROCESSES = Path.of("/proc");
    private final Set<String> paths = new HashSet<>();

    private OpenFiles() {}

    static OpenFiles now() throws IOException {
        var open = new OpenFiles();
        try (DirectoryStream<Path> processes = Files.newDirectoryStream(PROCESSES, "[0-9]*")) {
            for (Path process : processes) {
                open.addFiles(process);
            }
        }
        open.addSockets();
        return open;
    }

    private void addFiles(Path process) {
        try (DirectoryStream<Path> descriptors = Files.newDirectoryStream(process.resolve("fd"))) {
            for (Path descriptor : descriptors) {
                addTarget(descriptor);
            }
        } catch (IOException _) {
            // It has ended, or is not ours to look into.
        }
    }

    private void addTarget(Path descriptor) {
        try {
            paths.add(Files.readSymbolicLink(descriptor).toString());
        } catch (IOException _) {
            // Closed since it was listed.
        }
    }

    private void addSockets() throws IOException {
        for (String line : Files.readAllLines(PROCESSES.resolve("net/unix"))) {
            int path = line.indexOf(" /");
            if (path >= 0) {
                paths.add(line.substring(path + 1));
            }
        }
    }

    boolean contains(Path file) {
        return paths.contains(file.toString());
    }

    /// {@return whether anything in the folder, or below, is open}
    ///
    /// @param ours a file that does not count
    boolean containsAnyIn(Path folder, Path ours) {
        String prefix = folder + "/";
        return paths.stream().anyMatch(path -> path.startsWith(prefix) && !path.equals(ours.toString()));
    }
}
