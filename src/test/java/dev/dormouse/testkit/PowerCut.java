package dev.dormouse.testkit;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// What was on a [FaultyDisk], and what was only on its way to it, when the power was cut after a step.
public final class PowerCut {
    private static final int SECTOR_BYTES = 512;
    private final int number;
    private final String step;
    private final Path root;
    private final Map<Path, Object> forcedEntries;
    private final Map<Object, byte[]> forcedContents;
    private final Map<Path, FaultyDisk.Entry> seen;

    PowerCut(
            int number,
            String step,
            Path root,
            Map<Path, Object> forcedEntries,
            Map<Object, byte[]> forcedContents,
            Map<Path, FaultyDisk.Entry> seen) {
        this.number = number;
        this.step = step;
        this.root = root;
        this.forcedEntries = forcedEntries;
        this.forcedContents = forcedContents;
        this.seen = seen;
    }

    /// What becomes of that which was not forced.
    private enum Unforced {
        LOST,
        KEPT,
        /// By sector and by name, some of it lost, some kept, in any order.
        TORN
    }

    /// {@return how many steps were done}
    public int number() {
        return number;
    }

    @Override
    public String toString() {
        return "cut " + number + " after: " + step;
    }

    /// Makes the files what a machine finds that starts again. A file that is as it should be stays the same
    /// file, with its times.
    ///
    /// @param seed 0: what was not forced is lost; 1: it is kept; others: what is lost and kept is drawn
    public void restart(long seed) throws IOException {
        Unforced unforced = seed == 0 ? Unforced.LOST : seed == 1 ? Unforced.KEPT : Unforced.TORN;
        var random = new Random(seed * 31 + number);
        Map<Path, FaultyDisk.Entry> left = left(unforced, random);
        removeOthers(left);
        for (var entry : left.entrySet()) {
            Path path = entry.getKey();
            if (entry.getValue().isFolder()) {
                Files.createDirectories(path);
            } else if (!Files.exists(path)
                    || !Arrays.equals(Files.readAllBytes(path), entry.getValue().content())) {
                Files.write(path, entry.getValue().content());
            }
        }
    }

    private void removeOthers(Map<Path, FaultyDisk.Entry> left) throws IOException {
        try (Stream<Path> files = Files.walk(root)) {
            for (Path file : files.sorted((a, b) -> b.compareTo(a)).toList()) {
                if (!left.containsKey(file) && !file.equals(root)) {
                    Files.delete(file);
                }
            }
        }
    }

    private Map<Path, FaultyDisk.Entry> left(Unforced unforced, Random random) {
        var paths = new TreeSet<>(seen.keySet());
        paths.addAll(forcedEntries.keySet());
        var left = new TreeMap<Path, FaultyDisk.Entry>();
        for (Path path : paths) { // A folder comes before what is in it.
            FaultyDisk.Entry entry = entry(path, unforced, random);
            if (entry != null && (path.equals(root) || left.containsKey(path.getParent()))) {
                left.put(path, entry);
            }
        }
        keepMoved(left, unforced, random);
        return left;
    }

    /// A file that was moved has one of its names, or both: to file systems with a journal a move is one thing.
    private void keepMoved(Map<Path, FaultyDisk.Entry> left, Unforced unforced, Random random) {
        for (var forced : forcedEntries.entrySet()) {
            Path oldName = forced.getKey();
            Object inode = forced.getValue();
            boolean moved = !seen.containsKey(oldName)
                    && seen.values().stream().anyMatch(entry -> entry.inode().equals(inode));
            boolean hasName =
                    left.values().stream().anyMatch(entry -> entry.inode().equals(inode));
            if (moved && !hasName && left.containsKey(oldName.getParent())) {
                byte[] content = latest(inode, forcedContents.getOrDefault(inode, new byte[0]));
                left.put(oldName, mixed(inode, content, unforced, random));
            }
        }
    }

    private FaultyDisk.@Nullable Entry entry(Path path, Unforced unforced, Random random) {
        Object forced = forcedEntries.get(path);
        FaultyDisk.Entry now = seen.get(path);
        boolean keepNew = switch (unforced) {
            case LOST -> false;
            case KEPT -> true;
            case TORN -> random.nextBoolean();
        };
        if (now != null && (keepNew || now.inode().equals(forced))) {
            return now.isFolder() ? now : mixed(now.inode(), now.content(), unforced, random);
        }
        if (forced == null || keepNew) {
            return null;
        }
        // A file that is only a hint is not forced; its name is, as soon as its folder is for another one.
        byte[] content = forcedContents.getOrDefault(forced, new byte[0]);
        return forced instanceof FaultyDisk.Folder
                ? new FaultyDisk.Entry(forced, content)
                : mixed(forced, latest(forced, content), unforced, random);
    }

    private byte[] latest(Object inode, byte[] otherwise) {
        return seen.values().stream()
                .filter(entry -> entry.inode().equals(inode))
                .map(FaultyDisk.Entry::content)
                .findFirst()
                .orElse(otherwise);
    }

    private FaultyDisk.Entry mixed(Object inode, byte[] now, Unforced unforced, Random random) {
        byte[] forced = forcedContents.getOrDefault(inode, new byte[0]);
        return new FaultyDisk.Entry(
                inode,
                switch (unforced) {
                    case LOST -> forced;
                    case KEPT -> now;
                    case TORN -> Arrays.equals(forced, now) ? now : torn(forced, now, random);
                });
    }

    private static byte[] torn(byte[] forced, byte[] now, Random random) {
        byte[] result = Arrays.copyOf(random.nextBoolean() ? forced : now, tornLength(forced, now, random));
        for (int at = 0; at < result.length; at += SECTOR_BYTES) {
            byte[] from = random.nextBoolean() ? forced : now;
            int end = Math.min(result.length, at + SECTOR_BYTES);
            Arrays.fill(result, at, end, (byte) 0);
            System.arraycopy(from, Math.min(at, from.length), result, at, Math.clamp(from.length - at, 0, end - at));
        }
        return result;
    }

    private static int tornLength(byte[] forced, byte[] now, Random random) {
        int shorter = Math.min(forced.length, now.length);
        int longer = Math.max(forced.length, now.length);
        return switch (random.nextInt(3)) {
            case 0 -> shorter;
            case 1 -> longer;
            default -> shorter + random.nextInt(longer - shorter + 1);
        };
    }
}
