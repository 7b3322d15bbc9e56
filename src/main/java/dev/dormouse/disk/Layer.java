package dev.dormouse.disk;

import io.avaje.jsonb.Json;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/// One file of a disk's backing chain.
///
/// @param path absolute path
@Json
public record Layer(String path, Format format) {
    /// The image formats that a layer of a VM's disk may have. Only the first two are ever written.
    public enum Format {
        RAW(true, false),
        QCOW2(true, true),
        QCOW(false, true),
        QED(false, true),
        VMDK(false, true),
        VDI(false, false),
        VHDX(false, false),
        VPC(false, false),
        PARALLELS(false, false),
        BOCHS(false, false),
        CLOOP(false, false);

        private final boolean isNative;
        private final boolean hasBacking;

        Format(boolean isNative, boolean hasBacking) {
            this.isNative = isNative;
            this.hasBacking = hasBacking;
        }

        /// {@return whether the QEMU of a VM opens it itself}. While it has one of most other formats open it
        /// refuses to migrate, and so to be saved: it reads those from a [LayerServer].
        public boolean isNative() {
            return isNative;
        }

        /// {@return whether a layer may lie below one of this format}
        public boolean hasBacking() {
            return hasBacking;
        }

        /// {@return the format as QEMU names it}
        public String qemuName() {
            return name().toLowerCase(Locale.ROOT);
        }

        /// @throws IllegalArgumentException if the format is not one that is supported
        public static Format of(String qemuName) {
            return Arrays.stream(values())
                    .filter(format -> format.qemuName().equals(qemuName))
                    .findFirst()
                    .orElseThrow(() ->
                            new IllegalArgumentException("disk format is '" + qemuName + "', allowed are " + all()));
        }

        private static String all() {
            return Arrays.stream(values()).map(Format::qemuName).collect(Collectors.joining(", "));
        }
    }
}
