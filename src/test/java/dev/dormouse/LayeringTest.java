package dev.dormouse;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.library.Architectures.LayeredArchitecture;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// The shape of the code: who may import whom, what nothing may be called, how long a file may be.
/// Where the work shows that a line is drawn in the wrong place, it moves here and in a decision
/// record under `docs/adr/`, in one commit.
class LayeringTest {
    private static final int FILE_LINES_MAX = 500;
    private static final Path SOURCES = Path.of("src/main/java");

    /// Package to the packages that it may import besides `base`.
    private static final Map<String, Set<String>> LAYERS = Map.ofEntries(
            Map.entry("base", Set.of()),
            Map.entry("storage", Set.of()),
            Map.entry("disk", Set.of("storage")),
            Map.entry("image", Set.of("storage")),
            Map.entry("wire", Set.of()),
            Map.entry("qmp", Set.of()),
            Map.entry("index", Set.of("disk", "storage")),
            Map.entry("checkpoint", Set.of("wire", "image", "index", "disk", "storage")),
            Map.entry("restore", Set.of("wire", "image", "disk", "storage")),
            Map.entry("engine", Set.of("checkpoint", "restore", "qmp", "image", "index", "disk", "storage")),
            Map.entry(
                    "bench",
                    Set.of("engine", "checkpoint", "restore", "qmp", "image", "index", "disk", "storage", "wire")),
            Map.entry("catalog", Set.of()),
            Map.entry("daemon", Set.of("catalog", "engine", "image", "restore", "disk", "storage")),
            Map.entry("cli", Set.of("engine", "daemon", "bench", "image", "restore", "disk")));

    private static final JavaClasses CLASSES = new ClassFileImporter().importPath("target/classes");

    @Test
    void importsOnlyDownwards() {
        LayeredArchitecture layers =
                layeredArchitecture().consideringOnlyDependenciesInLayers().withOptionalLayers(true);
        for (String layer : LAYERS.keySet()) {
            layers = layers.layer(layer).definedBy("dev.dormouse." + layer + "..");
        }
        for (var entry : LAYERS.entrySet()) {
            String[] allowed = Stream.concat(Stream.of("base"), entry.getValue().stream())
                    .filter(name -> !name.equals(entry.getKey()))
                    .toArray(String[]::new);
            layers = allowed.length == 0
                    ? layers.whereLayer(entry.getKey()).mayNotAccessAnyLayer()
                    : layers.whereLayer(entry.getKey()).mayOnlyAccessLayers(allowed);
        }

        layers.check(CLASSES);
    }

    @Test
    void hasNoCyclesOfPackages() {
        slices().matching("dev.dormouse.(**)")
                .should()
                .beFreeOfCycles()
                .allowEmptyShould(true)
                .check(CLASSES);
    }

    @Test
    void knowsEveryPackage() {
        Set<String> packages = CLASSES.stream()
                .map(JavaClass::getPackageName)
                .filter(name -> !name.endsWith(".jsonb")) // What the JSON library generates.
                .map(name -> name.replaceFirst("dev\\.dormouse\\.?", "").replaceFirst("\\..*", ""))
                .collect(Collectors.toSet());

        assertThat(LAYERS.keySet()).containsAll(packages);
    }

    @Test
    void namesSayWhatAClassIs() {
        noClasses()
                .should()
                .haveSimpleNameEndingWith("Util")
                .orShould()
                .haveSimpleNameEndingWith("Utils")
                .orShould()
                .haveSimpleNameEndingWith("Manager")
                .orShould()
                .haveSimpleNameEndingWith("Impl")
                .check(CLASSES);
    }

    @Test
    void eachPackageSaysWhatItIsFor() throws IOException {
        List<Path> silent = new ArrayList<>();
        for (Path file : sources(SOURCES)) {
            Path folder = file.getParent();
            if (!Files.exists(folder.resolve("package-info.java")) && !silent.contains(folder)) silent.add(folder);
        }

        assertThat(silent).as("packages without package-info.java").isEmpty();
    }

    @Test
    void filesCanBeReadInOneSitting() throws IOException {
        List<String> tooLong = new ArrayList<>();
        for (Path file : sources(SOURCES)) {
            int lines = Files.readAllLines(file).size();
            if (lines > FILE_LINES_MAX) tooLong.add(file + ": " + lines + " lines, " + FILE_LINES_MAX + " at most");
        }

        assertThat(tooLong).isEmpty();
    }

    @Test
    void namesAnIssueWhereverWorkIsLeft() throws IOException {
        var leftWork = Pattern.compile("\\b(TODO|FIXME|XXX)\\b(?! \\(#\\d+\\))");
        List<String> anonymous = new ArrayList<>();
        for (Path file : sources(Path.of("src"))) {
            if (file.endsWith("LayeringTest.java")) continue;
            for (String line : Files.readAllLines(file)) {
                if (leftWork.matcher(line).find()) anonymous.add(file + ": " + line.strip());
            }
        }

        assertThat(anonymous).as("left work must name its issue: 'TODO (#12)'").isEmpty();
    }

    private static List<Path> sources(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.filter(file -> file.toString().endsWith(".java"))
                    .sorted()
                    .toList();
        }
    }
}
