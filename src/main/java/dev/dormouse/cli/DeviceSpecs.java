package dev.dormouse.cli;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Reads what `--disk`, `--golden` and `--network` are given.
final class DeviceSpecs {
    private static final Pattern DISK = Pattern.compile("(.*?)(?:,attachment=([^,=]*))?");
    private static final Pattern UNKNOWN = Pattern.compile(",([a-z][a-z-]*)=");

    private DeviceSpecs() {}

    /// {@return the disk as in the YAML file}
    ///
    /// @param key `path` or `golden`
    static Map<String, Object> disk(String key, String spec) {
        Matcher parts = DISK.matcher(spec);
        if (!parts.matches() || parts.group(1).isEmpty()) {
            throw new IllegalArgumentException("disk is '%s', PATH or PATH,attachment=NAME is allowed".formatted(spec));
        }
        Matcher unknown = UNKNOWN.matcher(parts.group(1));
        if (unknown.find()) {
            throw new IllegalArgumentException(
                    "disk '%s': no setting '%s', 'attachment' is allowed once; a path with such a comma can be given in a file"
                            .formatted(spec, unknown.group(1)));
        }
        var disk = new LinkedHashMap<String, Object>();
        disk.put(key, parts.group(1));
        if (parts.group(2) != null) {
            disk.put("attachment", parts.group(2));
        }
        return disk;
    }

    /// {@return the network card as in the YAML file}
    static Map<String, Object> network(String spec) {
        List<String> parts = List.of(spec.split(",", -1));
        var network = new LinkedHashMap<String, Object>();
        String[] mode = parts.getFirst().split("=", 2);
        network.put("mode", mode[0]);
        if (mode.length == 2) {
            network.put("target", mode[1]);
        }
        if (!isMode(mode)) {
            throw new IllegalArgumentException(
                    "network is '%s', user, tap=NAME and bridge=NAME are allowed".formatted(spec));
        }
        var forwards = new ArrayList<String>();
        for (String part : parts.subList(1, parts.size())) {
            if (part.startsWith("forward=") && mode[0].equals("user")) {
                forwards.add(part.substring("forward=".length()));
            } else if (part.startsWith("mac=")) {
                network.put("mac", part.substring("mac=".length()));
            } else {
                throw new IllegalArgumentException("network '%s': no setting '%s', %s allowed"
                        .formatted(spec, part, mode[0].equals("user") ? "forward=... and mac=... are" : "mac=... is"));
            }
        }
        if (!forwards.isEmpty()) {
            network.put("forwards", forwards);
        }
        return network;
    }

    private static boolean isMode(String[] mode) {
        return switch (mode[0]) {
            case "user" -> mode.length == 1;
            case "tap", "bridge" -> mode.length == 2 && !mode[1].isEmpty();
            default -> false;
        };
    }
}
