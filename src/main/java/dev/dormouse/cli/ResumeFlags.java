package dev.dormouse.cli;

import dev.dormouse.base.Json;
import dev.dormouse.engine.MemorySize;
import dev.dormouse.engine.ResumeOptions;
import dev.dormouse.restore.RestoreOptions;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// The options of a resume, which the command hands on to its background process.
final class ResumeFlags {
    private static final String OFF = "off";

    @Option(names = "--eager", description = "Loads all of the memory before the guest runs; needs no userfaultfd.")
    private boolean eager;

    @Option(names = "--keep-image", description = "Keeps the image; the VM stays on its overlays.")
    private boolean keepImage;

    @Option(
            names = "--discard-changes",
            description = "Of a crashed VM: goes back to the image; the files written since are kept aside.")
    private boolean discardChanges;

    @Option(
            names = "--background-rate",
            paramLabel = "SIZE",
            description = {
                "Limits what is loaded in the background to this much a second, as in 50M;",
                "off loads only what the guest waits for, until the VM is suspended or stopped."
            })
    private @Nullable String backgroundRate;

    @Option(
            names = "--placement",
            paramLabel = "WAY",
            defaultValue = "auto",
            description = "How pages get into the guest: direct, stream, or auto (${DEFAULT-VALUE}).")
    private RestoreOptions.Placement placement = RestoreOptions.Placement.AUTO;

    @Mixin
    private KeyFlag key = new KeyFlag();

    /// @throws IllegalArgumentException if the rate is none
    ResumeOptions options() {
        RestoreOptions restore = RestoreOptions.DEFAULT.withPlacement(placement);
        if (OFF.equals(backgroundRate)) {
            restore = restore.withBackground(restore.background().off());
        } else if (backgroundRate != null) {
            long rate = MemorySize.parse("--background-rate", backgroundRate);
            restore = restore.withBackground(restore.background().withRateBytesPerSecond(rate));
        }
        return new ResumeOptions(eager, keepImage, discardChanges, restore, key.file());
    }

    /// {@return the body of a request that says the same to the daemon; empty if it cannot be said}
    Optional<String> request() {
        if (placement != RestoreOptions.Placement.AUTO || key.file() != null) {
            return Optional.empty();
        }
        var body = new LinkedHashMap<String, Object>();
        body.put("eager", eager);
        body.put("keepImage", keepImage);
        body.put("discardChanges", discardChanges);
        if (backgroundRate != null) {
            body.put(
                    "backgroundBytesPerSecond",
                    OFF.equals(backgroundRate)
                            ? 0
                            : options().restore().background().rateBytesPerSecond());
        }
        return Optional.of(Json.write(body));
    }

    List<String> arguments() {
        var arguments = new ArrayList<String>();
        if (eager) {
            arguments.add("--eager");
        }
        if (keepImage) {
            arguments.add("--keep-image");
        }
        if (discardChanges) {
            arguments.add("--discard-changes");
        }
        arguments.add("--placement=" + placement);
        if (backgroundRate != null) {
            arguments.add("--background-rate=" + backgroundRate);
        }
        if (key.file() != null) {
            arguments.add("--key=" + key.file().toAbsolutePath());
        }
        return arguments;
    }
}
