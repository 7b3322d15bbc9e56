package dev.dormouse.index;

/// Hears how far the making of an index is, and may end it. Called by several threads.
public interface IndexListener {
    /// Hears nothing and ends nothing.
    IndexListener NONE = (_, _) -> {};

    /// @param totalBytes what is to be read of the layer in all
    void progress(long doneBytes, long totalBytes);

    /// {@return whether the work is to end; asked about once for each MiB}
    default boolean isCancelled() {
        return false;
    }
}
