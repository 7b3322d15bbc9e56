package dev.dormouse.wire;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.RamBlock;
import dev.dormouse.wire.StreamMessage.Configuration;
import dev.dormouse.wire.StreamMessage.EndOfPages;
import dev.dormouse.wire.StreamMessage.EndOfStream;
import dev.dormouse.wire.StreamMessage.Header;
import dev.dormouse.wire.StreamMessage.Page;
import dev.dormouse.wire.StreamMessage.RamPart;
import dev.dormouse.wire.StreamMessage.RamStart;
import dev.dormouse.wire.StreamMessage.Subsection;
import dev.dormouse.wire.StreamMessage.ZeroPage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;
import org.junit.jupiter.api.Test;

class StreamRoundTripTest {
    private static final int RANDOM_STREAMS = 60;

    @Test
    void readsBackTheCaptureThatItWrote() throws IOException {
        assertThat(Streams.read(Streams.write(Streams.capture()))).isEqualTo(Streams.capture());
    }

    @Test
    void readsBackTheRestoreThatItWrote() throws IOException {
        assertThat(Streams.read(Streams.write(Streams.postcopy()))).isEqualTo(Streams.postcopy());
    }

    @Test
    void readsABackgroundSnapshotWhichHasNoLastPart() throws IOException {
        var messages = new ArrayList<>(Streams.capture());
        messages.removeIf(message -> message instanceof RamPart part && part.last());
        messages.subList(8, 11).clear(); // SWITCHOVER_START and what the last part held.

        assertThat(Streams.read(Streams.write(messages))).isEqualTo(messages);
    }

    @Test
    void readsBackRandomStreamsHoweverTheyAreCutIntoReads() throws IOException {
        long seed = Streams.seed();
        var random = new Random(seed);
        for (int i = 0; i < RANDOM_STREAMS; i++) {
            List<StreamMessage> messages = randomCapture(random);
            var channel = Streams.dripping(Streams.write(messages), random);

            var reader = new MigrationStreamReader(channel, "vm7", CaptureOptions.defaults(), 16 << 10);

            assertThat(Streams.readAll(reader))
                    .as("seed %d, stream %d", seed, i)
                    .isEqualTo(messages);
        }
    }

    @Test
    void readsBackEveryCommand() throws IOException {
        long seed = Streams.seed();
        var random = new Random(seed);
        var messages = new ArrayList<StreamMessage>(
                List.of(new Header(), new Configuration("microvm", List.of()), new RamStart(7, Streams.BLOCKS)));
        for (int i = 0; i < 200; i++) {
            messages.add(randomCommand(random));
        }
        messages.add(new Command.Packaged(new byte[300_000])); // More than the writer's buffer.
        messages.addAll(List.of(new RamPart(7, true), new EndOfPages(), new EndOfStream()));

        assertThat(Streams.read(Streams.write(messages))).as("seed %d", seed).isEqualTo(messages);
    }

    @Test
    void readsBackAllSubsectionsAndStripsThem() throws IOException {
        var configuration = new Configuration(
                "virt",
                List.of(
                        new Subsection(Subsection.TARGET_PAGE_BITS, 1, new byte[] {0, 0, 0, 12}),
                        Subsection.ofCapabilities(List.of("x-ignore-shared")),
                        new Subsection(Subsection.UUID, 1, new byte[16])));
        var messages = new ArrayList<>(Streams.capture());
        messages.set(1, configuration);
        messages.set(2, new RamStart(Streams.RAM_ID, 4, Streams.BLOCKS, List.of(0L, 0xfffc_0000L)));

        var read =
                Streams.read(Streams.write(messages), CaptureOptions.defaults().withIgnoreShared(true));

        assertThat(read).isEqualTo(messages);
        assertThat(configuration.capabilities()).containsExactly("x-ignore-shared");
        assertThat(configuration.withoutCapabilities().withoutUuid().subsections())
                .hasSize(1);
    }

    @Test
    void sendsPageSizesOfHugeBlocksOnlyInPostcopy() throws IOException {
        var huge = new RamBlock("mem", 4 << 20, 2 << 20);
        var messages = new ArrayList<StreamMessage>(
                List.of(new Header(), new Configuration("q35", List.of()), Command.PostcopyAdvise.of(List.of(huge))));
        messages.addAll(List.of(new RamStart(7, List.of(huge)), new Command.Packaged(new byte[0])));
        messages.addAll(List.of(new RamPart(7, true), new EndOfPages(), new EndOfStream()));
        var options = CaptureOptions.defaults().withBlockPageSize("mem", 2 << 20);

        byte[] advised = Streams.write(messages);
        messages.remove(2);
        byte[] plain = Streams.write(messages);

        assertThat(advised.length - plain.length).isEqualTo(5 + 16 + 8);
        assertThat(Streams.read(plain, options)).isEqualTo(messages);
        assertThat(Streams.read(advised, options)).hasSize(messages.size() + 1);
    }

    @Test
    void readsTheConnectionOfARecoveryFromItsFirstCommand() throws IOException {
        List<StreamMessage> messages = List.of(
                new Command.RecvBitmap("pc.ram"),
                new Command.RecvBitmap("pc.bios"),
                new Command.PostcopyResume(),
                new RamPart(Streams.RAM_ID, true),
                new Page(Streams.RAM, 4096, Streams.page(5)),
                new EndOfPages(),
                new EndOfStream());
        var channel = Streams.channel(Streams.write(messages));

        var reader = MigrationStreamReader.ofRecovery(channel, "vm7", Streams.RAM_ID, Streams.BLOCKS);

        assertThat(Streams.readAll(reader)).isEqualTo(messages);
    }

    @Test
    void takesThePackageApartAgain() throws IOException {
        for (var ping : List.of(OptionalInt.empty(), OptionalInt.of(0x7e00_0000))) {
            var devices = new DevicePackage(Streams.devices(), ping);

            assertThat(DevicePackage.decode(devices.encode(), "vm7")).isEqualTo(devices);
        }
    }

    private static List<StreamMessage> randomCapture(Random random) {
        var messages = new ArrayList<StreamMessage>();
        int ramId = random.nextInt();
        var blocks = new ArrayList<RamBlock>();
        for (int i = 0; i <= random.nextInt(5); i++) {
            blocks.add(new RamBlock(name(random) + i, 4096L * (1 + random.nextInt(100))));
        }
        messages.add(new Header());
        messages.add(new Configuration(name(random), List.of()));
        messages.add(new RamStart(ramId, blocks));
        int parts = 1 + random.nextInt(4);
        for (int i = 1; i <= parts; i++) {
            messages.add(new RamPart(ramId, i == parts));
            for (int count = random.nextInt(40); count > 0; count--) {
                messages.add(randomPage(random, blocks.get(random.nextInt(blocks.size()))));
            }
            messages.add(new EndOfPages());
            messages.add(new Command.Ping(random.nextInt()));
        }
        messages.addAll(List.of(Streams.devices(), Streams.description(), new EndOfStream()));
        return messages;
    }

    private static StreamMessage randomPage(Random random, RamBlock block) {
        long offset = 4096L * random.nextInt((int) block.frameCount());
        return random.nextBoolean()
                ? new ZeroPage(block, offset)
                : new Page(block, offset, Streams.page(random.nextLong()));
    }

    private static Command randomCommand(Random random) {
        return switch (random.nextInt(10)) {
            case 0 -> new Command.OpenReturnPath();
            case 1 -> new Command.Ping(random.nextInt());
            case 2 -> new Command.PostcopyAdvise(4096, 4096);
            case 3 -> new Command.PostcopyListen();
            case 4 -> new Command.PostcopyRun();
            case 5 -> randomDiscard(random);
            case 6 -> new Command.Packaged(new byte[random.nextInt(9000)]);
            case 7 -> new Command.PostcopyResume();
            case 8 -> new Command.RecvBitmap(name(random));
            default -> new Command.Other(12 + random.nextInt(60_000), new byte[random.nextInt(65_536)]);
        };
    }

    private static Command randomDiscard(Random random) {
        var ranges = new ArrayList<Command.Range>();
        for (int i = 0; i <= random.nextInt(30); i++) {
            ranges.add(new Command.Range(4096L * random.nextInt(1 << 30), 4096));
        }
        return new Command.PostcopyDiscard(name(random), ranges);
    }

    private static String name(Random random) {
        var name = new StringBuilder();
        for (int i = 0; i <= random.nextInt(250); i++) {
            name.append((char) (0x20 + random.nextInt(0x5f)));
        }
        return name.toString();
    }
}
