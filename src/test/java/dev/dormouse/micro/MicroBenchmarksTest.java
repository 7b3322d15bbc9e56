package dev.dormouse.micro;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Collection;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.VerboseMode;

/// Every micro-benchmark still runs: once, on little data.
@Timeout(120)
class MicroBenchmarksTest {
    @Test
    void runEach() throws Exception {
        var options = new OptionsBuilder()
                .include("dev\\.dormouse\\..*Benchmark\\..*")
                .param("pages", "256")
                .param("blocks", "1024")
                .mode(Mode.SingleShotTime)
                .warmupIterations(0)
                .measurementIterations(1)
                .forks(0)
                .shouldFailOnError(true)
                .verbosity(VerboseMode.SILENT)
                .build();

        Collection<RunResult> results = new Runner(options).run();

        assertThat(results)
                .extracting(result -> result.getPrimaryResult().getLabel())
                .contains(
                        "pageTableLookUp",
                        "readDecompressAndCheckAPage",
                        "writeAnImage",
                        "pageRecord",
                        "zeroPageRecord")
                .contains("xxh3Of64Bits", "xxh3Of128Bits", "lookUpThatHits", "lookUpThatMisses");
    }
}
