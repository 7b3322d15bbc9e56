package dev.dormouse.cli;

import dev.dormouse.engine.ResumeResult;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
        name = "page-server",
        hidden = true,
        description = "The background process of 'dormouse resume': serves the pages of a VM until all are placed.",
        footerHeading = "%nExamples:%n",
        footer = "  dormouse page-server web --events /tmp/events")
final class PageServerCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Parameters(paramLabel = "NAME", description = "The VM.")
    private String name;

    @Mixin
    private ResumeFlags flags;

    @Option(names = "--events", paramLabel = "FILE", required = true, description = "Where to report what happens.")
    private Path events;

    @Override
    public Integer call() throws IOException {
        Main main = (Main) spec.root().userObject();
        try (var log = new EventLog(events)) {
            try {
                ResumeResult result = main.engine().resume(name, flags.options(), log);
                log.done(result);
            } catch (IOException | RuntimeException e) {
                log.failed(Failures.message(e), Failures.exitCode(e));
                throw e; // Into the log of the server.
            }
        }
        // Everybody who waited for the restore goes on; this process is idle otherwise.
        main.engine().index(name, true, (_, _, _) -> {}, main.interruption().arm());
        return 0;
    }
}
