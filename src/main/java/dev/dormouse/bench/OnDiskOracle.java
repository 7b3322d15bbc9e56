package dev.dormouse.bench;

import dev.dormouse.base.Command;
import dev.dormouse.disk.BackingChain;
import dev.dormouse.engine.Cancellation;
import dev.dormouse.engine.ExportResult;
import dev.dormouse.engine.OperationListener;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/// Counts by brute force, and by nothing that the product does itself, how many pages of a captured memory
/// stand on the disks: all pages against all aligned blocks, by SHA-256.
final class OnDiskOracle {
    private static final int PAGE = 4096;
    private static final byte[] ZEROES = new byte[PAGE];
    private final BenchEngine bench;

    OnDiskOracle(BenchEngine bench) {
        this.bench = bench;
    }

    /// A page or block by the first half of its SHA-256.
    private record Content(long high, long low) {}

    /// {@return the pages of the main memory that are not zero and stand on a disk}
    long count(Path image) throws IOException {
        Set<Content> blocks = new HashSet<>();
        for (BackingChain chain : bench.engine.images().metadata(image).chains()) {
            Path raw = bench.folder.resolve("disk.raw");
            Command.run(
                    List.of(
                            "qemu-img",
                            "convert",
                            "-U",
                            "-O",
                            "raw",
                            "-f",
                            chain.top().format().qemuName(),
                            chain.top().path(),
                            raw.toString()),
                    Duration.ofMinutes(5));
            visit(raw, blocks::add);
            Files.delete(raw);
        }
        Path memory = bench.folder.resolve("memory.raw");
        ExportResult _ = bench.engine.exportRaw(image, null, memory, OperationListener.NONE, new Cancellation());
        var found = new long[1];
        visit(memory, page -> {
            if (blocks.contains(page)) {
                found[0]++;
            }
        });
        Files.delete(memory);
        return found[0];
    }

    private interface Visitor {
        void visit(Content content);
    }

    private static void visit(Path file, Visitor visitor) throws IOException {
        MessageDigest sha = sha256();
        var page = new byte[PAGE];
        try (InputStream in = new BufferedInputStream(Files.newInputStream(file), 1 << 20)) {
            while (in.readNBytes(page, 0, PAGE) == PAGE) {
                if (!Arrays.equals(page, ZEROES)) {
                    ByteBuffer digest = ByteBuffer.wrap(sha.digest(page));
                    visitor.visit(new Content(digest.getLong(), digest.getLong()));
                }
            }
        }
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }
}
