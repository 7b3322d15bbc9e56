package dev.dormouse.engine;

import dev.dormouse.base.RamBlock;
import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.Layer;
import dev.dormouse.disk.LayerServer;
import dev.dormouse.image.ImageReader;
import dev.dormouse.image.PageClass;
import dev.dormouse.restore.EagerRestore;
import dev.dormouse.restore.FlatExport;
import dev.dormouse.restore.PreparedImage;
import dev.dormouse.storage.AtomicFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/// Takes the memory of an image out of it, into a file that needs no Dormouse. The file gets its name when
/// it is complete; every page was compared with its checksum then. The image stays as it is.
final class ImageExport {
    private final Home home;
    private final QemuTools tools;
    private final ImageKeys keys;
    private final Path imageFile;
    private final Path target;
    private final OperationListener listener;
    private final Cancellation cancellation;

    /// @param target must not exist
    ImageExport(
            Home home,
            QemuTools tools,
            ImageKeys keys,
            Path imageFile,
            Path target,
            OperationListener listener,
            Cancellation cancellation)
            throws VmException {
        this.home = home;
        this.tools = tools;
        this.keys = keys;
        this.imageFile = imageFile;
        this.target = target.toAbsolutePath().normalize();
        this.listener = listener;
        this.cancellation = cancellation;
        if (Files.exists(this.target)) {
            throw new VmException(target + ": exists already, choose another name or remove it");
        }
    }

    /// Writes one RAM block as a flat file.
    ///
    /// @param blockName the main one if null
    ExportResult raw(@Nullable String blockName) throws IOException {
        try (ImageReader image = keys.open(home.storage(), imageFile)) {
            ImageMetadata metadata = Images.metadata(image, imageFile);
            try (FrozenLayers _ = hasOnDiskPages(image) ? FrozenLayers.freeze(metadata) : null;
                    PreparedImage prepared = prepare(image, metadata);
                    AtomicFile file = AtomicFile.create(home.storage(), target)) {
                var export = new FlatExport(prepared, listener);
                RamBlock block = blockName == null ? export.mainBlock() : block(image, blockName);
                export.write(block, (bytes, position) -> {
                    checkCancelled();
                    file.writeFully(bytes, position);
                });
                publish(file);
                return new ExportResult(
                        metadata.id(), target.toString(), "raw", block.lengthBytes(), block.name(), List.of());
            }
        }
    }

    /// Writes a migration stream that QEMU restores by itself. The disks have to be those of the image, which
    /// is looked at before.
    ExportResult qemu() throws IOException {
        try (ImageReader image = keys.open(home.storage(), imageFile)) {
            ImageMetadata metadata = Images.metadata(image, imageFile);
            try (FrozenLayers _ = FrozenLayers.freeze(metadata);
                    PreparedImage prepared = prepare(image, metadata);
                    AtomicFile file = AtomicFile.create(home.storage(), target)) {
                var channel = new FileEnd(file, this::checkCancelled);
                new EagerRestore(channel, prepared, listener).run();
                publish(file);
                return new ExportResult(
                        metadata.id(), target.toString(), "qemu", channel.position, null, commands(metadata));
            }
        }
    }

    private void checkCancelled() throws VmException {
        if (cancellation.isWanted()) {
            throw new VmException(target + ": cancelled, nothing is left of it");
        }
    }

    private PreparedImage prepare(ImageReader image, ImageMetadata metadata) throws IOException {
        return PreparedImage.of(image, new FrozenViews(metadata, tools));
    }

    private void publish(AtomicFile file) throws IOException {
        listener.step("syncing the file");
        file.publish();
    }

    private static boolean hasOnDiskPages(ImageReader image) throws IOException {
        var found = new AtomicBoolean();
        if (image.diskCount() > 0) {
            image.forEachNonZero((_, pageClass, _, _) -> {
                if (pageClass == PageClass.ON_DISK) {
                    found.setPlain(true);
                }
            });
        }
        return found.getPlain();
    }

    private RamBlock block(ImageReader image, String name) throws VmException {
        return image.ramBlocks().stream()
                .filter(block -> block.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new VmException("%s: has no RAM block '%s', it has %s"
                        .formatted(
                                imageFile,
                                name,
                                image.ramBlocks().stream().map(RamBlock::name).toList())));
    }

    /// New overlays keep what the guest writes apart from the layers, which the image needs unchanged.
    private List<List<String>> commands(ImageMetadata metadata) throws IOException {
        VmConfig config = metadata.config();
        var sockets = new VmSockets(
                home.runtime().resolve("export-" + metadata.id()),
                home.runtime().resolve("export-" + metadata.id()));
        var commands = new ArrayList<List<String>>();
        commands.add(List.of("mkdir", "-p", "-m", "700", sockets.runtime().toString()));
        var chains = new ArrayList<BackingChain>();
        for (int i = 0; i < config.disks().size(); i++) {
            BackingChain frozen = metadata.chains().get(i);
            BackingChain served = frozen.served();
            if (served != null) {
                Path socket = sockets.layers(config.disks().get(i));
                commands.add(LayerServer.command(served, tools.images(), socket));
            }
            var overlay = new Layer(
                    "%s-%s.qcow2".formatted(target, config.disks().get(i).id()), Layer.Format.QCOW2);
            commands.add(
                    createOverlay(overlay, frozen.top(), config.disks().get(i).sizeBytes()));
            chains.add(frozen.with(overlay));
        }
        var qemu =
                new ArrayList<>(QemuCommandLine.buildWithoutSandbox(tools.qemu().path(), config, chains, sockets));
        qemu.addAll(List.of("-monitor", "stdio", "-incoming", "exec:cat " + ShellWords.quote(target.toString())));
        commands.add(qemu);
        return commands;
    }

    private List<String> createOverlay(Layer overlay, Layer backing, long sizeBytes) throws IOException {
        return List.of(
                tools.qemu().imageTool().toString(),
                "create",
                "-f",
                "qcow2",
                "-b",
                backing.path(),
                "-F",
                backing.format().qemuName(),
                overlay.path(),
                Long.toString(sizeBytes));
    }

    private interface Check {
        void run() throws IOException;
    }

    /// Writes one buffer behind the other.
    private static final class FileEnd implements WritableByteChannel {
        private final AtomicFile file;
        private final Check before;
        private long position;

        FileEnd(AtomicFile file, Check before) {
            this.file = file;
            this.before = before;
        }

        @Override
        public int write(ByteBuffer bytes) throws IOException {
            before.run();
            int count = bytes.remaining();
            file.writeFully(bytes, position);
            position += count;
            return count;
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() {}
    }
}
