package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.Layer;
import dev.dormouse.engine.VmConfig.Disk;
import dev.dormouse.engine.VmConfig.MemoryBackend;
import dev.dormouse.engine.VmConfig.Network;
import dev.dormouse.engine.VmConfig.UefiFirmware;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class QemuCommandLineTest {
    private static final Disk STORE = new Disk("disk0", 540_672, Disk.Interface.PFLASH, 0);

    private static VmConfig config(List<Disk> disks, List<Network> networks, @Nullable UefiFirmware uefi) {
        return new VmConfig(
                "web",
                64L << 20,
                1,
                "pc-q35-7.2",
                "tcg",
                "qemu64-v1",
                MemoryBackend.ANONYMOUS,
                disks,
                null,
                networks,
                null,
                uefi,
                false,
                null,
                List.of(),
                "7.2.0",
                null);
    }

    private static List<String> line(VmConfig config, List<BackingChain> chains) {
        var sockets = new VmSockets(Path.of("/run/web"), Path.of("/home/web"));
        return QemuCommandLine.build(Path.of("/bin/qemu"), config, chains, sockets, false);
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(
            delimiter = '|',
            value = {
                "tap | tap7 | tap,id=net0,ifname=tap7,script=no,downscript=no",
                "bridge | br7 | bridge,id=net0,br=br7",
            })
    void namesTheNetworkOfTheHost(String mode, String target, String option) {
        var network = new Network(mode, target, List.of(), "52:54:00:01:02:03");

        assertThat(line(config(List.of(), List.of(network), null), List.of()))
                .containsSequence("-netdev", option, "-device", "virtio-net-pci,netdev=net0,mac=52:54:00:01:02:03");
    }

    @Test
    void writesTheVariableStoreOnItsTopLayer() {
        var chain = new BackingChain(
                List.of(new Layer("/vars.fd", Layer.Format.RAW), new Layer("/disk0-1.qcow2", Layer.Format.QCOW2)));
        var uefi = new UefiFirmware("/code.fd", "disk0");

        List<String> line = line(config(List.of(STORE), List.of(), uefi), List.of(chain));

        assertThat(line).contains("pc-q35-7.2,accel=tcg,pflash0=uefi-code,pflash1=disk0-layer1");
        assertThat(line)
                .filteredOn(argument -> argument.contains("/vars.fd"))
                .singleElement()
                .asString()
                .contains("\"node-name\":\"disk0-layer0\"", "\"read-only\":true");
        assertThat(line)
                .filteredOn(argument -> argument.contains("/code.fd"))
                .singleElement()
                .asString()
                .contains("\"node-name\":\"uefi-code\"", "\"read-only\":true");
    }
}
