package dev.dormouse.cli;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// The option of the commands that read an image.
final class KeyFlag {
    @Option(
            names = "--key",
            paramLabel = "FILE",
            description = "The file of an encrypted image's key (else the one that the image names).")
    private @Nullable Path file;

    @Nullable
    Path file() {
        return file;
    }
}
