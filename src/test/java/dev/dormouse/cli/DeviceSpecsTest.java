package dev.dormouse.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DeviceSpecsTest {
    @Test
    void readsDisks() {
        assertThat(DeviceSpecs.disk("path", "/a b/c,d.qcow2")).isEqualTo(Map.of("path", "/a b/c,d.qcow2"));
        assertThat(DeviceSpecs.disk("golden", "x.raw,attachment=scsi"))
                .isEqualTo(Map.of("golden", "x.raw", "attachment", "scsi"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"x.raw,format=raw", "x.raw,attachment=scsi,attachment=ide", "x,attachment=scsi,cache=none"})
    void refusesUnknownSettingsOfADisk(String spec) {
        assertThatThrownBy(() -> DeviceSpecs.disk("path", spec))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("no setting '")
                .hasMessageContaining(spec);
    }

    @Test
    void refusesADiskWithoutAPath() {
        assertThatThrownBy(() -> DeviceSpecs.disk("path", ",attachment=scsi"))
                .hasMessage("disk is ',attachment=scsi', PATH or PATH,attachment=NAME is allowed");
    }

    @Test
    void readsNetworks() {
        assertThat(DeviceSpecs.network("user")).isEqualTo(Map.of("mode", "user"));
        assertThat(DeviceSpecs.network("tap=tap0,mac=52:54:00:00:00:01"))
                .isEqualTo(Map.of("mode", "tap", "target", "tap0", "mac", "52:54:00:00:00:01"));
        assertThat(DeviceSpecs.network("user,forward=tcp:127.0.0.1:2222-:22,forward=udp::53-:53"))
                .isEqualTo(Map.of("mode", "user", "forwards", List.of("tcp:127.0.0.1:2222-:22", "udp::53-:53")));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "tap", "tap=", "user=x", "none", "vde=/x"})
    void refusesUnknownModesOfANetwork(String spec) {
        assertThatThrownBy(() -> DeviceSpecs.network(spec))
                .hasMessage("network is '%s', user, tap=NAME and bridge=NAME are allowed", spec);
    }

    @Test
    void refusesUnknownSettingsOfANetwork() {
        assertThatThrownBy(() -> DeviceSpecs.network("bridge=br0,forward=tcp::1-:1"))
                .hasMessage(
                        "network 'bridge=br0,forward=tcp::1-:1': no setting 'forward=tcp::1-:1', mac=... is allowed");
    }
}
