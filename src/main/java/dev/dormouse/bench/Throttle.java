package dev.dormouse.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// Limits what this process and those it starts read from block devices, in bytes and in operations a second,
/// by a control group of its own (version 1, `blkio.throttle`, which needs root). All of them share the limit,
/// as they would share a device. Closing it ends the limit for this process.
final class Throttle implements AutoCloseable {
    private static final Path BLKIO = Path.of("/sys/fs/cgroup/blkio");
    private static final int REMOVE_TRIES = 50;
    private static final int REMOVE_PAUSE_MILLIS = 20;

    private final Path group;
    private final Path former;

    private Throttle(Path group, Path former) {
        this.group = group;
        this.former = former;
    }

    /// Puts this process under the limit.
    ///
    /// @param files on whose devices the limit is
    /// @return null if the profile has no limit
    /// @throws IOException if this host has no such control groups, or does not permit them
    static @Nullable Throttle enter(StorageProfile profile, List<Path> files) throws IOException {
        if (!profile.isThrottled()) {
            return null;
        }
        Path former = BLKIO.resolve(ownGroup());
        if (!Files.isWritable(former.resolve("cgroup.procs"))) {
            throw new IOException(former + ": not writable; limits need control groups of version 1, and root");
        }
        long self = ProcessHandle.current().pid();
        var throttle = new Throttle(Files.createDirectories(BLKIO.resolve("dormouse-bench-" + self)), former);
        try {
            for (String device : devices(files)) {
                throttle.limit("read_bps_device", device, profile.bytesPerSecond());
                throttle.limit("read_iops_device", device, profile.readsPerSecond());
            }
            write(throttle.group.resolve("cgroup.procs"), Long.toString(self));
            return throttle;
        } catch (IOException e) {
            throttle.close();
            throw e;
        }
    }

    private void limit(String what, String device, long perSecond) throws IOException {
        write(group.resolve("blkio.throttle." + what), device + " " + perSecond);
    }

    /// The group of this process, relative to the root of the hierarchy.
    private static String ownGroup() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/cgroup"))) {
            String[] fields = line.split(":", 3);
            if (fields.length == 3 && List.of(fields[1].split(",", -1)).contains("blkio")) {
                return fields[2].substring(1);
            }
        }
        throw new IOException("/proc/self/cgroup: no blkio hierarchy; limits need control groups of version 1");
    }

    /// The whole devices, as `major:minor`: a partition has no limit of its own.
    private static Set<String> devices(List<Path> files) throws IOException {
        var devices = new TreeSet<String>();
        for (Path file : files) {
            long number = ((Number) Files.getAttribute(file, "unix:dev")).longValue();
            String device = (number >> 8 & 0xfff) + ":" + ((number & 0xff) | (number >> 12 & 0xfff00));
            Path sys = Path.of("/sys/dev/block", device);
            if (!Files.exists(sys)) {
                throw new IOException(file + ": its file system is on no block device, there is nothing to limit");
            }
            Path parent = sys.toRealPath().getParent();
            devices.add(
                    Files.exists(sys.resolve("partition"))
                            ? Files.readString(parent.resolve("dev")).strip()
                            : device);
        }
        return devices;
    }

    private static void write(Path file, String text) throws IOException {
        Files.writeString(file, text, StandardOpenOption.WRITE);
    }

    @Override
    public void close() throws IOException {
        write(
                former.resolve("cgroup.procs"),
                Long.toString(ProcessHandle.current().pid()));
        for (String pid : Files.readAllLines(group.resolve("cgroup.procs"))) {
            write(former.resolve("cgroup.procs"), pid); // A QEMU that still runs.
        }
        for (int i = 0; Files.exists(group) && i < REMOVE_TRIES; i++) {
            try {
                Files.deleteIfExists(group);
            } catch (IOException _) {
                pause(); // A process that has just ended counts for a moment.
            }
        }
    }

    private static void pause() {
        try {
            Thread.sleep(REMOVE_PAUSE_MILLIS);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
    }
}
