package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.DiskException;
import dev.dormouse.disk.DiskTools;
import dev.dormouse.disk.FrozenDisk;
import dev.dormouse.disk.FrozenDiskView;
import dev.dormouse.disk.Layer;
import dev.dormouse.disk.LayerIdentity;
import dev.dormouse.index.BlockIndex;
import dev.dormouse.index.IndexListener;
import dev.dormouse.index.IndexStore;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Whether the layers of an image still are what they were, before a VM is started on them.
@Tag("qemu")
class FrozenLayersTest {
    private final DiskTools images = DiskTools.of("7.2");

    @TempDir
    private Path folder;

    private Home home;
    private QemuTools tools;

    @BeforeEach
    void makeAHome() throws IOException {
        home = Home.at(folder.resolve("home"), folder.resolve("run").toString());
        tools = QemuTools.locate(null);
    }

    @Test
    void takesCopiesOfAllLayers() throws IOException {
        FrozenDisk disk = frozen(chain());
        for (LayerIdentity layer : disk.layers()) {
            replaceByCopy(Path.of(layer.layer().path()));
        }

        freeze(disk).close();
    }

    @Test
    void refusesAnUpperLayerThatHoldsOtherData() throws IOException {
        BackingChain chain = chain();
        FrozenDisk disk = frozen(chain);

        images.io(Path.of(chain.top().path()), Layer.Format.QCOW2, "write -P 9 2M 4k");

        assertRefused(disk, chain.top());
    }

    /// Its data is the same: only what it hides of the layer below is another thing.
    @Test
    void refusesAnUpperLayerThatHidesMoreOrLess() throws IOException {
        BackingChain chain = chain();
        FrozenDisk disk = frozen(chain);

        images.io(Path.of(chain.top().path()), Layer.Format.QCOW2, "write -z 6M 64k");

        assertRefused(disk, chain.top());
    }

    @Test
    void refusesADataFileThatWasChangedBehindItsLayer() throws IOException {
        Path data = folder.resolve("data");
        Path disk = folder.resolve("with.qcow2");
        images.create("-f", "qcow2", "-o", "data_file=" + data + ",data_file_raw=true", disk.toString(), "8M");
        images.io(disk, Layer.Format.QCOW2, "write -P 1 0 8M");
        var chain = new BackingChain(List.of(new Layer(disk.toString(), Layer.Format.QCOW2)));
        FrozenDisk frozen = frozen(chain);
        assertThat(frozen.layers().getFirst().dataFile()).isNotNull();
        freeze(frozen).close();

        replaceByCopy(data);
        freeze(frozen).close();
        try (var file = new RandomAccessFile(data.toFile(), "rw")) {
            file.seek(1 << 20);
            file.write(77);
        }

        assertRefused(frozen, chain.top());
    }

    /// All that may happen to the disks of a VM while it sleeps.
    @ParameterizedTest
    @ValueSource(strings = {"rewrite", "truncate", "replace", "swap"})
    void refusesADiskThatSaysAnotherThing(String change) throws IOException {
        Path disk = raw("disk.raw", 1);
        Path other = raw("other.raw", 2);
        FrozenDisk first = frozen(new BackingChain(List.of(new Layer(disk.toString(), Layer.Format.RAW))));
        FrozenDisk second = frozen(new BackingChain(List.of(new Layer(other.toString(), Layer.Format.RAW))));
        freeze(first).close();

        switch (change) {
            case "rewrite" -> images.io(disk, Layer.Format.RAW, "write -P 9 1M 4k");
            case "truncate" -> {
                try (var file = new RandomAccessFile(disk.toFile(), "rw")) {
                    file.setLength(2 << 20);
                }
            }
            case "replace" -> Files.copy(other, disk, StandardCopyOption.REPLACE_EXISTING);
            default -> {
                Files.move(disk, folder.resolve("aside"));
                Files.move(other, disk);
                Files.move(folder.resolve("aside"), other);
                assertRefused(second, second.chain().top());
            }
        }

        assertRefused(first, first.chain().top());
    }

    private Path raw(String name, int seed) throws IOException {
        byte[] content = new byte[4 << 20];
        new Random(seed).nextBytes(content);
        return Files.write(folder.resolve(name), content);
    }

    private void assertRefused(FrozenDisk disk, Layer layer) {
        assertThatThrownBy(() -> freeze(disk).close())
                .isInstanceOf(DiskException.class)
                .hasMessageStartingWith(layer.path() + ": disk layer changed since the checkpoint, ");
    }

    private FrozenLayers freeze(FrozenDisk disk) throws IOException {
        return FrozenLayers.freeze(List.of(disk), LayerIndexes.contentCheck(home, tools, OperationListener.NONE));
    }

    /// As a suspend describes it.
    private FrozenDisk frozen(BackingChain chain) throws IOException {
        IndexStore store = LayerIndexes.store(home, tools);
        var digests = new ArrayList<String>();
        for (Layer layer : chain.layers()) {
            try (BlockIndex index = store.open(layer, IndexListener.NONE).index()) {
                digests.add(index.digest().toString());
            }
        }
        try (var view = FrozenDiskView.open(chain, tools.images())) {
            return FrozenDisk.of(chain).withContent(digests, view.upperLayers());
        }
    }

    private BackingChain chain() throws IOException {
        Path base = folder.resolve("base.qcow2");
        Path top = folder.resolve("top.qcow2");
        images.create("-f", "qcow2", base.toString(), "8M");
        images.io(base, Layer.Format.QCOW2, "write -P 1 0 8M");
        images.create("-f", "qcow2", "-b", base.toString(), "-F", "qcow2", top.toString());
        images.io(top, Layer.Format.QCOW2, "write -P 2 2M 1M", "write -z 4M 64k");
        return new BackingChain(
                List.of(new Layer(base.toString(), Layer.Format.QCOW2), new Layer(top.toString(), Layer.Format.QCOW2)));
    }

    private static void replaceByCopy(Path file) throws IOException {
        Path copy = file.resolveSibling(file.getFileName() + ".copy");
        Files.copy(file, copy);
        Files.move(copy, file, StandardCopyOption.REPLACE_EXISTING);
    }
}
