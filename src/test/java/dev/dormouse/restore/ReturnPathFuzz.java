package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import dev.dormouse.base.RamLayout;
import dev.dormouse.restore.DemandQueue.Demand;
import dev.dormouse.wire.ProtocolException;
import dev.dormouse.wire.ReturnPathMessage;
import dev.dormouse.wire.ReturnPathReader;
import dev.dormouse.wire.ReturnPathWriter;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.channels.Channels;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.List;

/// Fuzz target: what QEMU says on the return path.
///
/// Invariants: it is refused with a [ProtocolException] of one line, or every page that it demands is one of the
/// guest's.
public final class ReturnPathFuzz {
    private static final RamBlock RAM = new RamBlock("ram", 100 * 4096);
    private static final RamBlock HUGE = new RamBlock("huge", 8 << 20, 2 << 20);
    private static final List<RamBlock> BLOCKS = List.of(RAM, HUGE);

    private ReturnPathFuzz() {}

    public static void fuzzerTestOneInput(byte[] data) throws IOException, InterruptedException {
        var layout = new RamLayout(BLOCKS);
        long frames = BLOCKS.stream().mapToLong(RamBlock::frameCount).sum();
        var reader = new ReturnPathReader(Channels.newChannel(new ByteArrayInputStream(data)), "vm7", BLOCKS);
        var demands = new DemandQueue();
        var path = new ReturnPath(reader, layout, demands);
        try {
            // Reader and server take turns in this thread: a thread for each input would leave no time for inputs.
            // No event demands more than the queue holds.
            while (path.readOne()) {
                takeAll(demands, frames);
            }
        } catch (ProtocolException e) {
            if (!e.getMessage().startsWith("vm7: ") || e.getMessage().contains("\n")) {
                throw new AssertionError("error that does not name the return path in one line", e);
            }
        }
        takeAll(demands, frames);
    }

    private static void takeAll(DemandQueue demands, long frames) {
        for (Demand demand = demands.poll(); demand != null; demand = demands.poll()) {
            if (demand.frame() < 0 || demand.frame() >= frames) {
                throw new AssertionError("page " + demand.frame() + " is demanded, the guest has " + frames);
            }
        }
    }

    public static List<byte[]> seeds(Path folder) throws IOException {
        var out = new ByteArrayOutputStream();
        var writer = new ReturnPathWriter(Channels.newChannel(out));
        var received = new BitSet();
        received.set(3, 50);
        for (ReturnPathMessage message : List.<ReturnPathMessage>of(
                new ReturnPathMessage.Pong(1),
                new ReturnPathMessage.RequestBlockPages(4096, 4096, "ram"),
                new ReturnPathMessage.RequestPages(99 * 4096, 4096),
                new ReturnPathMessage.RequestBlockPages(6 << 20, 2 << 20, "huge"),
                new ReturnPathMessage.RequestPages(0, 4 << 20),
                new ReturnPathMessage.RecvBitmap("ram", 100, received),
                new ReturnPathMessage.ResumeAck(1),
                new ReturnPathMessage.SwitchoverAck(),
                new ReturnPathMessage.Shut(0))) {
            writer.write(message);
        }
        return List.of(out.toByteArray());
    }
}
