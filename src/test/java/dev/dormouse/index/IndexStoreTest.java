package dev.dormouse.index;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.disk.DiskTools;
import dev.dormouse.disk.Layer;
import dev.dormouse.disk.LayerIdentity;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The files of indexes: made while a layer is written, listed, removed, and what a build that ends early
/// leaves.
@Tag("qemu")
class IndexStoreTest {
    private static final int DISK_BYTES = 8 << 20;
    private final DiskTools tools = DiskTools.of("7.2");

    @TempDir
    private Path folder;

    private Layer layer;
    private IndexStore store;

    @BeforeEach
    void makeALayer() throws IOException {
        byte[] content = new byte[DISK_BYTES];
        new Random(5).nextBytes(content);
        layer = new Layer(Files.write(folder.resolve("own.raw"), content).toString(), Layer.Format.RAW);
        store = new IndexStore(folder.resolve("indexes"), tools.qemuImg());
    }

    @Test
    void namesTheLayerOfEachIndex() throws IOException {
        store.open(layer, IndexListener.NONE).index().close();
        Files.write(store.file(layer).resolveSibling("0123456789abcdef.index"), new byte[] {1, 2, 3});

        List<IndexStore.IndexFile> files = store.files();

        assertThat(files).hasSize(2);
        assertThat(files)
                .filteredOn(file -> file.file().equals(store.file(layer)))
                .singleElement()
                .satisfies(file -> assertThat(file.layer()).contains(Path.of(layer.path())))
                .satisfies(file -> assertThat(file.bytes()).isEqualTo(Files.size(file.file())));
        assertThat(files).filteredOn(file -> file.layer().isEmpty()).hasSize(1);
    }

    @Test
    void removesAnIndexThatIsBuiltAgainWhenItIsNeeded() throws IOException {
        store.open(layer, IndexListener.NONE).index().close();

        assertThat(store.remove(store.files().getFirst())).isTrue();

        assertThat(names()).isEmpty();
        IndexStore.Opened again = store.open(layer, IndexListener.NONE);
        again.index().close();
        assertThat(again.built()).isTrue();
    }

    @Test
    void keepsAnIndexThatIsBeingMade() throws IOException {
        store.open(layer, IndexListener.NONE).index().close();
        IndexStore.IndexFile made = store.files().getFirst();
        Files.setLastModifiedTime(Path.of(layer.path()), FileTime.fromMillis(1000)); // It is made anew.
        var removed = new boolean[] {true};

        store.open(layer, (_, _) -> removed[0] = remove(made)).index().close();

        assertThat(removed[0]).isFalse();
        assertThat(store.find(layer)).isPresent().hasValueSatisfying(IndexStoreTest::close);
    }

    @Test
    void leavesNothingOfABuildThatIsCancelled() {
        var cancelled = new IndexListener() {
            @Override
            public void progress(long doneBytes, long totalBytes) {}

            @Override
            public boolean isCancelled() {
                return true;
            }
        };

        assertThatThrownBy(() -> store.open(layer, cancelled)).isInstanceOf(IndexException.class);

        assertThat(names()).containsExactly(store.file(layer).getFileName() + ".lock");
    }

    @Test
    void removesWhatAKilledBuildLeft() throws IOException {
        Files.createDirectories(folder.resolve("indexes"));
        Path left = Files.createFile(Path.of(store.file(layer) + ".01234567.tmp"));

        store.open(layer, IndexListener.NONE).index().close();

        assertThat(left).doesNotExist();
    }

    /// The layer is written while it is indexed; afterwards only what was written is read again.
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void anIndexOfALayerThatIsBeingWrittenIsRightAfterARefresh(boolean before) throws IOException {
        LayerIdentity since = LayerIdentity.of(layer);
        var written = List.of(new ByteRange(3 << 20, 64 << 10), new ByteRange(7 << 20, 4096));
        if (before) {
            write(written, 1);
        }
        store.prepare(since, (_, _) -> write(written, 2)).index().close();
        assertThat(store.isReady(since)).isTrue();

        IndexStore.Opened refreshed = store.refresh(layer, since, written, IndexListener.NONE);
        refreshed.index().close();

        assertThat(refreshed.readBytes()).isEqualTo((64 << 10) + 4096);
        ContentDigest digest = refreshed.index().digest();
        Files.delete(store.file(layer));
        try (BlockIndex fresh = store.open(layer, IndexListener.NONE).index()) {
            assertThat(digest).isEqualTo(fresh.digest());
        }
    }

    private void write(List<ByteRange> ranges, int seed) {
        try (var file = new RandomAccessFile(layer.path(), "rw")) {
            for (ByteRange range : ranges) {
                byte[] bytes = new byte[(int) range.lengthBytes()];
                new Random(seed).nextBytes(bytes);
                file.seek(range.startBytes());
                file.write(bytes);
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private boolean remove(IndexStore.IndexFile file) {
        try {
            return store.remove(file);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static void close(BlockIndex index) {
        try {
            index.close();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private List<String> names() {
        try (Stream<Path> files = Files.list(folder.resolve("indexes"))) {
            return files.map(file -> file.getFileName().toString()).toList();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }
}
