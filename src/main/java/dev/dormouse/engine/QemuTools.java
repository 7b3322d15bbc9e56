package dev.dormouse.engine;

import dev.dormouse.disk.QemuImg;
import dev.dormouse.qmp.QemuBinary;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// The QEMU programs that an engine uses.
public record QemuTools(QemuBinary qemu, QemuImg images) {
    /// @param qemu path of `qemu-system-x86_64`; found by the environment if null
    public static QemuTools locate(@Nullable Path qemu) throws IOException {
        QemuBinary binary = QemuBinary.locate(qemu);
        return new QemuTools(binary, new QemuImg(binary.imageTool()));
    }
}
