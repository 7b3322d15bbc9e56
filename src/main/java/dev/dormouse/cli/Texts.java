package dev.dormouse.cli;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.FrozenDisk;
import dev.dormouse.disk.Layer;
import dev.dormouse.disk.LayerIdentity;
import dev.dormouse.engine.ExportResult;
import dev.dormouse.engine.GcReport;
import dev.dormouse.engine.ImageMetadata;
import dev.dormouse.engine.ImportResult;
import dev.dormouse.engine.IndexReport;
import dev.dormouse.engine.MemorySize;
import dev.dormouse.engine.ShellWords;
import dev.dormouse.engine.SuspendResult;
import dev.dormouse.engine.VmStatus;
import dev.dormouse.image.ImageInspection;
import dev.dormouse.image.VerifyReport;
import dev.dormouse.restore.RestoreReport;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/// What the commands say to people.
final class Texts {
    private Texts() {}

    static String suspended(String what, SuspendResult result) {
        return "vm %s: %s image %s: %s for %s of memory (%s not zero), paused for %s, %s in all"
                .formatted(
                        result.vm(),
                        what,
                        result.image(),
                        MemorySize.format(result.imageBytes()),
                        MemorySize.format(result.memoryBytes()),
                        MemorySize.format(result.nonZeroBytes()),
                        FactsCommand.seconds(result.pausedMillis()),
                        FactsCommand.seconds(result.totalMillis()));
    }

    /// @param eager whether all of the memory was loaded before the guest ran
    /// @param facts of [BackgroundResume]
    static String resumed(String name, boolean eager, Map<String, Object> facts) {
        String text = "vm %s: running after %s".formatted(name, time(facts, "commandMillis"));
        if (eager) {
            return text + ", with all of its memory";
        }
        if (!facts.containsKey("completeMillis")) {
            return text + ", its memory follows in the background ('dormouse show %s')".formatted(name);
        }
        return text
                + ", complete after %s; pages on demand %s, prefetched %s, skipped %s"
                        .formatted(
                                time(facts, "completeMillis"),
                                facts.get("pagesOnDemand"),
                                facts.get("pagesPrefetched"),
                                facts.get("pagesSkipped"));
    }

    private static String time(Map<String, Object> facts, String key) {
        return facts.get(key) instanceof Number millis ? FactsCommand.seconds(millis.longValue()) : "?";
    }

    /// {@return the state, of a restore under way with how far it is}
    static String state(VmStatus vm) {
        Long restored = vm.restored();
        Long toRestore = vm.toRestore();
        if (restored == null || toRestore == null || toRestore == 0) {
            return vm.state();
        }
        return "%s %d%%".formatted(vm.state(), 100 * restored / toRestore);
    }

    static String describe(VmStatus vm) {
        Table table = Table.ofFacts()
                .row("name", vm.name())
                .row("state", state(vm) + " since " + vm.since())
                .row("memory", MemorySize.format(vm.memoryBytes()) + ", " + vm.memoryBackend())
                .row("cpus", vm.cpus() + " x " + vm.cpuModel())
                .row("machine", vm.machine() + ", " + vm.accelerator())
                .row("made for QEMU", vm.qemuVersion());
        if (vm.stalledReason() != null) {
            table.row("stalled", vm.stalledReason());
        }
        if (vm.pid() != null) {
            table.row("QEMU's pid", vm.pid()).row("QMP socket", vm.qmpSocket());
        }
        if (vm.standbyPid() != null) {
            table.row("standby", "QEMU %d waits for the resume".formatted(vm.standbyPid()));
        }
        if (vm.image() != null) {
            String size = vm.imageBytes() == null ? "missing" : MemorySize.format(vm.imageBytes());
            table.row("image", vm.image() + ", " + size);
        }
        if (vm.lastRestore() != null) {
            table.row("last restore", describe(vm.lastRestore()));
        }
        if (vm.vnc() != null) {
            table.row("VNC", vm.vnc());
        }
        vm.forwards().forEach(forward -> table.row("forward", forward));
        addDisks(table, vm.disks());
        VmStatus.Indexing indexing = vm.indexing();
        if (indexing != null) {
            long percent = indexing.totalBytes() == 0 ? 100 : 100 * indexing.doneBytes() / indexing.totalBytes();
            table.row("indexing", "%s, %d%%".formatted(indexing.layer(), percent));
        }
        return table.toString();
    }

    private static String describe(RestoreReport restore) {
        Long responsive = restore.responsiveMillisEstimate();
        String time =
                responsive == null ? "" : "responsive after about %s; ".formatted(FactsCommand.seconds(responsive));
        return "%spages on demand %d of %d, 99 of 100 within %.1f ms"
                .formatted(time, restore.demandedPages(), restore.nonZeroPages(), restore.demandMicrosP99() / 1000.0);
    }

    private static void addDisks(Table table, List<BackingChain> disks) {
        for (int i = 0; i < disks.size(); i++) {
            for (Layer layer : disks.get(i).layers().reversed()) {
                boolean top = layer.equals(disks.get(i).top());
                table.row(
                        top ? "disk " + i : "  on",
                        layer.path() + ", " + layer.format().qemuName());
            }
        }
    }

    static String exported(ExportResult result) {
        String size = MemorySize.format(result.bytes());
        if (result.commands().isEmpty()) {
            return "image %s: RAM block %s exported to %s, %s"
                    .formatted(result.image(), result.block(), result.file(), size);
        }
        String commands = result.commands().stream().map(ShellWords::join).collect(Collectors.joining("\n  "));
        return """
                image %s: exported to %s, %s; these commands restore it:
                  %s
                The guest is paused then, as it was captured: type 'cont' at QEMU's prompt.""".formatted(result.image(), result.file(), size, commands);
    }

    static String imported(ImportResult result) {
        return "vm %s: suspended, image %s: %s for %s of memory (%s not zero), after %s; 'dormouse resume %s' wakes it"
                .formatted(
                        result.vm(),
                        result.image(),
                        MemorySize.format(result.imageBytes()),
                        MemorySize.format(result.memoryBytes()),
                        MemorySize.format(result.nonZeroBytes()),
                        FactsCommand.seconds(result.totalMillis()),
                        result.vm());
    }

    static String describe(Path file, ImageMetadata metadata, ImageInspection image) {
        ImageInspection.Pages pages = image.pages();
        Table facts = Table.ofFacts()
                .row("image", metadata.id())
                .row("file", file)
                .row("format", image.version())
                .row("of vm", metadata.vm())
                .row("created", metadata.created())
                .row("QEMU", metadata.qemuVersion())
                .row(
                        "machine",
                        metadata.config().machine() + ", " + metadata.config().accelerator())
                .row(
                        "CPUs",
                        metadata.config().cpus() + " x " + metadata.config().cpuModel())
                .row("compression", "%.2f : 1 in %d extents".formatted(image.compressionRatio(), image.extents()))
                .row("working set", workingSet(image.hints()))
                .row("encrypted", image.encrypted() ? "AES-256-GCM" : "no")
                .row("hot", pagesAndBytes(image.hints().heatPages()));
        if (image.hints().damage() != null) {
            facts.row("damage", image.hints().damage());
        }
        addLayers(facts, metadata.disks());
        var classes = new Table("PAGES", ">COUNT", ">BYTES")
                .row("zero", pages.zero(), MemorySize.format(pages.zero() * 4096))
                .row("on disk", pages.onDisk(), MemorySize.format(pages.onDisk() * 4096))
                .row("duplicate", pages.duplicate(), MemorySize.format(pages.duplicate() * 4096))
                .row("stored", pages.stored(), MemorySize.format(pages.stored() * 4096))
                .row("all", pages.total(), MemorySize.format(image.bytes().memory()));
        return facts + "\n" + classes + "\n" + parts(image.bytes());
    }

    private static Table parts(ImageInspection.Bytes bytes) {
        return new Table("FILE", ">BYTES")
                .row("stored pages", MemorySize.format(bytes.stored()))
                .row("page table", MemorySize.format(bytes.pageTable()))
                .row("device state", MemorySize.format(bytes.deviceState()))
                .row("description", MemorySize.format(bytes.configuration() + bytes.metadata()))
                .row("working set, heat", MemorySize.format(bytes.workingSet() + bytes.heatOrder()))
                .row("lists, directory", MemorySize.format(bytes.other() + bytes.structure()))
                .row("all", MemorySize.format(bytes.image()));
    }

    private static String workingSet(ImageInspection.Hints hints) {
        return hints.workingSetPages() == 0
                ? "none"
                : "%s in %d groups".formatted(pagesAndBytes(hints.workingSetPages()), hints.workingSetGroups());
    }

    private static String pagesAndBytes(long pages) {
        return pages == 0 ? "none" : "%d pages, %s".formatted(pages, MemorySize.format(pages * 4096));
    }

    /// With what tells a layer from another: a copy has another inode, one that was written another time.
    private static void addLayers(Table table, List<FrozenDisk> disks) {
        for (int i = 0; i < disks.size(); i++) {
            List<LayerIdentity> topFirst = disks.get(i).layers().reversed();
            for (LayerIdentity layer : topFirst) {
                table.row(
                        layer.equals(topFirst.getFirst()) ? "disk " + i : "  on",
                        "%s, %s, %s, inode %d, modified %s"
                                .formatted(
                                        layer.layer().path(),
                                        layer.layer().format().qemuName(),
                                        MemorySize.format(layer.sizeBytes()),
                                        layer.inode(),
                                        Instant.ofEpochSecond(0, layer.modifiedNanos())
                                                .truncatedTo(ChronoUnit.SECONDS)));
            }
        }
    }

    static String describe(Path file, VerifyReport report) {
        String checked = "%d pages in %d extents, %s"
                .formatted(report.checkedPages(), report.extents(), MemorySize.format(report.fileLengthBytes()));
        if (report.deep()) {
            checked += "; %d of %d pages on disks".formatted(report.comparedOnDiskPages(), report.onDiskPages());
        } else if (report.onDiskPages() > 0) {
            checked += "; %d pages on disks not looked at, --deep does".formatted(report.onDiskPages());
        }
        if (report.isSound()) {
            return "%s: sound: %s".formatted(file, checked);
        }
        String unlisted = report.damageCount() > report.damages().size()
                ? "\n... and %d more"
                        .formatted(report.damageCount() - report.damages().size())
                : "";
        String places = report.damageCount() == 1 ? "one place" : report.damageCount() + " places";
        return "%s: damaged in %s: %s\n%s%s"
                .formatted(file, places, checked, String.join("\n", report.damages()), unlisted);
    }

    static String describe(GcReport report) {
        var table = new Table(report.dryRun() ? "WOULD GO" : "REMOVED", ">SIZE", "PATH");
        for (GcReport.Item item : report.items()) {
            table.row(
                    item.kind().name().toLowerCase(Locale.ROOT).replace('_', ' '),
                    item.bytes() == 0 ? null : MemorySize.format(item.bytes()),
                    item.path());
        }
        String found = report.items().isEmpty()
                ? "nothing to remove"
                : table.toString().stripTrailing();
        String passedOver = report.passedOver().stream()
                .map(text -> "\npassed over: " + text)
                .collect(Collectors.joining());
        return found + passedOver;
    }

    static String describe(IndexReport report) {
        var table = new Table("LAYER", "", ">BLOCKS", ">READ", ">TIME", ">RATE", ">INDEX");
        for (IndexReport.IndexedLayer layer : report.layers()) {
            table.row(
                    layer.path(),
                    layer.built() ? "built" : "up to date",
                    layer.blocks(),
                    layer.built() ? MemorySize.format(layer.readBytes()) : "",
                    layer.built() ? FactsCommand.seconds(Math.round(layer.seconds() * 1000)) : "",
                    layer.built() ? "%.2f GB/s".formatted(layer.gigabytesPerSecond()) : "",
                    MemorySize.format(layer.indexBytes()));
        }
        return table.toString();
    }
}
