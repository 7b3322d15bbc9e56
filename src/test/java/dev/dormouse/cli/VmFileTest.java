package dev.dormouse.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.engine.VmRequest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class VmFileTest {
    @TempDir
    private Path folder;

    private Path file;

    private Path write(String yaml) throws IOException {
        file = folder.resolve("vm.yaml");
        return Files.writeString(file, yaml);
    }

    @Test
    void readsEveryKindOfKey() throws IOException {
        Path yaml = write("""
                name: web
                memory: 4G
                cpus: 2
                disks:
                  - golden: ../golden.qcow2
                    attachment: scsi
                  - path: /data/own.raw
                networks:
                  - mode: user
                    forwards: ["tcp:127.0.0.1:2222-:22"]
                guestAgent: true
                vmgenid: false
                extraArguments: [-device, virtio-rng-pci]
                """);

        VmRequest request = VmFile.request(VmFile.read(yaml));

        assertThat(request.name()).isEqualTo("web");
        assertThat(request.memory()).isEqualTo("4G");
        assertThat(request.cpus()).isEqualTo(2);
        assertThat(request.disks())
                .containsExactly(
                        new VmRequest.DiskRequest(
                                null, folder.resolveSibling("golden.qcow2").toString(), "scsi"),
                        new VmRequest.DiskRequest("/data/own.raw", null, null));
        assertThat(request.networks())
                .containsExactly(new VmRequest.NetworkRequest("user", null, List.of("tcp:127.0.0.1:2222-:22"), null));
        assertThat(request.guestAgent()).isTrue();
        assertThat(request.vmgenid()).isFalse();
        assertThat(request.extraArguments()).containsExactly("-device", "virtio-rng-pci");
        assertThat(request.kernel()).isNull();
    }

    @Test
    void takesScalarsOfAnyKindForTexts() throws IOException {
        assertThat(VmFile.request(VmFile.read(write("{name: 7, append: true}"))).append())
                .isEqualTo("true");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '"', textBlock = """
                    disk: x                    | unknown key 'disk', allowed are name, memory, cpus
                    disks: [{file: x}]         | unknown key 'disks[0].file', allowed are path, golden, attachment
                    cpus: two                  | key 'cpus' is 'two', a whole number is allowed
                    cpus: 1.5                  | key 'cpus' is '1.5', a whole number is allowed
                    guestAgent: maybe          | key 'guestAgent' is 'maybe', true or false is allowed
                    disks: x                   | key 'disks' is 'x', a list is allowed
                    disks: [x]                 | key 'disks[0]' is 'x', keys with values are allowed
                    memory: [1, 2]             | key 'memory' is a list, a text is allowed
                    extraArguments: [a, null]  | key 'extraArguments[1]' is empty, a value is allowed
                    just text                  | the file is 'just text', keys with values are allowed
                    "a: [1"                    | no YAML, line 1:
                    "{a: 1, a: 2}"             | no YAML
                    """)
    void refusesWhatIsNoRequest(String yaml, String message) throws IOException {
        Path wrong = write(yaml);

        assertThatThrownBy(() -> VmFile.read(wrong))
                .isInstanceOf(IllegalArgumentException.class)
                .message()
                .startsWith(wrong + ": " + message);
    }

    @Test
    void saysThatAFileIsEmpty() throws IOException {
        Path empty = write("");

        assertThatThrownBy(() -> VmFile.read(empty))
                .hasMessage(empty + ": the file is empty, keys with values are allowed");
    }

    @Test
    void reportsAWrongKeyAsUsage() throws IOException {
        Path wrong = write("cpu-count: 2");

        CliRun run = CliRun.of(folder, "vm", "create", "web", "--file", wrong.toString());

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err())
                .startsWith("dormouse: " + wrong + ": unknown key 'cpu-count'")
                .hasLineCount(1);
    }

    @Test
    void reportsAMissingFile() {
        CliRun run = CliRun.of(
                folder,
                "vm",
                "create",
                "web",
                "--file",
                folder.resolve("none.yaml").toString());

        assertThat(run).isEqualTo(new CliRun(1, "", "dormouse: " + folder.resolve("none.yaml") + ": not found\n"));
    }
}
