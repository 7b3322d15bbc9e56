package dev.dormouse.bench;

import dev.dormouse.engine.MemorySize;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What [RestoreBench] measures, from its arguments.
///
/// @param rounds of each strategy and profile in which nothing but the work loop runs in the guest
/// @param loadedRounds more of them, in which the guest also touches pages outside of its set and allocates
/// @param workingSets of the guest's work loop, MiB; each of them is a state of its own
/// @param qemus paths of QEMU, each measured by itself; null in it is that of the environment
/// @param output where the lines of raw samples are appended; what stands in it already is not measured again
/// @param patternMebibytes anonymous memory with a pattern, a quarter of which does not compress
/// @param fileMebibytes files that are read into the guest's page cache; 0 builds no guest for it and reads a part
///     of the usual one's
/// @param allocateMebibytes memory that the guest of a loaded round allocates
/// @param warmUp whether each way is tried once before it is measured
/// @param rehearsed whether a rehearsal teaches the working set, as a daemon does; else a restore does
/// @param composition whether the size of an image in which nothing is left to the disk is measured, too
/// @param patience for how long a guest is watched at the most, seconds; twice as long on throttled storage
record RestoreBenchOptions(
        int rounds,
        int loadedRounds,
        List<StorageProfile> profiles,
        List<RestoreStrategy> strategies,
        List<Integer> workingSets,
        List<@Nullable Path> qemus,
        Path output,
        String memory,
        String memoryBackend,
        int patternMebibytes,
        int fileMebibytes,
        int allocateMebibytes,
        int patience,
        boolean warmUp,
        boolean rehearsed,
        boolean composition) {
    /// Of each page of the pattern this share does not compress, percent.
    static final int ENTROPY_PERCENT = 25;

    static final String USAGE = """
            Usage: ./dev bench restore [OPTION...]
              --rounds N           rounds of each strategy and profile (10)
              --loaded-rounds N    rounds more in which the guest also touches pages outside of its set and
                                   allocates memory (half as many)
              --profiles LIST      of warm, cold, sata, nas (all)
              --strategies LIST    of stock-stream, stock-mapped-ram, eager, plain-lazy, dormouse-first, dormouse,
                                   dormouse-stream (all)
              --working-sets LIST  of the guest's work loop, MiB, as in 16,64,256 (64)
              --memory SIZE        of the guest (4G)
              --memory-backend B   anonymous or shared (anonymous)
              --qemu LIST          of 'system', '10.0', paths (system)
              --resume FILE        go on with an earlier run's samples: what is in them is not measured again
              --rehearse           the working set is learnt by a rehearsal, not by a restore
              --no-warm-up         measures at once: a quick look, in which the JVM is cold at first
              --quick              one round, warm, a small guest: shows that it works
            """;

    static RestoreBenchOptions parse(List<String> arguments, @Nullable Path qemu10, Path defaultOutput) {
        var given = new BenchArguments(arguments);
        boolean quick = given.flag("--quick");
        String memory = given.text("--memory", quick ? "512M" : "4G");
        int mebibytes = Math.toIntExact(MemorySize.parse("--memory", memory) >> 20);
        boolean large = mebibytes >= 2048;
        int rounds = given.number("--rounds", quick ? 1 : 10);
        var options = new RestoreBenchOptions(
                rounds,
                given.number("--loaded-rounds", quick ? 1 : rounds / 2),
                given.list("--profiles", quick ? "warm" : "warm,cold,sata,nas", StorageProfile::named),
                given.list(
                        "--strategies",
                        String.join(
                                ",",
                                Arrays.stream(RestoreStrategy.values())
                                        .map(RestoreStrategy::text)
                                        .toList()),
                        RestoreStrategy::named),
                given.list("--working-sets", quick ? "16" : "64", Integer::valueOf),
                given.list("--qemu", "system", name -> qemu(name, qemu10)),
                Path.of(given.text("--resume", defaultOutput.toString())),
                memory,
                given.text("--memory-backend", "anonymous"),
                large ? mebibytes * 17 / 40 : mebibytes / 4,
                large ? mebibytes * 3 / 8 : 0,
                large ? mebibytes / 8 : mebibytes / 16,
                quick ? 20 : 60,
                !given.flag("--no-warm-up"),
                given.flag("--rehearse"),
                false);
        given.refuseRest();
        return options;
    }

    static @Nullable Path qemu(String name, @Nullable Path qemu10) {
        if (name.equals("system")) {
            return null;
        }
        if (!name.equals("10.0")) {
            return Path.of(name);
        }
        if (qemu10 == null) {
            throw new IllegalArgumentException("--qemu: 10.0 cannot be had here, scripts/qemu10.sh says why");
        }
        return qemu10.resolve("bin/qemu-system-x86_64");
    }
}
