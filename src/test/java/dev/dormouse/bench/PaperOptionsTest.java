package dev.dormouse.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

class PaperOptionsTest {
    private static PaperOptions parse(String... arguments) {
        return PaperOptions.parse(List.of(arguments), Path.of("qemu-10.0"), Path.of("samples.jsonl"));
    }

    @Test
    void measuresEverythingThreeTimesOnQemu10UnlessToldOtherwise() {
        PaperOptions options = parse();

        assertThat(options.workloads()).containsExactly(PaperWorkload.values());
        assertThat(options.restore().rounds()).isEqualTo(3);
        assertThat(options.restore().profiles()).containsExactly(StorageProfile.values());
        assertThat(options.restore().strategies())
                .contains(RestoreStrategy.STOCK_MAPPED_RAM, RestoreStrategy.EAGER)
                .doesNotContain(RestoreStrategy.DORMOUSE_STREAM);
        assertThat(options.restore().qemus()).containsExactly(Path.of("qemu-10.0/bin/qemu-system-x86_64"));
        assertThat(options.restore().composition()).isTrue();
    }

    @Test
    void isQuickWithOneWorkload() {
        PaperOptions options = parse("--quick");

        assertThat(options.workloads()).hasSize(1);
        assertThat(options.restore().rounds()).isEqualTo(2);
    }

    @Test
    void takesListsAndRefusesWhatItDoesNotKnow() {
        assertThat(parse("--workloads", "idle,files-read").workloads())
                .containsExactly(PaperWorkload.IDLE, PaperWorkload.FILES_READ);
        assertThatThrownBy(() -> parse("--workloads", "chess")).hasMessageStartingWith("workload is 'chess', allowed");
        assertThatThrownBy(() -> parse("--fast")).hasMessageStartingWith("'--fast' is not an option");
    }
}
