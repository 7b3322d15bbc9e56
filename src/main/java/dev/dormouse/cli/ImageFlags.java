package dev.dormouse.cli;

import dev.dormouse.engine.SuspendOptions;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// The options of the commands that make an image of a running VM.
final class ImageFlags {
    @Option(
            names = "--self-contained",
            description = "Store the pages that are on the VM's disks, too: the image is larger.")
    private boolean selfContained;

    @Option(
            names = "--key",
            paramLabel = "FILE",
            description = "Encrypts the image with the key in this file (else that of 'vm create --image-key').")
    private @Nullable Path key;

    SuspendOptions options() {
        return new SuspendOptions(selfContained, key);
    }
}
