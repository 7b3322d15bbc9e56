package dev.dormouse.cli;

import dev.dormouse.base.RamBlock;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.ExportResult;
import dev.dormouse.engine.OperationListener;
import dev.dormouse.restore.RestoreListener;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
        name = "export",
        description = {
            "Writes the memory of an image to a file that needs no Dormouse; every page is checked on the way.",
            "raw: the guest's main RAM block (or the one of --block), byte for byte, with holes where it is zero."
                    + " Offsets count from the start of the block: what a guest has above 4 GiB stands directly"
                    + " behind what it has below its PCI hole.",
            "qemu: a migration stream that stock QEMU restores by itself; the commands that do so are printed."
                    + " They put new overlays on the disks, so that the image can still be resumed."
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  dormouse image export web-20260101-120000 --format=qemu -o web.stream",
            "  dormouse image export web-20260101-120000 --format=raw --output web.ram"
        })
final class ImageExportCommand extends FactsCommand {
    private enum Format {
        RAW,
        QEMU
    }

    @Spec
    private CommandSpec spec;

    @Parameters(paramLabel = "IMAGE", description = "Id of an image, or path of its file.")
    private String image;

    @Option(names = "--format", paramLabel = "FORMAT", required = true, description = "raw or qemu.")
    private Format format;

    @Option(
            names = {"-o", "--output"},
            paramLabel = "FILE",
            required = true,
            description = "The file to write; it must not exist.")
    private Path output;

    @Option(names = "--block", paramLabel = "NAME", description = "With raw: the RAM block to write.")
    private @Nullable String block;

    @Mixin
    private KeyFlag key;

    @Override
    int run() throws IOException {
        if (block != null && format != Format.RAW) {
            throw new ParameterException(spec.commandLine(), "--block goes with --format=raw only");
        }
        Engine engine = engine().withKey(key.file());
        Path file = engine.images().find(image);
        var cancellation = main().interruption().arm();
        ExportResult result = show(bar -> {
            var listener = new Bar(bar);
            return format == Format.RAW
                    ? engine.exportRaw(file, block, output, listener, cancellation)
                    : engine.exportStream(file, output, listener, cancellation);
        });
        return print(result, Texts.exported(result));
    }

    private record Bar(ProgressBar bar) implements OperationListener {
        @Override
        public void progress(RestoreListener.Progress progress) {
            bar.update(
                    "exporting",
                    progress.placedPages() * RamBlock.TARGET_PAGE_BYTES,
                    progress.nonZeroPages() * RamBlock.TARGET_PAGE_BYTES);
        }

        @Override
        public void step(String what) {
            bar.step(what);
        }
    }
}
