package dev.dormouse.engine;

/// What is recorded of a VM. What it is in truth also depends on whether its QEMU lives: [VmStatus].
public enum VmState {
    /// No QEMU, no saved memory.
    STOPPED,
    /// A QEMU was started and let run.
    RUNNING,
    /// A capture for a suspend has begun; it counts from the moment when the image has its final name.
    SUSPENDING,
    /// A capture for a checkpoint has begun.
    CHECKPOINTING,
    /// The memory is in an image, no QEMU.
    SUSPENDED,
    /// A QEMU is being fed from the image; details in the restore record.
    RESTORING,
    /// QEMU died on a resumed VM whose disk has been written since: a person decides.
    CRASHED
}
