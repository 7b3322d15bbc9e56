package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AuditLogTest {
    @TempDir
    Path folder;

    @Test
    void writesALineForEachAndKeepsABoundedNumberOfFiles() throws Exception {
        var audit = new AuditLog(folder.resolve("audit.log"), 1000);
        var operation = new Operation("op-1", Operation.Kind.SUSPEND, "web", new Events(), _ -> {});
        operation.begun();
        operation.succeeded(null);

        for (int i = 0; i < 100; i++) {
            audit.ended(operation.view());
        }
        audit.close();

        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .containsExactlyInAnyOrder("audit.log", "audit.log.1", "audit.log.2", "audit.log.3", "audit.log.4");
        }
        assertThat(Json.parseObject(
                        Files.readAllLines(folder.resolve("audit.log.1")).getFirst()))
                .containsEntry("event", "operation")
                .containsEntry("vm", "web")
                .containsEntry("outcome", "succeeded");
    }
}
