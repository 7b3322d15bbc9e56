package dev.dormouse.bench;

import java.io.IOException;

/// The evaluation of the paper: the ways of restoring, compared as [RestoreBench] does it, on guests that do
/// what guests do ([PaperWorkload]). A program of its own, `./dev bench paper`; says first how long it will take.
public final class PaperBench {
    private static final String PAPER = "paper";

    private PaperBench() {}

    /// The last argument is the file for the samples.
    public static void main(String[] arguments) throws IOException, InterruptedException {
        PaperOptions options = BenchArguments.parseOrExit(PAPER, PaperOptions.USAGE, arguments, PaperOptions::parse);
        System.err.printf(
                "dormouse: bench paper: about %d minutes, the building of guests apart; Ctrl-C and --resume %s go on later%n",
                options.estimate().toMinutes(), options.restore().output());
        System.out.println(options.restore().output());
        new RestoreBench(PAPER, options.restore(), options.workloads()).run();
    }
}
