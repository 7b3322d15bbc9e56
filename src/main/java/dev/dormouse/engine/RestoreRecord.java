package dev.dormouse.engine;

import dev.dormouse.disk.Layer;
import io.avaje.jsonb.Json;
import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The durable record of a restore under way, `restore.json`: what whoever restarts needs in order to
/// carry on. Written before QEMU starts, and again before each phase is entered.
///
/// @param qemu null until the process exists; then the pid file in the runtime folder names it too
/// @param server the process that serves the pages
/// @param qmpSocket in-band and out-of-band monitor
/// @param migrationSocket where QEMU listened for the first connection
/// @param ramSectionId id under which the RAM section was announced, needed for a recovery
/// @param ramBlocks names of the RAM blocks in the order announced
/// @param placement per block how its pages are placed, [#STREAM], `direct`, or [#UNDECIDED]: what is not `stream` may
///     hold pages of which QEMU's own account does not know
/// @param guestStopped of a merge without a restore: whether the guest was stopped for it, and is to go on
@Json
public record RestoreRecord(
        String image,
        Phase phase,
        boolean keepImage,
        boolean eager,
        @Nullable ProcessRef qemu,
        ProcessRef server,
        String qmpSocket,
        String migrationSocket,
        int ramSectionId,
        List<String> ramBlocks,
        List<String> placement,
        List<Layer> overlays,
        boolean guestStopped) {
    static final String STREAM = "stream";
    static final String UNDECIDED = "undecided";

    /// How far the restore is. After each phase the next one may have begun.
    public enum Phase {
        /// QEMU is being started; nothing was sent.
        STARTING,
        /// The stream is being sent up to, and without, the package. The guest has not run.
        HANDSHAKE,
        /// The package with RUN is being sent, or pages are: the guest may have run and written its disks.
        RUNNING,
        /// Every page is placed. The image is not needed by the guest any more.
        COMPLETE,
        /// The image is spent: the overlays are being merged into the layers that it refers to.
        MERGING
    }

    public RestoreRecord {
        ramBlocks = List.copyOf(ramBlocks);
        placement = List.copyOf(placement);
        overlays = List.copyOf(overlays);
    }

    /// {@return the record of a merge of a running VM that is no restore: there is no image that is spent}
    static RestoreRecord ofMerge(List<Layer> tops, ProcessRef qemu, VmSockets sockets, boolean guestStopped)
            throws IOException {
        return new RestoreRecord(
                "",
                Phase.MERGING,
                true,
                false,
                qemu,
                ProcessRef.self(),
                sockets.qmpOutOfBand().toString(),
                sockets.migration().toString(),
                0,
                List.of(),
                List.of(),
                tops,
                guestStopped);
    }

    /// {@return whether an image has been given to the guest as a whole and is not needed}
    boolean hasSpentImage() {
        return phase == Phase.MERGING && !image.isEmpty();
    }

    RestoreRecord with(Phase newPhase) {
        return copy(newPhase, qemu, server, placement);
    }

    RestoreRecord withPlacement(List<String> ways) {
        return copy(phase, qemu, server, ways);
    }

    RestoreRecord withServer(ProcessRef newServer) {
        return copy(phase, qemu, newServer, placement);
    }

    RestoreRecord withQemu(ProcessRef newQemu) {
        return copy(phase, newQemu, server, placement);
    }

    /// {@return the same restore with what changes while it goes on}
    private RestoreRecord copy(
            Phase newPhase, @Nullable ProcessRef newQemu, ProcessRef newServer, List<String> newPlacement) {
        return new RestoreRecord(
                image,
                newPhase,
                keepImage,
                eager,
                newQemu,
                newServer,
                qmpSocket,
                migrationSocket,
                ramSectionId,
                ramBlocks,
                newPlacement,
                overlays,
                guestStopped);
    }
}
