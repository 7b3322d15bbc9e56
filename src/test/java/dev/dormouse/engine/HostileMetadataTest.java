package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The description inside of an image is as foreign as the file: what becomes the name of a file or a word of
/// QEMU's command line is refused unless it has that form.
class HostileMetadataTest {
    private static final Path FILE = Path.of("vm.img");
    private static final String SOUND =
            new String(MetadataFuzz.seeds(Path.of(".")).getFirst(), StandardCharsets.UTF_8);

    @Test
    void takesASoundOne() throws Exception {
        assertThat(Images.metadata(SOUND, FILE).vm()).isEqualTo("desktop");
    }

    @ParameterizedTest(name = "{1}")
    @CsvSource(
            quoteCharacter = '`',
            value = {
                "`\"id\":\"20260101-000000-abcdef\"`, `\"id\":\"../../etc/passwd\"`, id",
                "`\"vm\":\"desktop\"`, `\"vm\":\"..\"`, vm",
                "`\"vm\":\"desktop\"`, `\"vm\":\"a\\u001b[2Jb\"`, vm",
                "`\"path\":\"/disk.raw\"`, `\"path\":\"nbd://evil/x\"`, disks",
                "`\"path\":\"/disk.raw\"`, `\"path\":\"\"`, disks",
                "`\"machine\":\"pc-q35-7.2\"`, `\"machine\":\"pc,accel=x\"`, machine",
                "`\"cpuModel\":\"qemu64-v1\"`, `\"cpuModel\":\"-device\"`, cpuModel",
                "`\"macAddress\":\"52:54:00:12:34:56\"`, `\"macAddress\":\"1,netdev=x\"`, networks",
                "`\"mode\":\"user\"`, `\"mode\":\"tap\"`, networks",
                "`tcp:127.0.0.1:2222-:22`, `tcp::1-:1,smb=/`, forwards",
                "`\"id\":\"disk0\"`, `\"id\":\"disk0,file.filename=/etc/shadow\"`, disks",
                "`\"vmgenid\":\"5f1e`, `\"vmgenid\":\",5f1e`, vmgenid",
                "`\"memoryBytes\":1073741824`, `\"memoryBytes\":-4096`, memoryBytes",
                "`\"cpus\":2`, `\"cpus\":2000000000`, cpus",
                "`\"qemuVersion\":\"7.2.22\"`, `\"qemuVersion\":null`, qemuVersion",
            })
    void refuses(String sound, String hostile, String key) {
        assertThat(SOUND).contains(sound);

        assertThatThrownBy(() -> Images.metadata(SOUND.replace(sound, hostile), FILE))
                .isInstanceOf(VmException.class)
                .hasMessageStartingWith("vm.img: its description is not one of a VM: '" + key + "'")
                .hasMessageNotContaining("\n");
    }

    @Test
    void refusesWhatIsNestedWithoutEnd() {
        assertThatThrownBy(() -> Images.metadata("{\"x\":" + "[".repeat(1_000_000), FILE))
                .isInstanceOf(VmException.class)
                .hasMessage("vm.img: its description is not one of a VM: not JSON to be read: nested deeper than 200"
                        + " levels");
    }

    @Test
    void refusesWhatLacksItsParts() {
        for (String text : new String[] {"{}", "{\"id\":\"a\",\"vm\":\"b\"}", "{\"disks\":[]}", "null", "[]", ""}) {
            assertThatThrownBy(() -> Images.metadata(text, FILE))
                    .as(text)
                    .isInstanceOf(VmException.class)
                    .hasMessageStartingWith("vm.img: its description is not one of a VM: ");
        }
    }
}
