package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.bench.GuestProbe;
import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.Layer;
import dev.dormouse.disk.LayerIdentity;
import dev.dormouse.engine.VmRequest.DiskRequest;
import dev.dormouse.index.BlockIndex;
import dev.dormouse.index.IndexListener;
import dev.dormouse.index.IndexStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The layers of a running VM are indexed while its guest writes them.
@Tag("qemu")
@Timeout(300)
class VmIndexingTest {
    private static final Duration LONG = EngineFixture.LONG;
    private static final int FILE_KIB = 16 << 10;
    private static final Indexes.Progress QUIET = (_, _, _) -> {};

    @TempDir
    Path folder;

    @Test
    void aSuspendFindsTheIndexThatWasMadeWhileTheGuestWrote() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            fixture.boot(fixture.request("vm1")
                    .withDisks(List.of(new DiskRequest(
                            fixture.asQcow2(fixture.smallDisk("vm1")).toString(), null, null))));
            write(fixture, "before");
            assertThat(fixture.engine.needsIndexing("vm1")).isTrue();

            IndexReport report = fixture.engine.index("vm1", true, QUIET, new Cancellation());

            assertThat(report.layers())
                    .singleElement()
                    .satisfies(layer -> assertThat(layer.built()).isTrue());
            assertThat(fixture.engine.needsIndexing("vm1")).isFalse();
            Object indexFile =
                    Files.getAttribute(Path.of(report.layers().getFirst().index()), "unix:ino");
            write(fixture, "after");
            SuspendResult suspended = fixture.suspend("vm1");

            assertThat(Files.getAttribute(Path.of(report.layers().getFirst().index()), "unix:ino"))
                    .as("the index was refreshed, not built anew")
                    .isEqualTo(indexFile);
            assertThat(fixture.engine
                            .images()
                            .inspect(fixture.home.image(suspended.image()))
                            .pages()
                            .onDisk())
                    .isGreaterThan(2L * FILE_KIB / 4 * 95 / 100);
            fixture.resume("vm1");
            try (GuestProbe probe = fixture.probe("vm1")) {
                probe.check("before", 1, FILE_KIB, LONG);
                probe.check("after", 1, FILE_KIB, LONG);
            }
        }
    }

    @Test
    void isShownAndEndsWithTheVm() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            fixture.boot(fixture.request("vm1"));
            write(fixture, "file");
            var begun = new CountDownLatch(1);
            var stopped = new CountDownLatch(1);
            Indexes.Progress slow = (_, _, _) -> {
                begun.countDown();
                awaitQuietly(stopped);
            };
            CompletableFuture<IndexReport> indexing = CompletableFuture.supplyAsync(() -> index(fixture, slow));
            begun.await();

            assertThat(fixture.engine.status("vm1").indexing()).isNotNull();
            assertThat(fixture.engine
                            .index("vm1", false, QUIET, new Cancellation())
                            .layers())
                    .as("somebody else is at it")
                    .isEmpty();
            fixture.engine.stop("vm1", true, LONG, OperationListener.NONE);
            stopped.countDown();
            indexing.get();

            assertThat(fixture.engine.status("vm1").indexing()).isNull();
            assertThat(fixture.leftovers()).isEmpty();
        }
    }

    @Test
    void aMergeWhileTheVmIsStoppedKeepsTheIndexOfTheBase() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            fixture.boot(fixture.request("vm1"));
            write(fixture, "one");
            SuspendResult first = fixture.checkpoint("vm1");
            write(fixture, "two");
            fixture.engine.images().remove(first.image());
            IndexStore store = LayerIndexes.store(fixture.home, fixture.engine.tools());
            BackingChain before = fixture.record("vm1").chains().getFirst();
            Layer base = before.layers().getFirst();
            assertThat(before.depth()).isEqualTo(2);
            Object indexFile = Files.getAttribute(store.file(base), "unix:ino");

            fixture.engine.stop("vm1", true, LONG, OperationListener.NONE);

            assertThat(fixture.record("vm1").chains().getFirst().depth()).isEqualTo(1);
            assertThat(store.isReady(LayerIdentity.of(base))).isTrue();
            assertThat(Files.getAttribute(store.file(base), "unix:ino")).isEqualTo(indexFile);
            assertThat(store.files()).as("the overlay's is gone").hasSize(1);
            var anew = new IndexStore(
                    folder.resolve("anew"), fixture.engine.tools().images());
            try (BlockIndex kept = store.find(base).orElseThrow();
                    BlockIndex fresh = anew.open(base, IndexListener.NONE).index()) {
                assertThat(kept.digest()).isEqualTo(fresh.digest());
            }
        }
    }

    private static IndexReport index(EngineFixture fixture, Indexes.Progress progress) {
        try {
            return fixture.engine.index("vm1", false, progress, new Cancellation());
        } catch (java.io.IOException e) {
            throw new AssertionError(e);
        }
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }

    private static void write(EngineFixture fixture, String file) throws Exception {
        try (GuestProbe probe = fixture.probe("vm1")) {
            probe.write(file, 1, FILE_KIB, LONG);
            probe.sync(LONG);
            probe.check(file, 1, FILE_KIB, LONG);
        }
    }
}
