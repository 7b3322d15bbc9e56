package dev.dormouse.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.engine.Engine;
import dev.dormouse.engine.Home;
import dev.dormouse.engine.QemuTools;
import dev.dormouse.engine.VmRequest;
import dev.dormouse.qmp.QemuException;
import dev.dormouse.testkit.Leftovers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Tag("qemu")
@Timeout(60)
class StockQemuTest {
    @TempDir
    private Path folder;

    @Test
    void saysThatAFileIsNoSavedVm() throws Exception {
        Path file = Files.write(folder.resolve("save"), new byte[1 << 16]);
        Home home = Home.at(folder.resolve("home"), folder.resolve("run").toString());
        var engine = new Engine(home, QemuTools.locate(null));
        engine.create(VmRequest.named("vm1").withMemory("64M"));
        home.sockets("vm1");

        assertThatThrownBy(() -> new StockQemu(engine, "vm1", file).restore())
                .isInstanceOf(QemuException.class)
                .hasMessageContaining("Not a migration stream");

        assertThat(Leftovers.end(folder, Duration.ofSeconds(5))).isEqualTo(List.of());
    }
}
