package dev.dormouse.qmp;

import java.util.Comparator;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// A version of QEMU. Order looks at the three numbers only, so versions of different packagers can be
/// neither before nor after each other and yet not equal.
///
/// @param full the numbers and the packager's own text, for example `7.2.22 (Debian 1:7.2+dfsg-7)`
public record QemuVersion(int major, int minor, int micro, String full) implements Comparable<QemuVersion> {
    private static final Pattern COMMAND_LINE =
            Pattern.compile("version ((\\d{1,4})\\.(\\d{1,4})\\.(\\d{1,4})[^\\r\\n]*)");
    private static final Comparator<QemuVersion> ORDER = Comparator.comparingInt(QemuVersion::major)
            .thenComparingInt(QemuVersion::minor)
            .thenComparingInt(QemuVersion::micro);

    /// {@return the version in what `qemu-system-x86_64 --version` prints}
    public static QemuVersion ofCommandLine(String output) throws QemuException {
        Matcher matcher = COMMAND_LINE.matcher(output);
        if (!matcher.find()) {
            String start = output.strip().lines().findFirst().orElse("nothing");
            throw new QemuException(
                    "QEMU: '--version' printed no version but: " + start.substring(0, Math.min(200, start.length())));
        }
        return new QemuVersion(
                Integer.parseInt(matcher.group(2)),
                Integer.parseInt(matcher.group(3)),
                Integer.parseInt(matcher.group(4)),
                matcher.group(1).strip());
    }

    /// {@return the version in a reply to `query-version`}
    public static QemuVersion ofReply(Map<String, Object> reply) throws QemuException {
        if (reply.get("qemu") instanceof Map<?, ?> numbers
                && numbers.get("major") instanceof Long major
                && numbers.get("minor") instanceof Long minor
                && numbers.get("micro") instanceof Long micro
                && Math.clamp(major, 0, 9999) == major
                && Math.clamp(minor, 0, 9999) == minor
                && Math.clamp(micro, 0, 9999) == micro) {
            String plain = major + "." + minor + "." + micro;
            boolean packaged = reply.get("package") instanceof String text && !text.isBlank();
            String full = packaged ? plain + " (" + reply.get("package") + ")" : plain;
            return new QemuVersion(major.intValue(), minor.intValue(), micro.intValue(), full);
        }
        throw new QemuException("QEMU: 'query-version' returned no version but: " + reply);
    }

    /// {@return the numbers alone, for example `7.2.22`}
    public String numbers() {
        return major + "." + minor + "." + micro;
    }

    public boolean atLeast(int major, int minor) {
        return atLeast(major, minor, 0);
    }

    public boolean atLeast(int major, int minor, int micro) {
        return compareTo(new QemuVersion(major, minor, micro, "")) >= 0;
    }

    @Override
    public int compareTo(QemuVersion other) {
        return ORDER.compare(this, other);
    }

    @Override
    public String toString() {
        return full;
    }
}
