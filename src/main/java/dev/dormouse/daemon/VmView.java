package dev.dormouse.daemon;

import dev.dormouse.base.RamBlock;
import dev.dormouse.engine.VmStatus;
import dev.dormouse.restore.RestoreReport;
import io.avaje.jsonb.Json;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A VM at one moment, as the API shows it.
///
/// @param state as `dormouse show` has it, or `unreadable` if its records are damaged
/// @param reason why it is stalled or unreadable
/// @param pid of QEMU
/// @param image id of the image that holds its memory
/// @param restoredBytes, toRestoreBytes of a restore under way
/// @param operation id of the newest operation on it that has not ended
/// @param clients how many are connected to it through its fronts
/// @param lastRestore what the last restore came to
@Json
public record VmView(
        String name,
        String state,
        @Nullable String reason,
        @Nullable String since,
        @Nullable Long pid,
        @Nullable Long memoryBytes,
        @Nullable Integer cpus,
        @Nullable String machine,
        @Nullable String accelerator,
        @Nullable String qemuVersion,
        @Nullable String image,
        @Nullable Long imageBytes,
        @Nullable Long restoredBytes,
        @Nullable Long toRestoreBytes,
        @Nullable String vnc,
        @Nullable List<String> forwards,
        @Nullable String operation,
        int clients,
        @Nullable RestoreReport lastRestore) {
    static VmView of(VmStatus vm, @Nullable String operation, int clients) {
        return new VmView(
                vm.name(),
                vm.state(),
                vm.stalledReason(),
                vm.since(),
                vm.pid(),
                vm.memoryBytes(),
                vm.cpus(),
                vm.machine(),
                vm.accelerator(),
                vm.qemuVersion(),
                vm.image(),
                vm.imageBytes(),
                bytes(vm.restored()),
                bytes(vm.toRestore()),
                vm.vnc(),
                vm.forwards(),
                operation,
                clients,
                vm.lastRestore());
    }

    /// Of a VM whose records cannot be read: it must not hide the others.
    static VmView unreadable(String name, String reason) {
        return new VmView(
                name,
                "unreadable",
                reason,
                null,
                null,
                null,
                null,
                null,
                null,
                null,
                null,
                null,
                null,
                null,
                null,
                null,
                null,
                0,
                null);
    }

    private static @Nullable Long bytes(@Nullable Long pages) {
        return pages == null ? null : pages * RamBlock.TARGET_PAGE_BYTES;
    }

    /// Some of the VMs, in the order of their names.
    ///
    /// @param next what to say as `after` for those that follow; null if these are the last ones
    @Json
    public record Page(List<VmView> items, @Nullable String next) {}
}
