package dev.dormouse.cli;

import java.io.IOException;
import java.util.Map;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "resume",
        description = {
            "Brings a suspended VM back. The guest runs at once; its memory follows on demand, the rest in the background.",
            "The daemon, or where none runs a process in the background, serves the pages, also after this command has returned."
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  dormouse resume web",
            "  dormouse resume --wait web",
            "  dormouse resume --background-rate 50M web",
            "  dormouse resume --eager web"
        })
final class ResumeCommand extends FactsCommand {
    @Parameters(paramLabel = "NAME", description = "The VM.")
    private String name;

    @Mixin
    private ResumeFlags flags;

    @Option(names = "--wait", description = "Returns only when all of the memory is there and the disks are merged.")
    private boolean wait;

    @Override
    int run() throws IOException {
        Map<String, Object> facts = show(this::resume);
        return print(facts, Texts.resumed(name, flags.options().eager(), facts));
    }

    private Map<String, Object> resume(ProgressBar bar) throws IOException {
        Optional<Map<String, Object>> facts = DaemonRun.resume(main(), name, flags, bar, wait);
        return facts.isPresent() ? facts.get() : new BackgroundResume(main(), name, flags, bar).run(wait);
    }
}
