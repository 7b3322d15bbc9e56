package dev.dormouse.cli;

import dev.dormouse.engine.IndexReport;
import dev.dormouse.engine.Indexes;
import dev.dormouse.engine.QemuTools;
import java.io.IOException;
import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Command(
        name = "index",
        description = "Indexes the content of a disk and of all layers below it, so that a suspend need not.",
        footerHeading = "%nExamples:%n",
        footer = {"  dormouse index golden.qcow2", "  dormouse index --json web.raw"})
final class IndexCommand extends FactsCommand {
    @Parameters(paramLabel = "DISK", description = "A raw or qcow2 file that no running VM writes.")
    private Path disk;

    @Override
    int run() throws IOException {
        var indexes = new Indexes(main().home(), QemuTools.locate(main().qemu()));
        IndexReport report = show(bar -> indexes.build(
                disk,
                (layer, done, total) ->
                        bar.update("indexing " + Path.of(layer.path()).getFileName(), done, total)));
        return print(report, Texts.describe(report));
    }
}
