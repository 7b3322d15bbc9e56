package dev.dormouse.qmp;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.SequencedSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// An installed QEMU and what it says about itself. Its answers are kept in memory until the file is
/// another one. Any thread.
public final class QemuBinary {
    /// Names the program when the user configured none.
    public static final String ENVIRONMENT_VARIABLE = "DORMOUSE_QEMU";

    private static final String SYSTEM = "qemu-system-x86_64";
    private static final String IMAGE = "qemu-img";
    private static final Duration HELP_BOUND = Duration.ofSeconds(20);
    private static final Path MODULES = Path.of("/sys/module");
    private static final Pattern MACHINE =
            Pattern.compile("(?m)^(\\S+) .*?(?:\\(alias of (\\S+)\\))?(?: \\((?:default|deprecated)\\))*\\s*$");
    private static final Pattern CPU_MODEL = Pattern.compile("(?m)^(?:x86| ) ?(\\S+)(?:\\s.*)?$");

    private record Question(Path program, FileTime modified, List<String> arguments) {}

    private static final Map<Question, String> ANSWERS = new ConcurrentHashMap<>();
    private static final Map<Question, Accelerator> ACCELERATORS = new ConcurrentHashMap<>();

    private final Path program;

    private QemuBinary(Path program) {
        this.program = program;
    }

    /// Finds QEMU: the path given, else `$DORMOUSE_QEMU`, else `qemu-system-x86_64` on `$PATH`.
    public static QemuBinary locate(@Nullable Path configured) throws QemuException {
        return locate(configured, System.getenv());
    }

    static QemuBinary locate(@Nullable Path configured, Map<String, String> environment) throws QemuException {
        String fromEnvironment = environment.getOrDefault(ENVIRONMENT_VARIABLE, "");
        if (configured != null) return new QemuBinary(executable(configured, "the configured QEMU"));
        if (!fromEnvironment.isBlank()) {
            return new QemuBinary(executable(Path.of(fromEnvironment), "the QEMU in " + ENVIRONMENT_VARIABLE));
        }
        return new QemuBinary(onPath(SYSTEM, environment)
                .orElseThrow(() -> new QemuException(
                        SYSTEM + ": not found on PATH, install QEMU or set " + ENVIRONMENT_VARIABLE + " to its path")));
    }

    private static Path executable(Path file, String what) throws QemuException {
        if (Files.isRegularFile(file) && Files.isExecutable(file)) return file.toAbsolutePath();
        throw new QemuException(file + ": " + what + " is not an executable file");
    }

    private static Optional<Path> onPath(String name, Map<String, String> environment) {
        return Arrays.stream(environment.getOrDefault("PATH", "").split(File.pathSeparator, -1))
                .filter(directory -> !directory.isEmpty())
                .map(directory -> Path.of(directory).resolve(name).toAbsolutePath())
                .filter(file -> Files.isRegularFile(file) && Files.isExecutable(file))
                .findFirst();
    }

    public Path path() {
        return program;
    }

    /// {@return `qemu-img`, from the same directory if it is there, else from `$PATH`}
    public Path imageTool() throws QemuException {
        Path sibling = program.resolveSibling(IMAGE);
        if (Files.isExecutable(sibling)) return sibling;
        return onPath(IMAGE, System.getenv())
                .orElseThrow(() -> new QemuException(
                        IMAGE + ": found neither beside " + program + " nor on PATH, install it (qemu-utils)"));
    }

    public QemuVersion version() throws IOException {
        return QemuVersion.ofCommandLine(answer(List.of("--version")));
    }

    /// {@return the names that `-machine` takes, aliases left out}
    public SequencedSet<String> machineTypes() throws IOException {
        return machines()
                .filter(line -> line.group(2) == null)
                .map(line -> line.group(1))
                .collect(Collectors.toCollection(LinkedHashSet::new));
    }

    /// {@return the machine type that never changes its meaning, for example `pc-q35-7.2` for `q35`}
    public String machineType(String name) throws IOException {
        Matcher line = machines()
                .filter(candidate -> candidate.group(1).equals(name))
                .findFirst()
                .orElseThrow(() -> new QemuException(
                        program + ": knows no machine type '" + name + "', '-machine help' lists those that it knows"));
        return line.group(2) == null ? name : line.group(2);
    }

    private Stream<Matcher> machines() throws IOException {
        return answer(List.of("-machine", "help"))
                .lines()
                .skip(1)
                .map(MACHINE::matcher)
                .filter(Matcher::matches);
    }

    /// {@return the names that `-cpu` takes, versions and aliases included}
    public SequencedSet<String> cpuModels() throws IOException {
        return answer(List.of("-cpu", "help"))
                .lines()
                .skip(1)
                .takeWhile(line -> !line.isBlank() && !line.startsWith("Recognized"))
                .map(CPU_MODEL::matcher)
                .filter(Matcher::matches)
                .map(line -> line.group(1))
                .collect(Collectors.toCollection(LinkedHashSet::new));
    }

    /// {@return what to run guests with, and why; `AUTO` starts a probe guest once}
    public Accelerator accelerator(Accelerator.Choice choice) throws IOException {
        return switch (choice) {
            case KVM -> new Accelerator(Accelerator.Kind.KVM, "asked for");
            case TCG -> new Accelerator(Accelerator.Kind.TCG, "asked for");
            case AUTO -> probe();
        };
    }

    private Accelerator probe() throws IOException {
        Question question = question(List.of("kvm"));
        Accelerator known = ACCELERATORS.get(question);
        if (known != null) return known;
        Accelerator found = AcceleratorProbe.choose(program, MODULES);
        return Objects.requireNonNullElse(ACCELERATORS.putIfAbsent(question, found), found);
    }

    private Question question(List<String> arguments) throws IOException {
        return new Question(program, Files.getLastModifiedTime(program), arguments);
    }

    private String answer(List<String> arguments) throws IOException {
        Question question = question(arguments);
        String known = ANSWERS.get(question);
        if (known != null) return known;
        ToolRun run = ToolRun.of(
                Stream.concat(Stream.of(program.toString()), arguments.stream()).toList(), HELP_BOUND);
        if (run.status() != 0) {
            throw new QemuException(
                    program + ": '" + String.join(" ", arguments) + "' ended with status " + run.status() + ": "
                            + run.output().strip().lines().findFirst().orElse("without a word"));
        }
        ANSWERS.put(question, run.output());
        return run.output();
    }
}
