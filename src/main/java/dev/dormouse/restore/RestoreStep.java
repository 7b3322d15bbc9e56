package dev.dormouse.restore;

/// The steps of bringing a guest back that others can tell apart, in their order, each named for what has
/// just been done. A restore that is cut off behind any of them must be carried on or begun again; the
/// tests cut it off behind each.
public enum RestoreStep {
    /// The restore is recorded; there is no QEMU.
    RECORDED,
    /// QEMU runs and is recorded.
    STARTED,
    /// QEMU listens for the migration.
    LISTENING,
    /// QEMU is connected; nothing was sent.
    CONNECTED,
    /// The configuration of the machine was sent.
    CONFIGURED,
    /// The list of the RAM blocks was sent.
    ANNOUNCED,
    /// The small blocks, and the pages that are to be there first, were sent: the handshake is over.
    SHAKEN,
    /// It is recorded that the guest may run.
    READY,
    /// RUN was sent: the guest may run.
    LAUNCHED,
    /// Every page that is not zero is placed.
    PLACED,
    /// The end of the migration was sent.
    ENDED,
    /// QEMU has ended the migration and cleaned up after it.
    CLEAN,
    /// It is recorded that the restore is complete, and whether the image is spent.
    COMPLETE,
    /// The VM is recorded as running.
    RUNNING,
    /// The image was dropped; its disks are not merged.
    DROPPED,
    /// Its disks are merged; the record of the restore is still there.
    MERGED,

    /// A recovery has found out which pages are there.
    EXAMINED,
    /// A recovery has placed what it can reach directly.
    REPAIRED,
    /// QEMU listens for the recovery.
    LISTENING_AGAIN,
    /// QEMU was asked which pages it has received.
    ASKED,
    /// QEMU has answered.
    ANSWERED,
    /// QEMU was told to go on; it may not have done so.
    RESUMED
}
