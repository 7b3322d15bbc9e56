package dev.dormouse.qmp;

/// How a guest's instructions are executed, and why so.
///
/// @param reason a sentence for people, without the full stop
public record Accelerator(Kind kind, String reason) {
    /// The accelerators that are supported.
    public enum Kind {
        /// The CPU's own virtualization.
        KVM("kvm"),
        /// QEMU's translator.
        TCG("tcg");

        private final String option;

        Kind(String option) {
            this.option = option;
        }

        /// {@return the name for `-accel`}
        public String option() {
            return option;
        }
    }

    /// What the user asked for.
    public enum Choice {
        /// KVM where it demonstrably works, else TCG.
        AUTO,
        KVM,
        TCG
    }
}
