package dev.dormouse.bench;

import dev.dormouse.base.Json;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/// The built guest: kernel, initramfs and disk in one directory. The disk is shared and read-only; a VM gets an
/// overlay or a copy of it.
///
/// @param append the kernel command line that the guest is made for
public record GuestImage(Path kernel, Path initrd, Path disk, String append) {
    /// What the work loop maps, which is on every disk.
    static final int WORK_MEBIBYTES = 160;

    private static final int BUILD_SECONDS_MAX = 1800;
    private static final long MANIFEST_BYTES_MAX = 64 * 1024;

    /// The guest of this source tree, built first if it has not been: the directory named by the system property
    /// `dormouse.guest`, else what `guest/build.sh` under `dormouse.root` (or the working directory) prints.
    public static GuestImage locate() throws IOException, InterruptedException {
        String built = System.getProperty("dormouse.guest");
        return open(built != null && !built.isEmpty() ? Path.of(built) : build("guest/build.sh", List.of()));
    }

    /// The guest with other files on its disk, built first if it has not been.
    ///
    /// @param binaryMebibytes random bytes, beside the 160 MiB of the work loop
    /// @param textMebibytes text, which compresses well
    public static GuestImage locate(int binaryMebibytes, int textMebibytes) throws IOException, InterruptedException {
        return open(
                build("guest/build.sh", List.of(Integer.toString(binaryMebibytes), Integer.toString(textMebibytes))));
    }

    /// A full Debian that compiles something at each boot, built first if it has not been. There is no probe in it.
    static GuestImage locateDebian() throws IOException, InterruptedException {
        return open(build("guest/debian.sh", List.of()));
    }

    /// A Debian of `./dev bench paper`, built first if it has not been.
    ///
    /// @param kind `server` or `desktop`
    static GuestImage locatePaper(String kind) throws IOException, InterruptedException {
        return open(build("guest/paper.sh", List.of(kind)));
    }

    /// @throws ProbeException if the directory does not hold a whole guest
    public static GuestImage open(Path directory) throws IOException {
        Path manifest = directory.resolve("manifest.json");
        if (!Files.isRegularFile(manifest) || Files.size(manifest) > MANIFEST_BYTES_MAX) {
            throw new ProbeException(
                    directory + ": no guest, manifest.json is missing or too large; run guest/build.sh");
        }
        Map<String, Object> facts = parse(manifest);
        String disk = facts.get("disk") instanceof String name ? name : "disk.raw";
        for (String name : new String[] {"vmlinuz", "initrd.gz", disk}) {
            checkLength(directory.resolve(name), facts.get(name));
        }
        if (!(facts.get("append") instanceof String append)) {
            throw new ProbeException(manifest + ": 'append' is missing, it must be the kernel command line");
        }
        return new GuestImage(
                directory.resolve("vmlinuz"), directory.resolve("initrd.gz"), directory.resolve(disk), append);
    }

    /// {@return the initramfs with QEMU's guest agent, which only `guest/build.sh` makes}
    Path initrdWithAgent() {
        return initrd.resolveSibling("initrd-agent.gz");
    }

    private static Map<String, Object> parse(Path manifest) throws IOException {
        try {
            return Json.parseObject(Files.readString(manifest));
        } catch (IllegalArgumentException e) {
            throw new ProbeException(manifest + ": not a guest's manifest; remove its directory to build anew", e);
        }
    }

    private static void checkLength(Path file, Object facts) throws IOException {
        if (!(facts instanceof Map<?, ?> map) || !(map.get("bytes") instanceof Number bytes)) {
            throw new ProbeException(file + ": not described by manifest.json; remove its directory to build anew");
        }
        long foundBytes = Files.exists(file) ? Files.size(file) : 0;
        if (foundBytes != bytes.longValue()) {
            throw new ProbeException("%s: %d bytes found, %d built; remove its directory to build anew"
                    .formatted(file, foundBytes, bytes.longValue()));
        }
    }

    private static Path build(String name, List<String> arguments) throws IOException, InterruptedException {
        Path root = Path.of(System.getProperty("dormouse.root", ""));
        Path script = root.resolve(name).toAbsolutePath();
        Path output = Files.createTempFile("dormouse-guest", ".out");
        try {
            var argv = new ArrayList<>(List.of("bash", script.toString()));
            argv.addAll(arguments);
            Process process = new ProcessBuilder(argv)
                    .redirectInput(
                            ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
                    .redirectOutput(output.toFile())
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            if (!process.waitFor(BUILD_SECONDS_MAX, TimeUnit.SECONDS)) {
                process.destroyForcibly();
                throw new ProbeException(script + ": still building after " + BUILD_SECONDS_MAX + " s; run it by hand");
            }
            if (process.exitValue() != 0) {
                throw new ProbeException(
                        script + ": exit code " + process.exitValue() + "; its messages say what is missing");
            }
            return Path.of(Files.readString(output, StandardCharsets.UTF_8).strip());
        } finally {
            Files.delete(output);
        }
    }
}
