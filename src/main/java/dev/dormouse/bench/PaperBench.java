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
        System.out.println(options.restore().output());
        new RestoreBench(PAPER, options.restore(), options.workloads()).run();
    }
}
