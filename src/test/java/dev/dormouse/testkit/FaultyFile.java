package dev.dormouse.testkit;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/// A file on a device that fails, for every process that opens it from now on, until it is mended. Needs root and
/// FUSE; a test is skipped where they are missing.
public final class FaultyFile implements AutoCloseable {
    private final StorageDaemon daemon;
    private int faults;

    private FaultyFile(StorageDaemon daemon) {
        this.daemon = daemon;
    }

    /// Which accesses fail.
    ///
    /// @param access `read`, `write` or `flush`
    /// @param offset the byte whose sector is bad; -1 for the whole file
    /// @param error as errno: 5 input/output error, 28 no space left
    public record Fault(String access, long offset, int error) {}

    /// Puts the file on such a device, which does not fail yet.
    public static FaultyFile over(Path file) throws IOException, InterruptedException {
        return new FaultyFile(StorageDaemon.serve(file, List.of(), StorageDaemon.FILE));
    }

    /// From now on these accesses fail.
    public void fail(Fault... which) throws IOException {
        List<Map<String, Object>> errors =
                Stream.of(which).map(FaultyFile::error).toList();
        String node = "bad" + ++faults;
        daemon.addNode(
                Map.of("driver", "blkdebug", "node-name", node, "image", StorageDaemon.FILE, "inject-error", errors));
        daemon.show(node);
    }

    private static Map<String, Object> error(Fault fault) {
        var error = new TreeMap<String, Object>(
                Map.of("event", "none", "iotype", fault.access(), "errno", fault.error(), "once", false));
        if (fault.offset() >= 0) {
            error.put("sector", fault.offset() / 512);
        }
        return error;
    }

    /// From now on nothing fails.
    public void mend() throws IOException {
        daemon.show(StorageDaemon.FILE);
    }

    /// From now on no access is answered, until [#carryOn].
    public void hang() throws IOException {
        daemon.hang();
    }

    public void carryOn() throws IOException {
        daemon.carryOn();
    }

    @Override
    public void close() throws IOException {
        daemon.close();
    }
}
