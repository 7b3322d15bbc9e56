package dev.dormouse.engine;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.restore.RestoreReport;
import io.avaje.jsonb.Json;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What a VM is now, for people and for `--json`.
///
/// @param state in lower case: what is recorded, corrected by whether QEMU and a page server live; beside
///     the words of [VmState] `stalled` (a page cannot be served, or a disk of the running guest has failed) and
/// `orphaned` (no page server)
/// @param stalledReason why a page cannot be served, or which disk failed and what to do
/// @param pid of QEMU
/// @param standbyPid of a QEMU that waits for the resume of a suspended VM
/// @param image id of the image that holds the memory
/// @param imageBytes what it takes, with the copies of its working set
/// @param forwards ports of the host that lead to the guest, in QEMU's form
/// @param lastRestore what the last restore came to, if there was one
/// @param indexing which layer is being indexed in the background, and how far that is; null if none is
/// @param guestRuns of a restore under way whether its guest runs already
/// @param restored, toRestore non-zero pages placed so far, and in all, of a restore under way
@Json
public record VmStatus(
        String name,
        String state,
        @Nullable String stalledReason,
        @Nullable Long pid,
        @Nullable Long standbyPid,
        long memoryBytes,
        int cpus,
        String machine,
        String accelerator,
        String cpuModel,
        String memoryBackend,
        String qemuVersion,
        @Nullable String image,
        @Nullable Long imageBytes,
        @Nullable Long restored,
        @Nullable Long toRestore,
        @Nullable Boolean guestRuns,
        List<BackingChain> disks,
        @Nullable String vnc,
        List<String> forwards,
        String qmpSocket,
        String since,
        @Nullable RestoreReport lastRestore,
        @Nullable Indexing indexing) {
    /// @param layer path of the layer
    @Json
    public record Indexing(String layer, long doneBytes, long totalBytes) {}
}
