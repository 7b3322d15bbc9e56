package dev.dormouse.engine;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.Layer;
import dev.dormouse.disk.QemuImg;
import dev.dormouse.qmp.QmpClient;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// The overlays on which a VM runs while an image needs the layers below them unchanged.
final class Overlays {
    private Overlays() {}

    /// Creates an empty overlay above the top layer of each disk.
    static List<Layer> create(QemuImg images, Vm vm, VmConfig config, VmRecord record) throws IOException {
        var overlays = new ArrayList<Layer>();
        for (int i = 0; i < config.disks().size(); i++) {
            VmConfig.Disk disk = config.disks().get(i);
            Path file = vm.disks().resolve("%s-%d.qcow2".formatted(disk.id(), record.generation() + 1));
            Files.deleteIfExists(file); // Left over from an attempt that was given up.
            images.createOverlay(file, record.chains().get(i).top(), disk.sizeBytes());
            overlays.add(new Layer(file.toString(), Layer.Format.QCOW2));
        }
        return List.copyOf(overlays);
    }

    /// {@return the layers on which a living QEMU has its disks: with the overlay where the snapshot was
    /// taken, without it where it was not}
    static List<BackingChain> inUse(QmpClient qmp, VmConfig config, List<BackingChain> chains, VmRecord during)
            throws IOException {
        List<Map<String, Object>> nodes =
                qmp.executeForList("query-named-block-nodes", Map.of("flat", true), Duration.ofSeconds(10));
        var result = new ArrayList<BackingChain>();
        for (int i = 0; i < config.disks().size(); i++) {
            String overlayNode =
                    QemuCommandLine.node(config.disks().get(i), chains.get(i).depth());
            boolean snapshotTaken = nodes.stream()
                    .anyMatch(node -> overlayNode.equals(node.get("node-name")) && node.get("backing_file") != null);
            result.add(snapshotTaken ? during.chainsWithOverlays().get(i) : chains.get(i));
        }
        return result;
    }

    static void deleteUnused(List<Layer> overlays, List<BackingChain> chains) throws IOException {
        for (Layer overlay : overlays) {
            if (chains.stream().noneMatch(chain -> chain.layers().contains(overlay))) {
                Files.deleteIfExists(Path.of(overlay.path()));
            }
        }
    }
}
