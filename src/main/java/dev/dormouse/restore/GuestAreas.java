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
import java.util.Optional;
import java.util.TreeMap;

/// Where a QEMU that listens for postcopy has its RAM blocks in its address space: the areas that it has
/// registered with userfaultfd, one for each block (`VmFlags` with `um` in `/proc/PID/smaps`).
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
    /// @param shared whether it is a mapping that others may share (`sh`)
    record Area(long address, boolean shared) {}

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

    /// {@return the area of the block in QEMU, if it is known for certain}
    Optional<Area> area(RamBlock block) {
        return Optional.ofNullable(areas.get(block.name()));
    }

    /// {@return the registered areas by length}
    static Map<Long, List<Area>> registered(List<String> smaps) {
        var result = new TreeMap<Long, List<Area>>();
        long start = 0;
        long end = 0;
        for (String line : smaps) {
            String first = line.substring(0, Math.max(0, line.indexOf(' ')));
            int dash = first.indexOf('-');
            if (dash > 0 && !first.endsWith(":")) {
                start = Long.parseUnsignedLong(first.substring(0, dash), 16);
                end = Long.parseUnsignedLong(first.substring(dash + 1), 16);
            } else if (line.startsWith("VmFlags:") && line.contains(" um")) {
                result.computeIfAbsent(end - start, _ -> new ArrayList<>()).add(new Area(start, line.contains(" sh")));
            }
        }
        return result;
    }
}
