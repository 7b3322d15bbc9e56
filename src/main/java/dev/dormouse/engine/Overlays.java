package dev.dormouse.engine;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.Layer;
import dev.dormouse.disk.QemuImg;
import dev.dormouse.qmp.QmpClient;
import dev.dormouse.storage.Storage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// The overlays on which a VM runs while an image needs the layers below them unchanged.
final class Overlays {
    private Overlays() {}

    /// Creates an empty overlay above the top layer of each disk. They are on the disk when this returns: an
    /// image without the overlays that belong to it could not be resumed.
    static List<Layer> create(QemuImg images, Vm vm, VmConfig config, VmRecord record) throws IOException {
        var overlays = new ArrayList<Layer>();
        try {
            create(images, vm, config, record, overlays);
        } catch (IOException e) {
            deleteUnused(vm.storage(), overlays, List.of());
            throw e;
        }
        return List.copyOf(overlays);
    }

    private static void create(QemuImg images, Vm vm, VmConfig config, VmRecord record, List<Layer> overlays)
            throws IOException {
        for (int i = 0; i < config.disks().size(); i++) {
            VmConfig.Disk disk = config.disks().get(i);
            Path file = vm.disks().resolve("%s-%d.qcow2".formatted(disk.id(), record.generation() + 1));
            vm.storage().deleteIfExists(file); // Left over from an attempt that was given up.
            overlays.add(new Layer(file.toString(), Layer.Format.QCOW2));
            images.createOverlay(file, record.chains().get(i).top(), disk.sizeBytes());
            vm.storage().force(file);
        }
        if (!overlays.isEmpty()) {
            vm.storage().forceDirectory(vm.disks());
        }
    }

    /// Undoes what a capture began: overlays that QEMU has open but whose snapshot was not taken are closed,
    /// because they keep it from writing the layer below them.
    ///
    /// @return the layers on which a living QEMU has its disks
    static List<BackingChain> backOut(QmpClient qmp, VmConfig config, List<BackingChain> chains, VmRecord during)
            throws IOException {
        var result = new ArrayList<BackingChain>();
        for (int i = 0; i < config.disks().size(); i++) {
            String overlayNode =
                    QemuCommandLine.node(config.disks().get(i), chains.get(i).depth());
            boolean snapshotTaken = isInUse(qmp, overlayNode);
            if (!snapshotTaken) {
                deleteNode(qmp, overlayNode);
            }
            result.add(snapshotTaken ? during.chainsWithOverlays().get(i) : chains.get(i));
        }
        return result;
    }

    /// {@return whether the node is the top one of a device that the guest sees}
    static boolean isInUse(QmpClient qmp, String node) throws IOException {
        return qmp.executeForList("query-block").stream()
                .anyMatch(device ->
                        device.get("inserted") instanceof Map<?, ?> inserted && node.equals(inserted.get("node-name")));
    }

    /// Has QEMU close the layer, if it has it open.
    static void deleteNode(QmpClient qmp, String node) throws IOException {
        List<Map<String, Object>> nodes =
                qmp.executeForList("query-named-block-nodes", Map.of("flat", true), QmpClient.DEFAULT_TIMEOUT);
        if (nodes.stream().anyMatch(entry -> node.equals(entry.get("node-name")))) {
            qmp.execute("blockdev-del", Map.of("node-name", node));
        }
    }

    static void deleteUnused(Storage storage, List<Layer> overlays, List<BackingChain> chains) throws IOException {
        for (Layer overlay : overlays) {
            if (chains.stream().noneMatch(chain -> chain.layers().contains(overlay))) {
                storage.deleteIfExists(Path.of(overlay.path()));
            }
        }
    }
}
