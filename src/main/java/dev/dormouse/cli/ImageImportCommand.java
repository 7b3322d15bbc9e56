package dev.dormouse.cli;

import dev.dormouse.engine.ImportResult;
import java.io.IOException;
import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "import",
        description = {
            "Makes a stopped VM suspended with the memory of a file that stock QEMU saved,"
                    + " by 'migrate \"exec:cat > FILE\"' or 'migrate file:FILE'; 'dormouse resume' wakes it.",
            "The VM must have the machine type, memory and devices of the QEMU that saved it."
                    + " Machine type and memory are compared now, the devices by QEMU when the VM is resumed.",
            "The disks of the VM must hold what they held when the file was saved: nothing in the file tells,"
                    + " and a guest that wakes on other disks destroys their file systems."
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  dormouse vm create web --memory 4G --machine pc-q35-7.2 --disk web.qcow2",
            "  dormouse image import web.stream --vm web",
            "  dormouse resume web"
        })
final class ImageImportCommand extends FactsCommand {
    @Parameters(paramLabel = "FILE", description = "The saved stream; it stays as it is.")
    private Path file;

    @Option(names = "--vm", paramLabel = "NAME", required = true, description = "The VM, which must be stopped.")
    private String name;

    @Override
    int run() throws IOException {
        var cancellation = main().interruption().arm();
        ImportResult result = show(bar -> engine().importStream(file, name, new ProgressListener(bar), cancellation));
        return print(result, Texts.imported(result));
    }
}
