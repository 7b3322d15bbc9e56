package dev.dormouse.testkit;

import dev.dormouse.cli.VmFileFuzz;
import dev.dormouse.disk.DiskFuzz;
import dev.dormouse.engine.MetadataFuzz;
import dev.dormouse.image.ImageFuzz;
import dev.dormouse.restore.ReturnPathFuzz;
import dev.dormouse.wire.StreamFuzz;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// What reads bytes that somebody else wrote, as the fuzzer and the tests call it.
///
/// Run as a program it writes a target's seeds, one file each, for `./dev fuzz`: target, then the folder.
///
/// @param option its name in `./dev fuzz` and in the folders of inputs
/// @param owner the class that Jazzer runs
/// @param run what it does with one input
/// @param seeds makes inputs to begin with, by way of files in the folder that it is given
public record FuzzTarget(String option, Class<?> owner, Run run, Seeds seeds) {
    public static final List<FuzzTarget> ALL = List.of(
            new FuzzTarget("image", ImageFuzz.class, ImageFuzz::fuzzerTestOneInput, ImageFuzz::seeds),
            new FuzzTarget("metadata", MetadataFuzz.class, MetadataFuzz::fuzzerTestOneInput, MetadataFuzz::seeds),
            new FuzzTarget("stream", StreamFuzz.class, StreamFuzz::fuzzerTestOneInput, StreamFuzz::seeds),
            new FuzzTarget(
                    "return-path", ReturnPathFuzz.class, ReturnPathFuzz::fuzzerTestOneInput, ReturnPathFuzz::seeds),
            new FuzzTarget("disk", DiskFuzz.class, DiskFuzz::fuzzerTestOneInput, DiskFuzz::seeds),
            new FuzzTarget("vm-file", VmFileFuzz.class, VmFileFuzz::fuzzerTestOneInput, VmFileFuzz::seeds));

    /// Fails with whatever the input brings about that it should not.
    @FunctionalInterface
    public interface Run {
        void once(byte[] input) throws Exception;
    }

    /// Makes inputs to begin with.
    @FunctionalInterface
    public interface Seeds {
        List<byte[]> make(Path folder) throws IOException;
    }

    @Override
    public String toString() {
        return option;
    }

    /// Prints the class of the target.
    public static void main(String[] arguments) throws IOException {
        for (FuzzTarget target : ALL) {
            if (target.option.equals(arguments[0])) {
                target.writeSeeds(Path.of(arguments[1]));
                System.out.println(target.owner.getName());
                return;
            }
        }
        System.err.println("fuzz: '" + arguments[0] + "' is not a target, allowed are "
                + String.join(", ", ALL.stream().map(FuzzTarget::option).toList()));
        System.exit(2);
    }

    private void writeSeeds(Path folder) throws IOException {
        Files.createDirectories(folder);
        Path scratch = Files.createTempDirectory("seeds");
        int number = 0;
        for (byte[] seed : seeds.make(scratch)) {
            Files.write(folder.resolve("seed-" + number++), seed);
        }
        try (var files = Files.list(scratch)) {
            for (Path file : (Iterable<Path>) files::iterator) {
                Files.delete(file);
            }
        }
        Files.delete(scratch);
    }
}
