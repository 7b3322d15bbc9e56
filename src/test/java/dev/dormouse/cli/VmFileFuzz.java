package dev.dormouse.cli;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;

/// Fuzz target: the file of `vm create`.
///
/// Invariants: it becomes a request, or is refused with an [IllegalArgumentException] that names the file.
public final class VmFileFuzz {
    private static final Path FILE = Path.of("vm.yaml");

    private VmFileFuzz() {}

    public static void fuzzerTestOneInput(byte[] data) {
        try {
            VmFile.request(VmFile.parse(FILE, new String(data, StandardCharsets.UTF_8)));
        } catch (IllegalArgumentException e) {
            if (!String.valueOf(e.getMessage()).contains(FILE.toString())) {
                throw new AssertionError("error that does not name the file", e);
            }
        }
    }

    public static List<byte[]> seeds(Path folder) {
        return List.of("""
                        name: desktop
                        memory: 4G
                        cpus: 2
                        machine: q35
                        cpu: Nehalem-v1
                        disks:
                          - golden: base.qcow2
                            attachment: scsi
                          - { path: ../data.raw }
                        networks:
                          - mode: user
                            forwards: ["tcp:127.0.0.1:2222-:22"]
                            mac: 52:54:00:12:34:56
                        vnc: 127.0.0.1:1
                        guestAgent: true
                        """, """
                        name: &n desktop
                        kernel: vmlinuz
                        initrd: initrd.gz
                        append: "console=ttyS0\\t\\u001b[31m"
                        memoryBackend: shared
                        uefiCode: code.fd
                        uefiVariables: vars.fd
                        vmgenid: false
                        extraArguments: [-device, *n, |
                          text, >-
                          folded]
                        """, "[[[[{a: [b, {c: d}]}]]]]", "&a [*a, *a]\n--- !!binary x\n").stream()
                .map(text -> text.getBytes(StandardCharsets.UTF_8))
                .toList();
    }
}
