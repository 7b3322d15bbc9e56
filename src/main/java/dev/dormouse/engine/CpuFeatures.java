package dev.dormouse.engine;

import dev.dormouse.qmp.QmpClient;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// What the CPU model of a VM promises and this host and this QEMU cannot give. A guest that found a feature
/// when it booted must not lose it while it is away.
final class CpuFeatures {
    private static final Duration TIMEOUT = Duration.ofSeconds(30);

    private CpuFeatures() {}

    /// {@return the features that are missing of the first CPU, which all are like}
    static List<String> missing(QmpClient qmp) throws IOException {
        List<Map<String, Object>> cpus = qmp.executeForList("query-cpus-fast");
        if (cpus.isEmpty() || !(cpus.getFirst().get("qom-path") instanceof String path)) {
            throw new VmException("QEMU told of no CPU, though every machine has one");
        }
        Object missing =
                qmp.executeForAny("qom-get", Map.of("path", path, "property", "unavailable-features"), TIMEOUT);
        return missing instanceof List<?> names
                ? names.stream().map(String::valueOf).sorted().toList()
                : List.of();
    }

    /// Refuses a host that lacks more than the one did on which the guest was captured.
    static void refuseFewer(ImageMetadata image, QmpClient qmp) throws IOException {
        List<String> captured = image.missingCpuFeatures();
        if (captured == null) {
            return; // Of a build that did not note them.
        }
        var lost = new ArrayList<>(missing(qmp));
        lost.removeAll(captured);
        if (!lost.isEmpty()) {
            throw new VmException(
                    "its CPU model %s lacks %s here, which its guest has; resume it on a host that has them"
                            .formatted(image.config().cpuModel(), String.join(", ", lost)));
        }
    }
}
