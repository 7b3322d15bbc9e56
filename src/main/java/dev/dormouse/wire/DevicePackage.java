package dev.dormouse.wire;

import dev.dormouse.wire.StreamMessage.DeviceState;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Objects;
import java.util.OptionalInt;

/// What the destination loads in one piece before the guest runs: LISTEN, the device sections, a PING if
/// wanted, RUN.
///
/// @param ping answered when all devices are loaded; empty for none
public record DevicePackage(DeviceState deviceState, OptionalInt ping) {
    private static final byte[] LISTEN = HexFormat.of().parseHex("0800040000");
    private static final byte[] RUN = HexFormat.of().parseHex("0800050000");
    private static final byte[] PING = HexFormat.of().parseHex("0800020004");
    private static final int PING_BYTES = 9;

    public DevicePackage {
        Objects.requireNonNull(deviceState);
        Objects.requireNonNull(ping);
    }

    public Command.Packaged encode() {
        byte[] blob = deviceState.blob();
        int bytes = LISTEN.length + blob.length + (ping.isPresent() ? PING_BYTES : 0) + RUN.length;
        ByteBuffer content = ByteBuffer.allocate(bytes).put(LISTEN).put(blob);
        if (ping.isPresent()) {
            content.put(PING).putInt(ping.getAsInt());
        }
        return new Command.Packaged(content.put(RUN).array());
    }

    /// Takes a package apart. A PING cannot be mistaken for the end of a device section: where that has
    /// its footer mark 7e, five bytes before the end, the PING has a 04.
    ///
    /// @throws ProtocolException if it is not of the form that [#encode] gives it
    public static DevicePackage decode(Command.Packaged packaged, String resourceName) throws ProtocolException {
        byte[] content = packaged.content();
        int from = LISTEN.length;
        int to = content.length - RUN.length;
        if (to < from || !stands(content, 0, LISTEN) || !stands(content, to, RUN)) {
            throw new ProtocolException("%s: package of %d bytes, one from LISTEN to RUN is allowed"
                    .formatted(resourceName, content.length));
        }
        OptionalInt ping = OptionalInt.empty();
        if (to - PING_BYTES >= from && stands(content, to - PING_BYTES, PING)) {
            ping = OptionalInt.of(ByteBuffer.wrap(content).getInt(to - 4));
            to -= PING_BYTES;
        }
        checkSections(content, from, to, resourceName);
        return new DevicePackage(new DeviceState(Arrays.copyOfRange(content, from, to)), ping);
    }

    private static void checkSections(byte[] content, int from, int to, String resourceName) throws ProtocolException {
        boolean whole = to - from >= 5
                && content[from] == WireFormat.SECTION_FULL
                && content[to - 5] == WireFormat.SECTION_FOOTER;
        if (!whole) {
            throw new ProtocolException(
                    "%s: package holds %d bytes that are not whole device sections".formatted(resourceName, to - from));
        }
    }

    private static boolean stands(byte[] content, int at, byte[] expected) {
        return Arrays.equals(content, at, at + expected.length, expected, 0, expected.length);
    }
}
