package dev.dormouse.cli;

import dev.dormouse.base.Json;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.VmStatus;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/// What all commands have in common that print facts: for people, or as one JSON value.
abstract class FactsCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Option(names = "--json", description = "Prints one JSON value instead of text.")
    private boolean json;

    @Override
    public Integer call() throws Exception {
        return run();
    }

    /// Does the work and prints.
    ///
    /// @return the exit code
    abstract int run() throws IOException;

    Main main() {
        return (Main) spec.root().userObject();
    }

    Engine engine() throws IOException {
        return main().engine();
    }

    PrintWriter out() {
        return spec.commandLine().getOut();
    }

    PrintWriter err() {
        return spec.commandLine().getErr();
    }

    /// What takes so long that it shows how far it is.
    @FunctionalInterface
    interface Shown<T> {
        T run(ProgressBar bar) throws IOException;
    }

    /// {@return what the operation returns; its bar is wiped by then}
    <T> T show(Shown<T> operation) throws IOException {
        try (ProgressBar bar = ProgressBar.onTerminal(err())) {
            return operation.run(bar);
        }
    }

    /// Prints a record, map or list if JSON is wanted, else the text.
    ///
    /// @return the exit code for success
    int print(Object facts, String text) {
        out().println(json ? Json.write(facts) : PlainText.lines(text.stripTrailing()));
        out().flush();
        return 0;
    }

    int print(VmStatus status) {
        return print(status, "vm %s: %s".formatted(status.name(), status.state()));
    }

    boolean isJson() {
        return json;
    }

    /// {@return the facts of a record annotated with `@Json`, to be put together with others}
    static Map<String, Object> facts(Object annotatedRecord) {
        return Json.parseObject(Json.write(annotatedRecord));
    }

    /// {@return a time for people}
    static String seconds(long millis) {
        return millis < 1000 ? millis + " ms" : "%.1f s".formatted(millis / 1000.0);
    }
}
