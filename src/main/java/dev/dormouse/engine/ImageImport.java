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
import dev.dormouse.image.WriterStatistics;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/// Makes an image of a migration stream that stock QEMU saved, and a stopped VM suspended with it. That the
/// disks are those of the moment when the stream was saved cannot be seen: it is taken on trust. While it is
/// under way the state is *suspending*, so that [Settle] ends what was cut off as it ends a suspend: until the
/// image is published any failure leaves the VM stopped, as it was.
final class ImageImport {
    private final Home home;
    private final QemuTools tools;
    private final Vm vm;
    private final VmConfig config;
    private final OperationListener listener;
    private final Cancellation cancellation;
    private final long startNanos = System.nanoTime();

    ImageImport(Home home, QemuTools tools, Vm vm, OperationListener listener, Cancellation cancellation)
            throws IOException {
        this.home = home;
        this.tools = tools;
        this.vm = vm;
        this.config = vm.config();
        this.listener = listener;
        this.cancellation = cancellation;
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
            String id = new Images(home).newId(vm.name());
            var metadata = new ImageMetadata(
                    id, vm.name(), Vm.now(), tools.qemu().version().numbers(), config, identify(record), 0, null);
            // Whoever has a disk open for writing, such as the QEMU that saved the stream, is found here.
            try (FrozenLayers _ = FrozenLayers.freeze(metadata)) {
                return suspend(channel, stream, metadata, record);
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

    private ImportResult suspend(FileChannel channel, Path stream, ImageMetadata metadata, VmRecord record)
            throws IOException {
        List<Layer> overlays = Overlays.create(tools.images(), vm, config, record);
        VmRecord during = record.withImage(metadata.id(), overlays).withGeneration(record.generation() + 1);
        boolean complete = false;
        try {
            vm.enter(VmState.SUSPENDING, during);
            ImportResult result = capture(channel, stream, metadata);
            vm.enter(VmState.SUSPENDED, during);
            complete = true;
            return result;
        } catch (IOException e) {
            checkCancelled(); // Whatever it broke off with was our doing then.
            throw e;
        } finally {
            if (!complete) {
                undo(metadata.id(), overlays);
            }
        }
    }

    private ImportResult capture(FileChannel channel, Path stream, ImageMetadata metadata) throws IOException {
        Path file = home.image(metadata.id());
        Capture.WriterFactory factory =
                blocks -> ImageWriter.create(home.storage(), file, blocks, ImageKeys.writerOptions(config.imageKey()));
        try (var capture = new Capture(CaptureSource.stream(stream.toString()), factory, progress())) {
            capture.readStream(new StreamFile(channel));
            capture.readPaused();
            ImageWriter writer = capture.writer();
            writer.setMetadata(Json.write(metadata));
            listener.step("publishing the image");
            writer.publish();
            return result(metadata.id(), channel.size(), writer.statistics());
        }
    }

    private Capture.Progress progress() {
        return new Capture.Progress() {
            @Override
            public void frames(long frames, long frameCount) {
                listener.captured(frames * RamBlock.TARGET_PAGE_BYTES, frameCount * RamBlock.TARGET_PAGE_BYTES);
            }

            @Override
            public void check() throws IOException {
                checkCancelled();
            }
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

    private List<FrozenDisk> identify(VmRecord record) throws IOException {
        var disks = new ArrayList<FrozenDisk>();
        for (BackingChain chain : record.chains()) {
            home.storage().force(Path.of(chain.top().path()));
            listener.step("looking at what %s holds".formatted(chain.top().path()));
            disks.add(LayerIndexes.described(home, tools, FrozenDisk.of(chain)));
        }
        return disks;
    }

    private void checkCancelled() throws VmException {
        if (cancellation.isWanted()) {
            throw new VmException("vm %s: cancelled, it stays stopped".formatted(vm.name()));
        }
    }

    /// What is recorded decides: if the last state got through, the image is needed.
    private void undo(String id, List<Layer> overlays) throws IOException {
        VmRecord now = vm.record();
        if (now.state() == VmState.SUSPENDING) {
            home.storage().deleteIfExists(home.image(id));
            new Settle(home, tools, vm).run();
        } else if (now.state() == VmState.STOPPED) {
            Overlays.deleteUnused(home.storage(), overlays, now.chains());
        }
    }

    /// The file, read with an ear for Ctrl-C.
    private final class StreamFile implements ReadableByteChannel {
        private final FileChannel file;

        StreamFile(FileChannel file) {
            this.file = file;
        }

        @Override
        public int read(ByteBuffer into) throws IOException {
            checkCancelled();
            return file.read(into);
        }

        @Override
        public boolean isOpen() {
            return file.isOpen();
        }

        @Override
        public void close() throws IOException {
            file.close();
        }
    }
}
