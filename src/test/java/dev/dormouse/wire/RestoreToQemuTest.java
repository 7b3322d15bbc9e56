package dev.dormouse.wire;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.RamBlock;
import dev.dormouse.wire.StreamMessage.EndOfStream;
import dev.dormouse.wire.StreamMessage.Header;
import dev.dormouse.wire.StreamMessage.RamStart;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Gives a captured guest back to a real QEMU page by page, captures it once more from there and
/// compares the memory. The smallest possible source: it answers requests until the devices are loaded,
/// then sends the rest.
@Tag("qemu")
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class RestoreToQemuTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @CsvSource({"installed, q35", "installed, pc", "10, q35"})
    void restoresByPostcopyWhatWasCaptured(String version, String machine) throws Exception {
        var first = capture(version, machine);

        try (var qemu = incoming(version, machine)) {
            Set<Capture.Place> sent = new HashSet<>();
            try (var channel = qemu.incoming()) {
                var writer = new MigrationStreamWriter(channel);
                var answers = launch(writer, channel, first);
                serveUntilLoaded(writer, answers, first, sent);
                finish(writer, answers, first, sent);
            }
            assertSameMemory(qemu, first);
        }
    }

    @ParameterizedTest
    @CsvSource({"installed, q35", "10, q35"})
    void recoversAfterTheSourceIsGone(String version, String machine) throws Exception {
        var first = capture(version, machine);

        try (var qemu = incoming(version, machine)) {
            Set<Capture.Place> sent = new HashSet<>();
            try (var channel = qemu.incoming()) {
                var writer = new MigrationStreamWriter(channel);
                serveUntilLoaded(writer, launch(writer, channel, first), first, sent);
                qemu.await("query-status", "status", "paused"); // RUN is done.
            }
            try (var channel = qemu.recover()) {
                var writer = new MigrationStreamWriter(channel);
                var answers = answers(channel, first);
                assertThat(received(writer, answers, first)).isEqualTo(sent);
                finish(writer, answers, first, sent);
            }
            assertSameMemory(qemu, first);
        }
    }

    private Capture capture(String version, String machine) throws Exception {
        try (var qemu = new PausedQemu(command(version, machine), folder)) {
            return qemu.capture(CaptureOptions.defaults());
        }
    }

    private PausedQemu incoming(String version, String machine) throws Exception {
        List<String> command = command(version, machine);
        command.addAll(List.of("-incoming", "defer"));
        return new PausedQemu(command, folder);
    }

    private static List<String> command(String version, String machine) {
        List<String> command = new ArrayList<>(PausedQemu.executable(version));
        command.addAll(List.of("-M", machine + ",accel=tcg", "-m", "64"));
        return command;
    }

    private static ReturnPathReader launch(MigrationStreamWriter writer, SocketChannel channel, Capture capture)
            throws IOException {
        RamStart start = capture.start;
        writer.write(new Header());
        writer.write(capture.configuration.withoutCapabilities());
        writer.write(new Command.OpenReturnPath());
        writer.write(new Command.Ping(1));
        writer.write(Command.PostcopyAdvise.of(start.blocks()));
        writer.write(new RamStart(start.sectionId(), start.blocks()));
        writer.launch(
                start.blocks().stream().map(Command.PostcopyDiscard::whole).toList(),
                new DevicePackage(capture.devices, OptionalInt.of(3)));
        return answers(channel, capture);
    }

    private static ReturnPathReader answers(SocketChannel channel, Capture capture) {
        return new ReturnPathReader(channel, "qemu", capture.start.blocks());
    }

    private static void serveUntilLoaded(
            MigrationStreamWriter writer, ReturnPathReader answers, Capture capture, Set<Capture.Place> sent)
            throws IOException {
        while (true) {
            switch (answers.next().orElseThrow()) {
                case ReturnPathMessage.Pong(int value) -> {
                    if (value == 3) {
                        return;
                    }
                }
                case PageRequest(RamBlock block, long offset, int _) ->
                    send(writer, capture, List.of(new Capture.Place(block, offset)), sent, false);
                default -> throw new AssertionError("not before the guest runs");
            }
        }
    }

    private static Set<Capture.Place> received(MigrationStreamWriter writer, ReturnPathReader answers, Capture capture)
            throws IOException {
        Set<Capture.Place> received = new HashSet<>();
        for (RamBlock block : capture.start.blocks()) {
            writer.write(new Command.RecvBitmap(block.name()));
            writer.flush();
            var bitmap = (ReturnPathMessage.RecvBitmap) answers.next().orElseThrow();
            assertThat(bitmap.block()).isEqualTo(block.name());
            bitmap.received().stream().forEach(frame -> received.add(new Capture.Place(block, frame * 4096L)));
        }
        writer.write(new Command.PostcopyResume());
        writer.flush();
        assertThat(answers.next()).contains(new ReturnPathMessage.ResumeAck(1));
        return received;
    }

    private static void finish(
            MigrationStreamWriter writer, ReturnPathReader answers, Capture capture, Set<Capture.Place> sent)
            throws IOException {
        send(writer, capture, capture.pages.keySet(), sent, true);
        writer.write(new EndOfStream());
        writer.flush();
        ReturnPathEvent event;
        do {
            event = answers.next().orElseThrow();
        } while (!(event instanceof ReturnPathMessage.Shut));
        assertThat(event).isEqualTo(new ReturnPathMessage.Shut(0));
    }

    private static void send(
            MigrationStreamWriter writer,
            Capture capture,
            Iterable<Capture.Place> places,
            Set<Capture.Place> sent,
            boolean last)
            throws IOException {
        writer.beginPart(capture.start.sectionId(), last);
        for (Capture.Place place : places) {
            ByteBuffer data = capture.pages.get(place);
            if (!sent.add(place)) {
                continue;
            }
            if (data == null) {
                writer.zeroPage(place.block(), place.offset());
            } else {
                writer.page(place.block(), place.offset(), data);
            }
        }
        writer.endPart();
        writer.flush();
    }

    private static void assertSameMemory(PausedQemu qemu, Capture first) throws Exception {
        qemu.await("query-migrate", "status", "completed");
        while (qemu.command("query-yank", Map.of()).toString().contains("type=migration")) {
            Thread.sleep(5); // The class has a time limit.
        }
        qemu.capability("postcopy-ram", false);
        var second = qemu.capture(CaptureOptions.defaults());
        assertThat(second.start.blocks()).isEqualTo(first.start.blocks());
        assertThat(first.pages).isNotEmpty();
        assertThat(second.pages.keySet()).isEqualTo(first.pages.keySet());
        assertThat(second.pages.equals(first.pages)).as("page contents").isTrue();
    }
}
