package dev.dormouse.bench;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/// The evaluation of the paper: the ways of restoring, compared as [RestoreBench] does it, on guests that do what
/// guests
/// do ([PaperWorkload]). A program of its own, `./dev bench paper`; says first how long it will take.
public final class PaperBench {
    private PaperBench() {}

    /// The last argument is the file for the samples.
    public static void main(String[] arguments) throws IOException, InterruptedException {
        List<String> given = List.of(arguments).subList(0, arguments.length - 1);
        String qemu10 = System.getProperty("dormouse.qemu10", "");
        PaperOptions options;
        try {
            options = PaperOptions.parse(
                    given, qemu10.isEmpty() ? null : Path.of(qemu10), Path.of(arguments[arguments.length - 1]));
        } catch (IllegalArgumentException e) {
            System.err.println("dormouse: bench paper: " + e.getMessage());
            System.exit(2);
            return;
        }
        System.err.printf(
                "dormouse: bench paper: about %d minutes, the building of guests apart; Ctrl-C and --resume %s go on later%n",
                options.estimate().toMinutes(), options.restore().output());
        System.out.println(options.restore().output());
        new RestoreBench("paper", options.restore(), options.workloads()).run();
    }
}
