package dev.dormouse.engine;

import dev.dormouse.base.Json;
import dev.dormouse.base.RamBlock;
import dev.dormouse.checkpoint.Capture;
import dev.dormouse.checkpoint.CaptureSource;
import dev.dormouse.checkpoint.SavedStream;
import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.FrozenDisk;
import dev.dormouse.disk.Layer;
import dev.dormouse.image.ImageWriter;
import dev.dormouse.image.WriterOptions;
import dev.dormouse.image.WriterStatistics;
import dev.dormouse.storage.Storage;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/// Makes an image of a migration stream that stock QEMU saved, and a stopped VM suspended with it. That the
/// disks are those of the moment when the stream was saved cannot be seen: it is taken on trust. Until the
/// state is recorded any failure leaves the VM stopped, as it was.
final class ImageImport {
    private final Home home;
    private final QemuTools tools;
    private final Vm vm;
    private final VmConfig config;
    private final OperationListener listener;
    private final long startNanos = System.nanoTime();

    ImageImport(Home home, QemuTools tools, Vm vm, OperationListener listener) throws IOException {
        this.home = home;
        this.tools = tools;
        this.vm = vm;
        this.config = vm.config();
        this.listener = listener;
    }

    ImportResult run(Path stream) throws IOException {
        VmRecord record = vm.record();
        if (record.state() != VmState.STOPPED) {
            throw new VmException("vm %s: is %s, only a stopped VM can take a saved stream"
                    .formatted(vm.name(), record.state().name().toLowerCase(Locale.ROOT)));
        }
        try (FileChannel channel = FileChannel.open(stream, StandardOpenOption.READ)) {
            check(SavedStream.readHead(channel, stream.toString()), stream);
            channel.position(0);
            List<Layer> overlays = Overlays.create(tools.images(), vm, config, record);
            String id = new Images(home).newId(vm.name());
            boolean complete = false;
            try {
                ImportResult result = capture(channel, stream, id, record, overlays);
                complete = true;
                return result;
            } finally {
                if (!complete) {
                    undo(id, record, overlays);
                }
            }
        }
    }

    private void check(SavedStream.Head head, Path stream) throws VmException {
        if (!head.machine().equals(config.machine())) {
            throw new VmException("%s: is of a machine %s, vm %s is %s; create one with '--machine %s'"
                    .formatted(stream, head.machine(), vm.name(), config.machine(), head.machine()));
        }
        String name = config.memoryBackend() == VmConfig.MemoryBackend.ANONYMOUS ? "pc.ram" : QemuCommandLine.MEMORY_ID;
        var expected = new RamBlock(name, config.memoryBytes());
        if (!head.blocks().contains(expected)) {
            throw new VmException("%s: has no RAM block %s of %d bytes as vm %s has, but %s"
                    .formatted(
                            stream,
                            name,
                            config.memoryBytes(),
                            vm.name(),
                            head.blocks().stream()
                                    .map(block -> block.name() + " of " + block.lengthBytes())
                                    .toList()));
        }
    }

    private ImportResult capture(FileChannel channel, Path stream, String id, VmRecord record, List<Layer> overlays)
            throws IOException {
        Capture.WriterFactory factory =
                blocks -> ImageWriter.create(Storage.fileSystem(), home.image(id), blocks, WriterOptions.defaults());
        try (var capture = new Capture(CaptureSource.stream(stream.toString()), factory, progress())) {
            capture.readStream(channel);
            capture.readPaused();
            ImageWriter writer = capture.writer();
            var metadata = new ImageMetadata(
                    id, vm.name(), Vm.now(), tools.qemu().version().numbers(), config, identify(record), 0);
            writer.setMetadata(Json.write(metadata));
            // Whoever has a disk open for writing now, such as the QEMU that saved the stream, is found here.
            try (FrozenLayers _ = FrozenLayers.freeze(metadata)) {
                sync(overlays);
                listener.step("publishing the image");
                writer.publish();
                vm.enter(VmState.SUSPENDED, record.withImage(id, overlays).withGeneration(record.generation() + 1));
            }
            return result(id, channel.size(), writer.statistics());
        }
    }

    private Capture.Progress progress() {
        return new Capture.Progress() {
            @Override
            public void frames(long frames, long frameCount) {
                listener.captured(frames * RamBlock.TARGET_PAGE_BYTES, frameCount * RamBlock.TARGET_PAGE_BYTES);
            }

            @Override
            public void check() {} // Nothing to go back to: an import that is cut off leaves the VM as it is.
        };
    }

    private ImportResult result(String id, long streamBytes, WriterStatistics statistics) throws IOException {
        long pages = statistics.totalPages();
        Path file = home.image(id);
        return new ImportResult(
                vm.name(),
                id,
                file.toString(),
                streamBytes,
                Files.size(file),
                pages * RamBlock.TARGET_PAGE_BYTES,
                (pages - statistics.zeroPages()) * RamBlock.TARGET_PAGE_BYTES,
                Suspend.millisSince(startNanos));
    }

    private static List<FrozenDisk> identify(VmRecord record) throws IOException {
        var disks = new ArrayList<FrozenDisk>();
        for (BackingChain chain : record.chains()) {
            sync(List.of(chain.top()));
            disks.add(FrozenDisk.of(chain));
        }
        return disks;
    }

    private static void sync(List<Layer> layers) throws IOException {
        for (Layer layer : layers) {
            try (FileChannel file = FileChannel.open(Path.of(layer.path()), StandardOpenOption.WRITE)) {
                file.force(true);
            }
        }
    }

    /// What is recorded decides: if the state got through, the image is needed.
    private void undo(String id, VmRecord before, List<Layer> overlays) throws IOException {
        if (vm.record().state() == before.state()) {
            Files.deleteIfExists(home.image(id));
            Overlays.deleteUnused(overlays, before.chains());
        }
    }
}
