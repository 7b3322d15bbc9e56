package dev.dormouse.engine;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Refuses what a user might add to QEMU's command line that would break a suspend or a restore.
final class ExtraArguments {
    private static final String USE_OPTION = "use the option of 'dormouse vm create' for it";
    private static final Map<String, String> REFUSED = Map.ofEntries(
            Map.entry("-incoming", "the restore sets it"),
            Map.entry("-S", "the guest would never start"),
            Map.entry("-daemonize", "its process could not be followed"),
            Map.entry("-loadvm", "it would undo the restore"),
            Map.entry("-snapshot", "what the guest writes would be lost"),
            Map.entry("-pidfile", "it is in use"),
            Map.entry("-mem-path", "memory in files cannot be restored lazily"),
            Map.entry("-mem-prealloc", "memory would be filled before the restore"),
            Map.entry("-m", USE_OPTION),
            Map.entry("-smp", USE_OPTION),
            Map.entry("-cpu", USE_OPTION),
            Map.entry("-machine", USE_OPTION),
            Map.entry("-M", USE_OPTION),
            Map.entry("-accel", USE_OPTION),
            Map.entry("-enable-kvm", USE_OPTION),
            Map.entry("-name", USE_OPTION),
            Map.entry("-kernel", USE_OPTION),
            Map.entry("-drive", "its file would not be frozen; " + USE_OPTION),
            Map.entry("-blockdev", "its file would not be frozen; " + USE_OPTION),
            Map.entry("-hda", "its file would not be frozen; " + USE_OPTION),
            Map.entry("-hdb", "its file would not be frozen; " + USE_OPTION),
            Map.entry("-hdc", "its file would not be frozen; " + USE_OPTION),
            Map.entry("-hdd", "its file would not be frozen; " + USE_OPTION),
            Map.entry("-fda", "its file would not be frozen; " + USE_OPTION),
            Map.entry("-fdb", "its file would not be frozen; " + USE_OPTION),
            Map.entry("-sd", "its file would not be frozen; " + USE_OPTION),
            Map.entry("-mtdblock", "its file would not be frozen; " + USE_OPTION),
            Map.entry("-initrd", USE_OPTION),
            Map.entry("-append", USE_OPTION),
            Map.entry("-readconfig", "the file could change after the checkpoint"),
            Map.entry("-preconfig", "the guest would never start"),
            Map.entry("-cdrom", "its file would not be frozen; " + USE_OPTION),
            Map.entry("-pflash", "its file would not be frozen; " + USE_OPTION));

    /// Devices that cannot lead out of the VM by themselves, and what sets them up.
    private static final Set<String> WITHIN =
            Set.of("-device", "-global", "-rtc", "-smbios", "-uuid", "-boot", "-k", "-sandbox");
    private static final List<String> LEADING_OUT =
            List.of("usb-host", "u2f-passthru", "vhost", "ivshmem", "scsi-generic", "scsi-block");
    /// A socket in the VM's own folder, which a rehearsal has elsewhere, or none.
    private static final Pattern OWN_CHARDEV = Pattern.compile(
            "null,id=[\\w.-]+|socket(,(id=[\\w.-]+|server=(on|off)|wait=(on|off)|path=\\{runtime}/[\\w.-]+))+");

    private ExtraArguments() {}

    /// {@return the first argument by which a guest might reach something outside of its VM, or be reached}
    static Optional<String> reachingOutside(List<String> arguments) {
        for (int i = 0; i < arguments.size(); i += 2) {
            String option = arguments.get(i);
            String value = i + 1 < arguments.size() ? arguments.get(i + 1) : "";
            boolean within = WITHIN.contains(option) && !isLeadingOut(value);
            if (!within
                    && !(option.equals("-chardev") && OWN_CHARDEV.matcher(value).matches())) {
                return Optional.of((option + " " + value).strip());
            }
        }
        return Optional.empty();
    }

    /// Also what gives the name of a device in another place than the first.
    private static boolean isLeadingOut(String value) {
        return value.startsWith("{")
                || value.contains("driver=")
                || LEADING_OUT.stream().anyMatch(value::startsWith);
    }

    /// @throws UsageException that names the first argument that is not allowed, and why
    static void check(String vmName, List<String> arguments) throws UsageException {
        for (int i = 0; i < arguments.size(); i++) {
            String argument =
                    arguments.get(i).startsWith("--") ? arguments.get(i).substring(1) : arguments.get(i);
            String reason = REFUSED.get(argument);
            if (reason == null && i > 0) {
                reason = refusedValue(arguments.get(i - 1), argument);
            }
            if (reason != null) {
                throw new UsageException(
                        "vm %s: extra argument '%s' is not allowed: %s".formatted(vmName, argument, reason));
            }
        }
    }

    private static @Nullable String refusedValue(String option, String value) {
        if (value.contains("hugetlb")) {
            return "huge pages are not supported yet";
        }
        boolean isObject = option.endsWith("-object");
        if (isObject && value.contains("memory-backend-file")) {
            return "memory in a regular file is destroyed by a postcopy restore; use --memory-backend";
        }
        if (isObject && value.contains("memory-backend")) {
            return "use --memory-backend";
        }
        if (option.endsWith("-overcommit") && value.contains("mem-lock=on")) {
            return "locked memory is faulted in at once, which undoes a lazy restore";
        }
        if (option.endsWith("-device") && (value.startsWith("vfio") || value.startsWith("vhost-vdpa"))) {
            return "a device of the host cannot be migrated, so the VM could never be suspended";
        }
        return null;
    }
}
