package dev.dormouse.restore;

import dev.dormouse.base.RamLayout;
import dev.dormouse.image.ImageReader;
import dev.dormouse.wire.StreamMessage.DeviceState;
import java.io.IOException;

/// An image with everything read and checked that a restore needs besides its pages: the frames of each
/// extent, the device state. Prepared while QEMU starts, because the guest waits for neither then.
public final class PreparedImage {
    private final ImageReader reader;
    private final RamLayout layout;
    private final ImagePageSource source;
    private final DeviceState deviceState;

    private PreparedImage(ImageReader reader, RamLayout layout, ImagePageSource source, DeviceState deviceState) {
        this.reader = reader;
        this.layout = layout;
        this.source = source;
        this.deviceState = deviceState;
    }

    /// Reads the tables and the device state.
    ///
    /// @param reader to be open until the restore has ended
    public static PreparedImage of(ImageReader reader) throws IOException {
        return new PreparedImage(
                reader,
                new RamLayout(reader.ramBlocks()),
                new ImagePageSource(reader),
                new DeviceState(reader.deviceState()));
    }

    /// {@return the bytes with which a migration stream of it begins}
    byte[] configuration() {
        return reader.configuration();
    }

    int ramSectionId() {
        return reader.ramSectionId();
    }

    RamLayout layout() {
        return layout;
    }

    ImagePageSource source() {
        return source;
    }

    DeviceState deviceState() {
        return deviceState;
    }
}
