package dev.dormouse.disk;

import io.avaje.jsonb.Json;
import java.util.Locale;

/// One file of a disk's backing chain.
///
/// @param path absolute path
@Json
public record Layer(String path, Format format) {
    /// The image formats that a VM's disk may have.
    public enum Format {
        RAW,
        QCOW2;

        /// {@return the format as QEMU names it}
        public String qemuName() {
            return name().toLowerCase(Locale.ROOT);
        }

        /// @throws IllegalArgumentException if the format is not one that is supported
        public static Format of(String qemuName) {
            return switch (qemuName) {
                case "raw" -> RAW;
                case "qcow2" -> QCOW2;
                default ->
                    throw new IllegalArgumentException(
                            "disk format is '" + qemuName + "', 'raw' and 'qcow2' are allowed");
            };
        }
    }
}
