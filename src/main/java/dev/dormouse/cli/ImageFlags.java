package dev.dormouse.cli;

import dev.dormouse.engine.SuspendOptions;
import picocli.CommandLine.Option;

/// The options of the commands that make an image of a running VM.
final class ImageFlags {
    @Option(
            names = "--self-contained",
            description = "Store the pages that are on the VM's disks, too: the image is larger.")
    private boolean selfContained;

    SuspendOptions options() {
        return new SuspendOptions(selfContained);
    }
}
