package dev.dormouse.checkpoint;

import dev.dormouse.storage.SparseFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/// Opens the file behind the memory that a QEMU shares with us, although it has no name any more: through
/// QEMU's own descriptor, which takes the right to ptrace QEMU.
public final class SharedMemory {
    private static final String MEMFD = "/memfd:memory-backend-memfd";
    /// What QEMU calls a file that it makes in a directory; the id of the back end follows.
    private static final String IN_DIRECTORY = "/qemu_back_mem.";

    private SharedMemory() {}

    /// Identifies the file among QEMU's: mapped shared as a whole, called as QEMU calls the file of this back
    /// end, of exactly this length, and the only one of that kind.
    ///
    /// @param backend id of the memory back end
    /// @throws CaptureException if there is none or more than one, or it may not be opened
    public static SparseFile open(long pid, String backend, long lengthBytes) throws CaptureException {
        try {
            Set<String> mapped = mappedWhole(pid, backend, lengthBytes);
            Map<Object, Path> found = new HashMap<>();
            try (Stream<Path> descriptors = Files.list(Path.of("/proc/" + pid + "/fd"))) {
                for (Path descriptor : (Iterable<Path>) descriptors::iterator) {
                    if (mapped.contains(target(descriptor)) && Files.size(descriptor) == lengthBytes) {
                        // Two descriptors of one file are one; the key is made of device and inode.
                        found.put(Files.getAttribute(descriptor, "unix:fileKey"), descriptor);
                    }
                }
            }
            if (found.size() != 1) {
                throw new CaptureException("process %d: %d files may be the memory '%s' of %d bytes, one is needed"
                        .formatted(pid, found.size(), backend, lengthBytes));
            }
            return checked(SparseFile.open(found.values().iterator().next()), pid, lengthBytes);
        } catch (CaptureException e) {
            throw e;
        } catch (IOException e) {
            throw new CaptureException(
                    "process %d: its memory cannot be opened (%s), the right to ptrace it is needed"
                            .formatted(pid, e.getMessage()),
                    e);
        }
    }

    /// The descriptor could have become another file's between the look and the opening.
    private static SparseFile checked(SparseFile file, long pid, long lengthBytes) throws CaptureException {
        if (file.lengthBytes() != lengthBytes) {
            file.close();
            throw new CaptureException(
                    "process %d: its memory file has %d bytes, not %d".formatted(pid, file.lengthBytes(), lengthBytes));
        }
        return file;
    }

    /// A descriptor that is closed at this moment, and thus has no target, is none that we look for.
    private static String target(Path descriptor) {
        try {
            return Files.readSymbolicLink(descriptor).toString();
        } catch (IOException _) {
            return "";
        }
    }

    /// {@return the names of the files of this back end of which so many bytes are mapped shared}
    private static Set<String> mappedWhole(long pid, String backend, long lengthBytes) throws IOException {
        Map<String, Long> bytes = new HashMap<>();
        try (Stream<String> lines = Files.lines(Path.of("/proc/" + pid + "/maps"))) {
            lines.forEach(line -> {
                // Addresses, permissions, offset, device, inode, name; the name may hold blanks.
                String[] fields = line.split(" +", 6);
                if (fields.length == 6 && fields[1].equals("rw-s") && isBackend(fields[5], backend)) {
                    String[] range = fields[0].split("-", 2);
                    long length = Long.parseUnsignedLong(range[1], 16) - Long.parseUnsignedLong(range[0], 16);
                    bytes.merge(fields[5], length, Long::sum);
                }
            });
        }
        Set<String> whole = new HashSet<>(bytes.keySet());
        whole.removeIf(name -> bytes.get(name) != lengthBytes);
        return whole;
    }

    private static boolean isBackend(String name, String backend) {
        return name.startsWith(MEMFD) || name.contains(IN_DIRECTORY + backend + ".");
    }
}
