package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;
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

    @ParameterizedTest
    @ValueSource(
            strings = {
                "-netdev user,id=n",
                "-nic user",
                "-virtfs local,path=/srv",
                "-chardev socket,id=a,path=/run/a,server=on",
                "-chardev socket,id=a,host=1.2.3.4,port=5,path={runtime}/a",
                "-chardev file,id=a,path={runtime}/a",
                "-device usb-host,hostbus=1",
                "-device driver=usb-host,hostbus=1",
                "-device {\"driver\":\"usb-host\"}",
                "-chardev null,id=a,logfile=/var/log/a",
                "-chardev socket,id=a,path={runtime}/../a",
                "-device vhost-vsock-pci,guest-cid=3",
                "-object memory-backend-epc,id=a",
                "-qmp stdio",
                "-nodefaults"
            })
    void knowsWhatMayLeadOutOfTheVm(String argument) {
        assertThat(ExtraArguments.reachingOutside(List.of(argument.split(" ")))).contains(argument);
    }

    @Test
    void knowsWhatStaysWithinTheVm() {
        List<String> within = List.of(
                "-device",
                "virtio-serial-pci,id=bus",
                "-chardev",
                "socket,id=probe,server=on,wait=off,path={runtime}/probe",
                "-device",
                "virtserialport,bus=bus.0,chardev=probe",
                "-chardev",
                "null,id=nothing",
                "-rtc",
                "base=utc");

        assertThat(ExtraArguments.reachingOutside(within)).isEmpty();
        assertThat(ExtraArguments.reachingOutside(List.of())).isEmpty();
    }
}
