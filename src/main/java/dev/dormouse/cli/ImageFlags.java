package dev.dormouse.cli;

import dev.dormouse.base.Json;
import dev.dormouse.engine.SuspendOptions;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
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

    /// {@return the body of a request that says the same to the daemon; empty if it cannot be said}
    Optional<String> request() {
        return key == null ? Optional.of(Json.write(Map.of("selfContained", selfContained))) : Optional.empty();
    }

    SuspendOptions options() {
        return new SuspendOptions(selfContained, key);
    }
}
