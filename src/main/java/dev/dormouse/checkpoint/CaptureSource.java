package dev.dormouse.checkpoint;

import dev.dormouse.image.FrameRanges;
import dev.dormouse.storage.SparseFile;
import org.jspecify.annotations.Nullable;

/// What a capture reads from, apart from QEMU's stream.
///
/// @param resource what errors call it, such as `vm vm1`
/// @param sharedBlock name of the RAM block that is read directly; null: everything comes by stream
/// @param memory file of that block, closed with the capture; null if there is no such block
/// @param disks where pages are looked for
/// @param threads that read and hash, 1 or more
/// @param expected frames of the first block that earlier restores demanded first; hot pages are laid out
///     together unless it is null, also if it is empty
public record CaptureSource(
        String resource,
        @Nullable String sharedBlock,
        @Nullable SparseFile memory,
        DiskLookup disks,
        int threads,
        @Nullable FrameRanges expected) {
    public CaptureSource {
        if ((sharedBlock == null) != (memory == null)) {
            throw new IllegalArgumentException("a shared block and its memory come together");
        }
        if (threads < 1) {
            throw new IllegalArgumentException("threads is " + threads + ", 1 or more is allowed");
        }
    }

    /// {@return a source whose memory comes by stream}
    public static CaptureSource stream(String resource) {
        return new CaptureSource(
                resource,
                null,
                null,
                DiskLookup.NONE,
                Math.clamp(Runtime.getRuntime().availableProcessors(), 1, 8),
                null);
    }

    public CaptureSource withMemory(String block, SparseFile file) {
        return new CaptureSource(resource, block, file, disks, threads, expected);
    }

    public CaptureSource withDisks(DiskLookup lookup) {
        return new CaptureSource(resource, sharedBlock, memory, lookup, threads, expected);
    }

    public CaptureSource withThreads(int count) {
        return new CaptureSource(resource, sharedBlock, memory, disks, count, expected);
    }

    /// {@return the same, which lays out hot pages together}
    public CaptureSource withExpected(FrameRanges frames) {
        return new CaptureSource(resource, sharedBlock, memory, disks, threads, frames);
    }
}
