package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import java.io.IOException;
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
    private final Map<String, Long> addresses;

    private GuestAreas(Map<String, Long> addresses) {
        this.addresses = addresses;
    }

    /// {@return the areas, once QEMU has registered all of them: block by block, so fewer may be there yet;
    /// empty until the lengths of areas and blocks are the same}
    static Optional<GuestAreas> find(long pid, List<RamBlock> blocks) throws IOException {
        return match(Files.readAllLines(Path.of("/proc/" + pid + "/smaps")), blocks);
    }

    /// As [#find], of the lines of an `smaps`.
    static Optional<GuestAreas> match(List<String> smaps, List<RamBlock> blocks) {
        Map<Long, List<Long>> startsByLength = registered(smaps);
        var expected = new TreeMap<Long, Integer>();
        blocks.forEach(block -> expected.merge(block.lengthBytes(), 1, Integer::sum));
        var found = new TreeMap<Long, Integer>();
        startsByLength.forEach((length, starts) -> found.put(length, starts.size()));
        if (!found.equals(expected)) {
            return Optional.empty();
        }
        var addresses = new HashMap<String, Long>();
        for (RamBlock block : blocks) {
            List<Long> starts = startsByLength.getOrDefault(block.lengthBytes(), List.of());
            if (starts.size() == 1) {
                addresses.put(block.name(), starts.getFirst());
            }
        }
        return Optional.of(new GuestAreas(addresses));
    }

    /// {@return the address of the block in QEMU, if it is known for certain}
    Optional<Long> address(RamBlock block) {
        return Optional.ofNullable(addresses.get(block.name()));
    }

    /// {@return the start addresses of the registered areas, by length}
    static Map<Long, List<Long>> registered(List<String> smaps) {
        var result = new TreeMap<Long, List<Long>>();
        long start = 0;
        long end = 0;
        for (String line : smaps) {
            String first = line.substring(0, Math.max(0, line.indexOf(' ')));
            int dash = first.indexOf('-');
            if (dash > 0 && !first.endsWith(":")) {
                start = Long.parseUnsignedLong(first.substring(0, dash), 16);
                end = Long.parseUnsignedLong(first.substring(dash + 1), 16);
            } else if (line.startsWith("VmFlags:") && line.contains(" um")) {
                result.computeIfAbsent(end - start, _ -> new ArrayList<>()).add(start);
            }
        }
        return result;
    }
}
