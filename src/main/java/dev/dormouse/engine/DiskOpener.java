package dev.dormouse.engine;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.DiskView;
import java.io.IOException;

/// Opens a frozen disk as the guest saw it.
@FunctionalInterface
public interface DiskOpener {
    /// {@return to be closed by the caller}
    DiskView open(BackingChain chain) throws IOException;
}
