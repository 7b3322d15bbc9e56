package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ExtraArgumentsTest {
    /// The guest could write to a file that no checkpoint freezes.
    @ParameterizedTest
    @ValueSource(strings = {"-drive", "-blockdev", "-hda", "-hdd", "-fda", "-sd", "-mtdblock", "--hdc"})
    void refusesDisksThatWouldNotBeFrozen(String option) {
        String single = option.replaceFirst("^--", "-");

        assertThatThrownBy(() -> ExtraArguments.check("web", List.of(option, "disk.raw")))
                .hasMessage("vm web: extra argument '" + single + "' is not allowed: its file would not be frozen;"
                        + " use the option of 'dormouse vm create' for it");
    }

    @Test
    void refusesArgumentsFromAFile() {
        assertThatThrownBy(() -> ExtraArguments.check("web", List.of("-readconfig", "more.conf")))
                .hasMessage("vm web: extra argument '-readconfig' is not allowed:"
                        + " the file could change after the checkpoint");
    }

    @Test
    void allowsDevicesThatCanBeMigrated() {
        assertThatCode(() -> ExtraArguments.check("web", List.of("-device", "virtio-rng-pci")))
                .doesNotThrowAnyException();
    }
}
