package dev.dormouse.bench;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// What [PaperBench] measures, from its arguments.
///
/// @param workloads each of them is a state of its own
record PaperOptions(RestoreBenchOptions restore, List<PaperWorkload> workloads) {
    private static final String MEMORY = "4G";
    private static final int PATIENCE_SECONDS = 40;

    static final String STRATEGIES = Arrays.stream(RestoreStrategy.values())
            .filter(RestoreStrategy::isOfPaper)
            .map(RestoreStrategy::text)
            .collect(Collectors.joining(","));
    private static final String WORKLOADS =
            Arrays.stream(PaperWorkload.values()).map(PaperWorkload::text).collect(Collectors.joining(","));

    static final String USAGE = """
            Usage: ./dev bench paper [OPTION...]
              --workloads LIST     of %s (all)
              --rounds N           rounds of each workload, strategy and profile (3)
              --profiles LIST      of warm, cold, sata, nas (all)
              --strategies LIST    of %s (all)
              --resume FILE        go on with an earlier run's samples: what is in them is not measured again
              --qemu LIST          of 'system', '10.0', paths (10.0)
              --quick              one workload (web), one profile (sata), two rounds: less than ten minutes
            """.formatted(WORKLOADS, STRATEGIES);

    static PaperOptions parse(List<String> arguments, @Nullable Path qemu10, Path defaultOutput) {
        var given = new BenchArguments(arguments);
        boolean quick = given.flag("--quick");
        var restore = new RestoreBenchOptions(
                given.number("--rounds", quick ? 2 : 3),
                0,
                given.list("--profiles", quick ? "sata" : "warm,cold,sata,nas", StorageProfile::named),
                given.list("--strategies", STRATEGIES, RestoreStrategy::named),
                List.of(),
                given.list("--qemu", "10.0", name -> RestoreBenchOptions.qemu(name, qemu10)),
                Path.of(given.text("--resume", defaultOutput.toString())),
                MEMORY,
                "anonymous",
                0,
                0,
                0,
                quick ? PATIENCE_SECONDS / 2 : PATIENCE_SECONDS,
                false,
                true,
                true);
        var options =
                new PaperOptions(restore, given.list("--workloads", quick ? "web" : WORKLOADS, PaperWorkload::named));
        given.refuseRest();
        return options;
    }
}
