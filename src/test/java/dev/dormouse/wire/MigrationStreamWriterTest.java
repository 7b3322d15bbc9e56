package dev.dormouse.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.GatheringByteChannel;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class MigrationStreamWriterTest {
    private final Recorder channel = new Recorder();
    private final MigrationStreamWriter writer = new MigrationStreamWriter(channel);

    @Test
    void namesTheBlockOnceAndAgainAfterAReconnect() throws IOException {
        writer.beginPart(3, false);
        writer.zeroPage(Streams.ROM, 0);
        writer.zeroPage(Streams.ROM, 4096);
        writer.endPart();
        writer.beginPart(3, false);
        writer.zeroPage(Streams.ROM, 8192);
        writer.flush();

        var second = new Recorder();
        writer.reconnect(second);
        writer.beginPart(3, true);
        writer.zeroPage(Streams.ROM, 0);
        writer.flush();

        String named = "0000000000000002" + "07" + "70632e62696f73" + "00";
        assertThat(channel.hex())
                .isEqualTo("0200000003" + named + "000000000000102200" + "0000000000000010" + "7e00000003"
                        + "0200000003" + "000000000000202200");
        assertThat(second.hex()).isEqualTo("0300000003" + named);
        assertThat(writer.writtenBytes()).isEqualTo(channel.bytes.size() + second.bytes.size());
    }

    @Test
    void dropsWhatWasBufferedForTheOldConnection() throws IOException {
        writer.write(new Command.PostcopyResume());
        assertThat(writer.bufferedBytes()).isEqualTo(5);

        writer.reconnect(new Recorder());

        assertThat(writer.writtenBytes()).isZero();
        assertThat(channel.calls).isZero();
    }

    @Test
    void launchesInOneCallWhateverTheSizeOfTheDeviceState() throws IOException {
        for (int bytes : new int[] {100, 5 << 20}) {
            var sink = new Recorder();
            var blob = new StreamMessage.DeviceState(Streams.section(1, "cpu", new byte[bytes]));

            new MigrationStreamWriter(sink)
                    .launch(
                            Streams.BLOCKS.stream()
                                    .map(Command.PostcopyDiscard::whole)
                                    .toList(),
                            new DevicePackage(blob, OptionalInt.of(3)));

            assertThat(sink.calls).isEqualTo(1);
            assertThat(sink.bytes.size()).isGreaterThan(bytes);
        }
    }

    @Test
    void splitsDiscardsAsQemuDoes() {
        List<Command.Range> ranges = IntStream.range(0, 25)
                .mapToObj(i -> new Command.Range(i * 8192L, 4096))
                .toList();

        var commands = Command.PostcopyDiscard.split("pc.ram", ranges);

        assertThat(commands).extracting(command -> command.ranges().size()).containsExactly(12, 12, 1);
        assertThat(commands.stream().flatMap(command -> command.ranges().stream()))
                .isEqualTo(ranges);
    }

    @Test
    void refusesPagesOutsideAPartAndCommandsInsideOne() throws IOException {
        assertThatIllegalStateException().isThrownBy(() -> writer.zeroPage(Streams.ROM, 0));
        assertThatIllegalStateException().isThrownBy(writer::endPart);

        writer.beginPart(3, false);

        assertThatIllegalStateException().isThrownBy(() -> writer.write(new Command.Ping(1)));
        assertThatIllegalStateException().isThrownBy(() -> writer.beginPart(3, true));
    }

    @Test
    void refusesAPageThatTheBlockDoesNotHave() throws IOException {
        writer.beginPart(3, false);

        for (long offset : new long[] {-4096, 1, Streams.ROM.lengthBytes()}) {
            assertThatIllegalArgumentException().isThrownBy(() -> writer.zeroPage(Streams.ROM, offset));
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> writer.page(Streams.ROM, 0, ByteBuffer.allocate(4095)))
                .withMessage("page of 4095 bytes, 4096 are allowed");
    }

    @Test
    void leavesThePositionOfPageDataAlone() throws IOException {
        ByteBuffer data = Streams.page(1);
        writer.beginPart(3, false);

        writer.page(Streams.ROM, 0, data);

        assertThat(data.position()).isZero();
    }

    @Test
    void limitsTheRangesOfOneDiscardOnBothSides() {
        List<Command.Range> most = ranges(Command.PostcopyDiscard.RANGES_MAX);

        assertThat(new Command.PostcopyDiscard("a", most).ranges()).hasSize(4079);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new Command.PostcopyDiscard("a", ranges(4080)))
                .withMessage("DISCARD with 4080 ranges, 1 to 4079 are allowed");
    }

    private static List<Command.Range> ranges(int count) {
        return new ArrayList<>(java.util.Collections.nCopies(count, new Command.Range(0, 4096)));
    }

    /// Takes everything and counts the calls.
    private static final class Recorder implements GatheringByteChannel {
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        private int calls;

        String hex() {
            return HexFormat.of().formatHex(bytes.toByteArray());
        }

        @Override
        public int write(ByteBuffer source) {
            calls++;
            return take(source);
        }

        @Override
        public long write(ByteBuffer[] sources) {
            calls++;
            return java.util.Arrays.stream(sources).mapToLong(this::take).sum();
        }

        @Override
        public long write(ByteBuffer[] sources, int offset, int length) {
            throw new UnsupportedOperationException();
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() {}

        private int take(ByteBuffer source) {
            byte[] taken = new byte[source.remaining()];
            source.get(taken);
            bytes.writeBytes(taken);
            return taken.length;
        }
    }
}
