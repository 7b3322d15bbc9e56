package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Command;
import dev.dormouse.bench.GuestProbe;
import dev.dormouse.testkit.WriteLog;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What QEMU itself writes while a restored guest writes its disk and the overlay is merged, cut at the flushes: the
/// overlay is sound, the guest's file system recovers, and every file that was flushed before is as it was written.
class WriteReplayTest {
    private static final Duration LONG = EngineFixture.LONG;
    private static final int FILES = 6;

    @TempDir
    Path folder;

    private final Map<String, Long> flushedAt = new LinkedHashMap<>();
    private EngineFixture fixture;
    private Path base;
    private Path overlay;

    @Test
    @Tag("qemu")
    void someFlushes() throws Exception {
        run(3);
    }

    @Test
    @Tag("soak")
    void eachFlush() throws Exception {
        run(Integer.MAX_VALUE);
    }

    private void run(int cuts) throws Exception {
        try (var started = new EngineFixture(folder, loggingQemu())) {
            fixture = started;
            CheckpointTest.bootWithPattern(fixture);
            fixture.suspend("vm1");
            overlay = Path.of(fixture.record("vm1").overlays().getFirst().path());
            base = folder.resolve("vm1.raw");
            Files.copy(base, folder.resolve("base.before"));
            Files.copy(overlay, folder.resolve("overlay.before"));
            resumeAndWrite();
            assertThat(fixture.layers("vm1")).containsExactly("vm1.raw");
            fixture.engine.stop("vm1", true, LONG, OperationListener.NONE);
            Path last = Files.copy(base, folder.resolve("base.last"));
            replay(cuts, expected(last));
        }
    }

    /// A QEMU whose files lie on a node that records what is written.
    private Path loggingQemu() throws IOException {
        Path qemu = QemuTools.locate(null).qemu().path();
        Path script = Files.createDirectories(folder.resolve("bin")).resolve("qemu-system-x86_64");
        Files.writeString(script, """
                #!/bin/bash
                pattern='(.*)"file":[{]"driver":"file","filename":"([^"]*)","drop-cache":false[}](.*)'
                args=()
                for argument in "$@"; do
                  if [[ $argument =~ $pattern ]]; then
                    file=${BASH_REMATCH[2]} log=%s/${BASH_REMATCH[2]##*/}.log
                    : >"$log"
                    argument="${BASH_REMATCH[1]}\\"file\\":{\\"driver\\":\\"blklogwrites\\",\\"read-only\\":false,\\
                \\"file\\":{\\"driver\\":\\"file\\",\\"read-only\\":false,\\"filename\\":\\"$file\\",\\"drop-cache\\":false},\\
                \\"log\\":{\\"driver\\":\\"file\\",\\"read-only\\":false,\\"filename\\":\\"$log\\"}}${BASH_REMATCH[3]}"
                  fi
                  args+=("$argument")
                done
                exec %s "${args[@]}"
                """.formatted(folder, qemu));
        Files.setPosixFilePermissions(script, PosixFilePermissions.fromString("rwx------"));
        for (String tool : List.of("qemu-img", "qemu-nbd", "qemu-io")) {
            Files.createSymbolicLink(script.resolveSibling(tool), qemu.resolveSibling(tool));
        }
        return script;
    }

    /// The guest writes files while its memory arrives, and one more while the overlay is being merged.
    private void resumeAndWrite() throws Exception {
        var running = new CountDownLatch(1);
        CompletableFuture<Void> writer = CompletableFuture.runAsync(
                () -> {
                    try {
                        assertThat(running.await(1, TimeUnit.MINUTES)).isTrue();
                        try (GuestProbe probe = fixture.probe("vm1")) {
                            for (int i = 0; i < FILES; i++) {
                                probe.write("file" + i, i, 200, LONG);
                                flushedAt.put("file" + i, WriteLog.position(log(overlay)));
                            }
                            RestoreStatus.askForHaste(fixture.vm("vm1").sockets());
                            for (int i = 0; i < FILES; i++) {
                                probe.write("later" + i, 100 + i, 200, LONG);
                            }
                        }
                    } catch (IOException | InterruptedException e) {
                        throw new AssertionError(e);
                    }
                },
                task -> Thread.ofPlatform().daemon().start(task)); // The common pool has one thread on two processors.
        fixture.engine.resume("vm1", ChildEngine.slow(), new OperationListener() {
            @Override
            public void running() {
                running.countDown();
            }
        });
        writer.get(2, TimeUnit.MINUTES);
    }

    private Path log(Path file) {
        return folder.resolve(file.getFileName() + ".log");
    }

    private Map<String, byte[]> expected(Path last) throws IOException {
        Path mended = folder.resolve("mended");
        Files.copy(last, mended, StandardCopyOption.REPLACE_EXISTING);
        recover(mended);
        var files = new LinkedHashMap<String, byte[]>();
        for (int i = 0; i < FILES; i++) {
            for (String name : List.of("file" + i, "later" + i)) {
                files.put(name, fileIn(mended, name));
                assertThat(files.get(name)).as(name).hasSize(200 << 10);
            }
        }
        return files;
    }

    private void replay(int cuts, Map<String, byte[]> expected) throws IOException {
        WriteLog overlayLog = WriteLog.open(log(overlay));
        int verified = 0;
        List<Integer> overlayFlushes = overlayLog.flushes();
        for (int entries : sample(overlayFlushes, cuts)) {
            restart(0, null, entries, overlayLog);
            verified +=
                    assertHolds("overlay after %d writes".formatted(entries), flushed(overlayLog, entries), expected);
        }
        WriteLog baseLog = WriteLog.open(log(base));
        List<Integer> baseFlushes = baseLog.flushes();
        assertThat(baseLog.size()).as("writes of the merge").isPositive();
        for (int entries : sample(baseFlushes, cuts)) { // The record names the overlay until the base is complete.
            restart(entries, baseLog, overlayLog.size(), overlayLog);
            List<String> files = flushed(overlayLog, overlayLog.size());
            verified += assertHolds(
                    "overlay above a base after %d writes of the merge".formatted(entries), files, expected);
        }
        System.out.printf(
                "replayed: %d and %d writes, %d and %d flushes, %d files compared%n",
                overlayLog.size(), baseLog.size(), overlayFlushes.size(), baseFlushes.size(), verified);
        assertThat(verified).isPositive();
    }

    private static List<Integer> sample(List<Integer> flushes, int count) {
        if (flushes.size() <= count) {
            return flushes;
        }
        long seed = Long.getLong("dormouse.seed", 7);
        var random = new Random(seed);
        var sample = new ArrayList<Integer>();
        for (int i = 0; i < count - 1; i++) {
            sample.add(flushes.get(random.nextInt(flushes.size())));
        }
        sample.add(flushes.getLast());
        return sample;
    }

    private List<String> flushed(WriteLog log, int entries) {
        return flushedAt.entrySet().stream()
                .filter(file -> log.covers(entries, file.getValue()))
                .map(Map.Entry::getKey)
                .toList();
    }

    private void restart(int baseEntries, @Nullable WriteLog baseLog, int entries, WriteLog log) throws IOException {
        Files.copy(folder.resolve("base.before"), base, StandardCopyOption.REPLACE_EXISTING);
        if (baseLog != null) {
            baseLog.replay(baseEntries, base);
        }
        Files.copy(folder.resolve("overlay.before"), overlay, StandardCopyOption.REPLACE_EXISTING);
        log.replay(entries, overlay);
    }

    private int assertHolds(String what, List<String> files, Map<String, byte[]> expected) throws IOException {
        Path tool = fixture.engine.tools().qemu().imageTool();
        var check = Command.tryRun(List.of(tool.toString(), "check", "-q", "-f", "qcow2", overlay.toString()), LONG);
        assertThat(check.exitCode()).as("%s: %s", what, check).isIn(0, 3); // 3: clusters that nothing uses.
        Path disk = folder.resolve("replayed");
        Command.run(
                List.of(tool.toString(), "convert", "-f", "qcow2", "-O", "raw", overlay.toString(), disk.toString()),
                LONG);
        recover(disk);
        for (String name : files) {
            assertThat(fileIn(disk, name)).as("%s: %s", what, name).isEqualTo(expected.get(name));
        }
        return files.size();
    }

    /// As a guest does when it boots: the journal, and nothing more may be needed.
    private static void recover(Path disk) throws IOException {
        var journal = Command.tryRun(List.of("e2fsck", "-p", disk.toString()), LONG);
        assertThat(journal.exitCode()).as(journal.toString()).isIn(0, 1);
        Command.run(List.of("e2fsck", "-f", "-n", disk.toString()), LONG);
    }

    private byte[] fileIn(Path disk, String name) throws IOException {
        Path file = folder.resolve("dumped");
        Files.deleteIfExists(file);
        Command.run(List.of("debugfs", "-R", "dump /%s %s".formatted(name, file), disk.toString()), LONG);
        return Files.exists(file) ? Files.readAllBytes(file) : new byte[0];
    }
}
