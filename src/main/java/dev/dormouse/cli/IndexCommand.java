package dev.dormouse.cli;

import dev.dormouse.disk.Layer;
import dev.dormouse.engine.Cancellation;
import dev.dormouse.engine.IndexReport;
import dev.dormouse.engine.Indexes;
import dev.dormouse.engine.QemuTools;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "index",
        description = {
            "Indexes the content of a disk and of all layers below it, so that a suspend need not.",
            "A VM that is started or resumed has that done in the background."
        },
        footerHeading = "%nExamples:%n",
        footer = {"  dormouse index golden.qcow2", "  dormouse index --json web.raw", "  dormouse index --vm web"})
final class IndexCommand extends FactsCommand {
    @ArgGroup(multiplicity = "1")
    private What what;

    /// Picocli fills in exactly one.
    static final class What {
        @Parameters(paramLabel = "DISK", description = "A disk file that no running VM writes.")
        private @Nullable Path disk;

        @Option(names = "--vm", paramLabel = "NAME", description = "Indexes the disks of a running VM.")
        private @Nullable String vm;
    }

    @Option(names = "--idle", description = "Works only when nobody else needs the processor or the disk.")
    private boolean idle;

    @Override
    int run() throws IOException {
        Cancellation cancellation = main().interruption().arm();
        IndexReport report = show(bar -> index(progress(bar), cancellation));
        return print(report, Texts.describe(report));
    }

    private IndexReport index(Indexes.Progress progress, Cancellation cancellation) throws IOException {
        if (what.vm != null) {
            return engine().index(what.vm, idle, progress, cancellation);
        }
        var indexes = new Indexes(main().home(), QemuTools.locate(main().qemu()));
        return indexes.build(java.util.Objects.requireNonNull(what.disk), idle, progress, cancellation);
    }

    private static Indexes.Progress progress(ProgressBar bar) {
        return (Layer layer, long done, long total) ->
                bar.update("indexing " + Path.of(layer.path()).getFileName(), done, total);
    }
}
