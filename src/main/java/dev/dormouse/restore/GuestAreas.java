package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// Where a QEMU that listens for postcopy has its RAM blocks in its address space: the areas that it has
/// registered with userfaultfd, one for each block (`VmFlags` with `um` in `/proc/PID/smaps`). Before that it can
/// only be guessed ([#likely]).
///
/// Areas are matched to blocks by their length alone, so only a block whose length no other block has
/// gets an address. Blocks of equal length do occur: `pc.rom` and the ACPI tables, equal NUMA nodes.
final class GuestAreas {
    private final Map<String, Area> areas;

    private GuestAreas(Map<String, Area> areas) {
        this.areas = areas;
    }

    /// A registered area.
    ///
    /// @param address of its first byte in QEMU
    /// @param file what is mapped there, of a mapping that others may share (`sh`)
    record Area(long address, @Nullable MappedFile file) {
        boolean shared() {
            return file != null;
        }
    }

    /// A file that is mapped, as the kernel lists it.
    ///
    /// @param name its path; of one that was removed with ` (deleted)`
    /// @param offset of the byte that is mapped first
    record MappedFile(String name, long inode, long offset) {
        /// @param header the first line of an area: addresses, permissions, offset, device, inode, name
        private static MappedFile of(String header) {
            String[] fields = header.strip().split(" +", 6); // The name may hold blanks.
            return new MappedFile(
                    fields.length == 6 ? fields[5] : "",
                    Long.parseLong(fields[4]),
                    Long.parseUnsignedLong(fields[2], 16));
        }
    }

    /// {@return the areas, once QEMU has registered all of them: block by block, so fewer may be there yet;
    /// empty until the lengths of areas and blocks are the same}
    static Optional<GuestAreas> find(long pid, List<RamBlock> blocks) throws IOException {
        try {
            return match(Files.readAllLines(Path.of("/proc/" + pid + "/smaps")), blocks);
        } catch (AccessDeniedException e) {
            throw new RestoreException(
                    "process %d: its memory areas cannot be seen; the right to ptrace it is needed".formatted(pid), e);
        }
    }

    /// {@return the registered areas by length}
    static Map<Long, List<Area>> registered(long pid) throws IOException {
        return registered(Files.readAllLines(Path.of("/proc/" + pid + "/smaps")));
    }

    /// As [#find], of the lines of an `smaps`.
    static Optional<GuestAreas> match(List<String> smaps, List<RamBlock> blocks) {
        Map<Long, List<Area>> areasByLength = registered(smaps);
        var expected = new TreeMap<Long, Integer>();
        blocks.forEach(block -> expected.merge(block.lengthBytes(), 1, Integer::sum));
        var found = new TreeMap<Long, Integer>();
        areasByLength.forEach((length, same) -> found.put(length, same.size()));
        if (!found.equals(expected)) {
            return Optional.empty();
        }
        var certain = new HashMap<String, Area>();
        for (RamBlock block : blocks) {
            List<Area> same = areasByLength.getOrDefault(block.lengthBytes(), List.of());
            if (same.size() == 1) {
                certain.put(block.name(), same.getFirst());
            }
        }
        return Optional.of(new GuestAreas(certain));
    }

    /// {@return where a QEMU that has not registered anything yet is likely to have them: areas as it maps them for
    /// its RAM blocks (private, not for its children, in huge pages) whose length only one block has} Whether they
    /// are it is for the caller to find out. None where they cannot be seen.
    static GuestAreas likely(long pid, List<RamBlock> blocks) {
        try {
            return likely(Files.readAllLines(Path.of("/proc/" + pid + "/smaps")), blocks);
        } catch (IOException _) {
            return new GuestAreas(Map.of());
        }
    }

    /// As [#likely], of the lines of an `smaps`.
    static GuestAreas likely(List<String> smaps, List<RamBlock> blocks) {
        Map<Long, List<Area>> areas = byLength(
                smaps,
                flags -> flags.contains(" dc")
                        && flags.contains(" hg")
                        && !flags.contains(" sh")
                        && !flags.contains(" um"));
        Map<Long, Long> blocksByLength =
                blocks.stream().collect(Collectors.groupingBy(RamBlock::lengthBytes, Collectors.counting()));
        var likely = new HashMap<String, Area>();
        for (RamBlock block : blocks) {
            List<Area> same = areas.getOrDefault(block.lengthBytes(), List.of());
            if (same.size() == 1 && Objects.equals(blocksByLength.get(block.lengthBytes()), 1L)) {
                likely.put(block.name(), same.getFirst());
            }
        }
        return new GuestAreas(likely);
    }

    /// {@return the area of the block in QEMU, if it is known for certain}
    Optional<Area> area(RamBlock block) {
        return Optional.ofNullable(areas.get(block.name()));
    }

    /// {@return the registered areas by length}
    static Map<Long, List<Area>> registered(List<String> smaps) {
        return byLength(smaps, flags -> flags.contains(" um"));
    }

    private static Map<Long, List<Area>> byLength(List<String> smaps, Predicate<String> wanted) {
        var result = new TreeMap<Long, List<Area>>();
        String header = "";
        long start = 0;
        long end = 0;
        for (String line : smaps) {
            String first = line.substring(0, Math.max(0, line.indexOf(' ')));
            int dash = first.indexOf('-');
            if (dash > 0 && !first.endsWith(":")) {
                header = line;
                start = Long.parseUnsignedLong(first.substring(0, dash), 16);
                end = Long.parseUnsignedLong(first.substring(dash + 1), 16);
            } else if (line.startsWith("VmFlags:") && wanted.test(line)) {
                var file = line.contains(" sh") ? MappedFile.of(header) : null;
                result.computeIfAbsent(end - start, _ -> new ArrayList<>()).add(new Area(start, file));
            }
        }
        return result;
    }
}
