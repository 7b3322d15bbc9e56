package dev.dormouse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import dev.dormouse.testkit.FuzzTarget;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// What the fuzzer learned, run again without it: every input that it kept, everything that it once found, and as
/// many changed ones as a few seconds allow. The invariants are those of each target (`./dev fuzz`).
///
/// A failure prints the input; the changes are drawn from a seed, printed too, that `-Ddormouse.seed` sets.
@Timeout(120)
class FuzzCorpusTest {
    private static final Path RESOURCES = Path.of("src/test/resources/fuzz");
    private static final long SEED = 42; // The same each time: what is new is the business of `./dev fuzz`.
    private static final int CHANGED_INPUTS = 250;
    private static final int CHANGED_BYTES_MAX = 64 << 10;

    @TempDir
    Path folder;

    static Stream<FuzzTarget> targets() {
        return FuzzTarget.ALL.stream();
    }

    @ParameterizedTest
    @MethodSource("targets")
    void holdsForEveryInputThatIsKept(FuzzTarget target) throws Exception {
        List<byte[]> inputs = inputs(target);

        assertThat(inputs).isNotEmpty();
        for (byte[] input : inputs) {
            run(target, input, "kept");
        }
    }

    @ParameterizedTest
    @MethodSource("targets")
    void holdsForInputsWithChanges(FuzzTarget target) throws Exception {
        long seed = Long.getLong("dormouse.seed", SEED);
        var random = new SplittableRandom(seed);
        List<byte[]> inputs = inputs(target);

        for (int i = 0; i < CHANGED_INPUTS; i++) {
            byte[] input = inputs.get(random.nextInt(inputs.size())).clone();
            int changes = 1 + random.nextInt(4);
            for (int change = 0; change < changes; change++) {
                input = changed(input, inputs, random);
            }
            run(target, input, "seed " + seed);
        }
    }

    private static void run(FuzzTarget target, byte[] input, String origin) {
        try {
            target.run().once(input);
        } catch (Exception | Error e) {
            String text = Base64.getEncoder().encodeToString(Arrays.copyOf(input, Math.min(input.length, 8192)));
            fail("%s, %s, input of %d bytes, in base64: %s".formatted(target, origin, input.length, text), e);
        }
    }

    /// One change such as damage, or a person with intent, makes: a bit, a number at its bounds, a piece that is
    /// gone, doubled, or another input's.
    private static byte[] changed(byte[] input, List<byte[]> inputs, SplittableRandom random) {
        if (input.length < 2) {
            return new byte[] {(byte) random.nextInt(4), (byte) random.nextInt()};
        }
        int at = 1 + random.nextInt(input.length - 1); // The first byte chooses what the rest is.
        byte[] result = input.clone();
        switch (random.nextInt(6)) {
            case 0 -> result[at] ^= (byte) (1 << random.nextInt(8));
            case 1 -> result[at] = (byte) random.nextInt();
            case 2 -> {
                int length = Math.min(1 << random.nextInt(4), input.length - at);
                Arrays.fill(result, at, at + length, (byte) (random.nextBoolean() ? 0xff : 0));
            }
            case 3 -> result = Arrays.copyOf(input, at);
            case 4 -> {
                int end = at + random.nextInt(input.length - at + 1);
                result = joined(input, 0, end, input, at, input.length);
            }
            default -> {
                byte[] other = inputs.get(random.nextInt(inputs.size()));
                int from = random.nextInt(other.length + 1);
                result = joined(input, 0, at, other, from, other.length);
            }
        }
        return result.length > CHANGED_BYTES_MAX ? input : result;
    }

    private static byte[] joined(byte[] first, int start, int end, byte[] second, int secondStart, int secondEnd) {
        byte[] result = Arrays.copyOf(Arrays.copyOfRange(first, start, end), end - start + secondEnd - secondStart);
        System.arraycopy(second, secondStart, result, end - start, secondEnd - secondStart);
        return result;
    }

    /// {@return seeds, corpus and former findings of the target}
    private List<byte[]> inputs(FuzzTarget target) throws IOException {
        var inputs = new ArrayList<>(target.seeds().make(folder));
        Path stored = RESOURCES.resolve(target.option());
        if (Files.isDirectory(stored)) {
            try (Stream<Path> files = Files.list(stored)) {
                for (Path file : (Iterable<Path>) files.sorted()::iterator) {
                    if (file.toString().endsWith(".zip")) {
                        addAll(inputs, file);
                    } else {
                        inputs.add(Files.readAllBytes(file));
                    }
                }
            }
        }
        return inputs;
    }

    private static void addAll(List<byte[]> inputs, Path corpus) throws IOException {
        try (InputStream file = Files.newInputStream(corpus);
                var zip = new ZipInputStream(file)) {
            for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
                if (!entry.isDirectory()) {
                    inputs.add(zip.readAllBytes());
                }
            }
        }
    }
}
