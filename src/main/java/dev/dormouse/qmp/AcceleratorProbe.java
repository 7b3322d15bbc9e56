package dev.dormouse.qmp;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/// Finds out whether KVM runs stock guests here. A `/dev/kvm` that opens proves nothing: it may belong
/// to a paravirtual KVM under which an ordinary guest hangs in its firmware. So the module has to be a
/// hardware one, and a guest has to answer.
final class AcceleratorProbe {
    static final Duration ANSWER_BOUND = Duration.ofSeconds(3);

    private static final String ANSWER = "DORMOUSE";
    private static final int SECTOR_BYTES = 512;
    private static final int DISK_BYTES = 1 << 20; // SeaBIOS boots from no disk of a few sectors.
    /// Writes the text behind it to port 0xE9, ends QEMU through port 0xF4, halts. 16-bit code at 0x7C00.
    private static final byte[] BOOT_CODE = {
        0x31,
        (byte) 0xC0, // xor ax, ax
        (byte) 0x8E,
        (byte) 0xD8, // mov ds, ax
        (byte) 0xBE,
        0x17,
        0x7C, // mov si, 0x7C17: the text
        (byte) 0xAC, // next: lodsb
        (byte) 0x84,
        (byte) 0xC0, // test al, al
        0x74,
        0x04, // jz done
        (byte) 0xE6,
        (byte) 0xE9, // out 0xE9, al
        (byte) 0xEB,
        (byte) 0xF7, // jmp next
        (byte) 0xE6,
        (byte) 0xF4, // done: out 0xF4, al
        (byte) 0xFA, // halt: cli
        (byte) 0xF4, // hlt
        (byte) 0xEB,
        (byte) 0xFC, // jmp halt
        (byte) 0x90, // nop
    };

    private AcceleratorProbe() {}

    /// {@return KVM or TCG, with the reason}
    static Accelerator choose(Path qemu, Path modules) throws IOException {
        Optional<String> module = Stream.of("kvm_intel", "kvm_amd")
                .filter(name -> Files.isDirectory(modules.resolve(name)))
                .findFirst();
        if (module.isEmpty()) {
            return new Accelerator(
                    Accelerator.Kind.TCG, "neither kvm_intel nor kvm_amd is loaded, so KVM cannot run stock guests");
        }
        Optional<String> fault = fault(qemu, "kvm", ANSWER_BOUND);
        return fault.map(why -> new Accelerator(Accelerator.Kind.TCG, module.get() + " is loaded, but " + why))
                .orElseGet(() ->
                        new Accelerator(Accelerator.Kind.KVM, module.get() + " is loaded and a probe guest answered"));
    }

    /// {@return why a guest does not run under the accelerator, or empty when it answered}
    static Optional<String> fault(Path qemu, String accelerator, Duration bound) throws IOException {
        Path directory = Files.createTempDirectory("dormouse-probe");
        Path disk = directory.resolve("disk.raw");
        Path answer = directory.resolve("answer.txt");
        try {
            Files.write(disk, bootDisk());
            ToolRun run = ToolRun.of(argv(qemu, accelerator, disk, answer), bound);
            if (Files.exists(answer)
                    && Files.readString(answer, StandardCharsets.ISO_8859_1).startsWith(ANSWER)) {
                return Optional.empty();
            }
            return Optional.of("the probe guest did not start: " + firstLine(run.output()));
        } catch (QmpTimeoutException _) {
            return Optional.of("a probe guest did not answer within " + QmpClient.text(bound));
        } finally {
            for (Path file : List.of(disk, answer, directory)) Files.deleteIfExists(file);
        }
    }

    /// {@return a disk whose first sector a BIOS boots}
    private static byte[] bootDisk() {
        byte[] disk = new byte[DISK_BYTES];
        byte[] text = ANSWER.getBytes(StandardCharsets.US_ASCII); // The zero that ends it is there already.
        System.arraycopy(BOOT_CODE, 0, disk, 0, BOOT_CODE.length);
        System.arraycopy(text, 0, disk, BOOT_CODE.length, text.length);
        disk[SECTOR_BYTES - 2] = 0x55;
        disk[SECTOR_BYTES - 1] = (byte) 0xAA;
        return disk;
    }

    private static List<String> argv(Path qemu, String accelerator, Path disk, Path answer) {
        return List.of(
                qemu.toString(),
                "-nodefaults",
                "-no-user-config",
                "-display",
                "none",
                "-machine",
                "q35,accel=" + accelerator,
                "-m",
                "32",
                "-blockdev",
                "driver=raw,node-name=probe,file.driver=file,file.filename="
                        + disk.toString().replace(",", ",,"),
                "-device",
                "ide-hd,drive=probe",
                "-chardev",
                "file,id=answer,path=" + answer.toString().replace(",", ",,"),
                "-device",
                "isa-debugcon,iobase=0xe9,chardev=answer",
                "-device",
                "isa-debug-exit,iobase=0xf4");
    }

    private static String firstLine(String output) {
        return output.strip().lines().findFirst().orElse("it ended without a word");
    }
}
