package dev.dormouse.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

class RestoreBenchOptionsTest {
    private static final Path OUTPUT = Path.of("samples.jsonl");

    private static RestoreBenchOptions parse(String... arguments) {
        return RestoreBenchOptions.parse(List.of(arguments), null, OUTPUT);
    }

    @Test
    void measuresEverythingTenTimesUnlessToldOtherwise() {
        RestoreBenchOptions options = parse();

        assertThat(options.rounds()).isEqualTo(10);
        assertThat(options.strategies()).containsExactly(RestoreStrategy.values());
        assertThat(options.profiles()).containsExactly(StorageProfile.values());
        // Together with the kernel more than 3 GiB, and enough is left for what the guest allocates.
        assertThat(options.patternMebibytes() + options.fileMebibytes()).isBetween(3200, 3300);
        assertThat(options.allocateMebibytes()).isEqualTo(512);
    }

    @Test
    void takesListsAndGoesOnWithAnEarlierRun() {
        RestoreBenchOptions options =
                parse("--strategies", "eager,dormouse", "--profiles", "nas", "--resume", "old.jsonl", "--rounds", "2");

        assertThat(options.strategies()).containsExactly(RestoreStrategy.EAGER, RestoreStrategy.DORMOUSE);
        assertThat(options.profiles()).containsExactly(StorageProfile.NAS);
        assertThat(options.output()).isEqualTo(Path.of("old.jsonl"));
        assertThat(options.loadedRounds()).isEqualTo(1);
    }

    @Test
    void refusesWhatItDoesNotKnow() {
        assertThatThrownBy(() -> parse("--strategy", "eager")).hasMessageStartingWith("'--strategy' is not an option");
        assertThatThrownBy(() -> parse("--strategies", "fast"))
                .hasMessageStartingWith("strategy is 'fast', allowed are");
        assertThatThrownBy(() -> parse("--profiles", "tape")).hasMessageStartingWith("storage profile is 'tape'");
        assertThatThrownBy(() -> parse("--rounds")).hasMessageStartingWith("--rounds: its value is missing");
        assertThatThrownBy(() -> parse("--qemu", "10.0")).hasMessageContaining("10.0 cannot be had here");
    }
}
