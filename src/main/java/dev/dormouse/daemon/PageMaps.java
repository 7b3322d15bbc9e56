package dev.dormouse.daemon;

import dev.dormouse.restore.PageMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The page maps of the last restores, of each VM the newest. A map takes some 200 KiB, so only some are kept. Any
/// thread.
final class PageMaps {
    private static final int KEPT = 16;

    /// The pages of one restore.
    ///
    /// @param operation its id
    record Entry(String operation, PageMap pages) {}

    private final Map<String, Entry> byVm = new LinkedHashMap<>(); // Guarded by this.

    synchronized void begun(String vm, String operation, PageMap pages) {
        byVm.remove(vm); // It goes to the end.
        byVm.put(vm, new Entry(operation, pages));
        if (byVm.size() > KEPT) {
            byVm.remove(byVm.keySet().iterator().next());
        }
    }

    synchronized @Nullable Entry find(String vm) {
        return byVm.get(vm);
    }
}
