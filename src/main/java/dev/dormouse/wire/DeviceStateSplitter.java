package dev.dormouse.wire;

import dev.dormouse.base.Json;
import dev.dormouse.wire.StreamMessage.DeviceState;
import dev.dormouse.wire.StreamMessage.VmDescription;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Cuts what follows the last page into device sections and description. Device sections carry no
/// length, so the cut is found from the end: the EOF mark 00, then 06 and a length that reaches exactly
/// to the end, then `{`. The JSON holds no NUL, so only the last NUL and the five bytes before it
/// can be that mark, and the length makes it unique.
final class DeviceStateSplitter {
    private static final int MARK_BYTES = 6; // 00, 06, be32 length
    private static final int FOOTER_BYTES = 5; // 7e, be32 section id

    /// The deepest QEMU description seen has about 10 levels; the parser recurses once a level.
    private static final int JSON_DEPTH_MAX = 200;

    private static final int NAME_LENGTH_MAX = 255; // Its length is a byte.

    record Parts(DeviceState deviceState, @Nullable VmDescription description) {}

    private final WireInput in;
    private final CaptureOptions options;

    /// @param in where the tail was read from, for the text of errors
    DeviceStateSplitter(WireInput in, CaptureOptions options) {
        this.in = in;
        this.options = options;
    }

    Parts split(ByteBuffer tail) throws ProtocolException {
        in.enter("device state");
        int end = tail.limit();
        int mark = findMark(tail);
        if (mark >= 0) {
            checkSections(tail, mark);
            String json = text(tail.slice(mark + MARK_BYTES, end - mark - MARK_BYTES));
            checkNames(tail, mark, names(json));
            return new Parts(deviceState(tail, mark), new VmDescription(json));
        }
        if (options.vmDescriptionRequired() || end == 0 || tail.get(end - 1) != WireFormat.SECTION_EOF) {
            throw in.error("stream of " + in.position() + " bytes ends without EOF mark and VM description");
        }
        checkSections(tail, end - 1);
        return new Parts(deviceState(tail, end - 1), null);
    }

    private static DeviceState deviceState(ByteBuffer tail, int end) {
        byte[] blob = new byte[end];
        tail.get(0, blob);
        return new DeviceState(blob);
    }

    private static int findMark(ByteBuffer tail) {
        int lastNul = tail.limit() - 1;
        while (lastNul >= 0 && tail.get(lastNul) != 0) {
            lastNul--;
        }
        for (int mark = lastNul; mark >= Math.max(0, lastNul - MARK_BYTES + 1); mark--) {
            if (isMark(tail, mark)) {
                return mark;
            }
        }
        return -1;
    }

    private static boolean isMark(ByteBuffer tail, int at) {
        int json = at + MARK_BYTES;
        return json < tail.limit()
                && tail.get(at) == WireFormat.SECTION_EOF
                && tail.get(at + 1) == WireFormat.SECTION_VMDESC
                && tail.getInt(at + 2) == tail.limit() - json
                && tail.get(json) == '{';
    }

    private void checkSections(ByteBuffer tail, int end) throws ProtocolException {
        if (end < FOOTER_BYTES
                || tail.get(0) != WireFormat.SECTION_FULL
                || tail.get(end - FOOTER_BYTES) != WireFormat.SECTION_FOOTER) {
            throw in.error(end + " bytes before the EOF mark are not whole device sections");
        }
    }

    private String text(ByteBuffer json) throws ProtocolException {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(json).toString();
        } catch (CharacterCodingException e) {
            throw in.error("VM description is not UTF-8", e);
        }
    }

    private List<String> names(String json) throws ProtocolException {
        if (depth(json) > JSON_DEPTH_MAX) {
            throw in.error("VM description is nested deeper than " + JSON_DEPTH_MAX + " levels");
        }
        Map<String, Object> description;
        try {
            description = Json.parseObject(json);
        } catch (IllegalArgumentException e) {
            throw in.error("VM description is not JSON", e);
        }
        if (!(description.get("devices") instanceof List<?> devices)) {
            throw in.error("VM description lists no devices");
        }
        var names = new ArrayList<String>();
        for (Object device : devices) {
            if (!(device instanceof Map<?, ?> fields) || !(fields.get("name") instanceof String name)) {
                throw in.error("VM description has a device without a name");
            }
            if (!isName(name)) {
                throw in.error("VM description has a device with a name other than 1 to " + NAME_LENGTH_MAX
                        + " characters of printable ASCII");
            }
            names.add(name);
        }
        return names;
    }

    /// As the name in a section's header must be: errors print it.
    private static boolean isName(String text) {
        return !text.isEmpty()
                && text.length() <= NAME_LENGTH_MAX
                && text.chars().allMatch(c -> c >= 0x20 && c < 0x7f);
    }

    private static int depth(String json) {
        int depth = 0;
        int deepest = 0;
        for (int i = 0; i < json.length(); i++) {
            switch (json.charAt(i)) {
                case '{', '[' -> deepest = Math.max(deepest, ++depth);
                case '}', ']' -> depth--;
                default -> {}
            }
        }
        return deepest;
    }

    /// Every described device must have a section header, in the order of the description. One pass over
    /// the blob whatever the description says, and false only if a name is really missing: taking the
    /// earliest match leaves the most room for the next.
    private void checkNames(ByteBuffer tail, int end, List<String> names) throws ProtocolException {
        int at = 0;
        for (String name : names) {
            at = findHeader(tail, at, end, name.getBytes(StandardCharsets.UTF_8));
            if (at < 0) {
                throw in.error("device '" + name + "' of the VM description has no section");
            }
        }
    }

    /// {@return where the search goes on behind the header, or -1}
    private static int findHeader(ByteBuffer tail, int from, int end, byte[] name) {
        ByteBuffer wanted = ByteBuffer.wrap(name);
        for (int at = from; at < end; at++) {
            int text = at + 6; // 04, be32 section id, length byte
            boolean found = tail.get(at) == WireFormat.SECTION_FULL
                    && text + name.length <= end
                    && (tail.get(text - 1) & 0xff) == name.length
                    && tail.slice(text, name.length).equals(wanted);
            if (found) {
                return text + name.length;
            }
        }
        return -1;
    }
}
