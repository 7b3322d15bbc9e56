package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Command;
import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.Layer;
import dev.dormouse.image.VerifyReport;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/// What holds after every restart of the machine: each VM gets into a resting state, once and for all, and all that
/// it needs is whole.
final class RestingVms {
    private final Set<String> checkedLayers = new HashSet<>();

    /// {@return the bytes of images and layers that were looked at}
    long assertRest(Engine engine) throws IOException {
        long bytes = 0;
        for (String name : engine.home().vmNames()) {
            bytes += assertRests(engine, Vm.open(engine.home(), name));
        }
        return bytes;
    }

    private long assertRests(Engine engine, Vm settled) throws IOException {
        new Settle(engine.home(), engine.tools(), settled).run();
        VmRecord record = settled.record();
        new Settle(engine.home(), engine.tools(), settled).run();
        assertThat(settled.record()).as("settled a second time").isEqualTo(record);
        assertThat(record.state()).isIn(VmState.STOPPED, VmState.SUSPENDED, VmState.CRASHED);
        assertThat(settled.restoreRecord()).isEmpty();
        assertThat(record.image() == null).isEqualTo(record.state() == VmState.STOPPED);
        long bytes = 0;
        if (record.image() != null) {
            assertSound(engine, record.image());
            bytes += Files.size(engine.home().image(record.image()));
        }
        List<BackingChain> chains = record.image() == null ? record.chains() : record.chainsWithOverlays();
        for (BackingChain chain : chains) {
            for (Layer layer : chain.layers()) {
                assertWhole(engine, layer);
                bytes += Files.size(Path.of(layer.path()));
            }
        }
        return bytes;
    }

    static void assertSound(Engine engine, String id) throws IOException {
        VerifyReport report = engine.images().verify(engine.home().image(id), VerifyReport.Progress.NONE);
        assertThat(report.damages()).isEmpty();
    }

    /// The names and the order in which QEMU writes an overlay are not seen by every test; so what counts is that it
    /// is there and can be read.
    private void assertWhole(Engine engine, Layer layer) throws IOException {
        Path file = Path.of(layer.path());
        assertThat(file).isRegularFile();
        String key = file + " " + Arrays.hashCode(Files.readAllBytes(file));
        if (layer.format() == Layer.Format.QCOW2 && checkedLayers.add(key)) {
            Path program = engine.tools().qemu().imageTool();
            Command.run(
                    List.of(program.toString(), "info", "-U", "--backing-chain", file.toString()), EngineFixture.LONG);
        }
    }

    /// {@return the layers that hold the newest files of a VM's only disk}
    static BackingChain newest(Engine engine, String name) throws IOException {
        VmRecord record = Vm.open(engine.home(), name).record();
        return (record.image() == null ? record.chains() : record.chainsWithOverlays()).getFirst();
    }
}
