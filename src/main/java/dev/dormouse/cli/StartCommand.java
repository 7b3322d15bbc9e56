package dev.dormouse.cli;

import dev.dormouse.base.Json;
import dev.dormouse.engine.VmStatus;
import java.io.IOException;
import java.util.Map;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "start",
        description = "Boots a VM that is stopped, or a crashed one from its newest files.",
        footerHeading = "%nExamples:%n",
        footer = {"  dormouse start web", "  dormouse start --discard-state web"})
final class StartCommand extends FactsCommand {
    @Parameters(paramLabel = "NAME", description = "The VM.")
    private String name;

    @Option(names = "--discard-state", description = "Boots a suspended VM; what its memory held is lost.")
    private boolean discardState;

    @Override
    int run() throws IOException {
        return print(show(this::start));
    }

    private VmStatus start(ProgressBar bar) throws IOException {
        String body = Json.write(Map.of("discardState", discardState));
        Optional<DaemonRun> daemon = DaemonRun.find(main(), name, bar);
        if (daemon.isPresent()
                && daemon.get().run("start", body, true, "is already running").isPresent()) {
            return main().lookingEngine().status(name);
        }
        VmStatus started = engine().start(name, discardState);
        BackgroundIndex.start(main(), name);
        return started;
    }
}
