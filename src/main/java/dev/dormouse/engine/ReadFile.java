package dev.dormouse.engine;

import dev.dormouse.storage.FileStamp;
import java.io.IOException;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// What a file says, read again only when the file may have changed since. Any thread.
final class ReadFile<T> {
    /// Reads and understands the file.
    @FunctionalInterface
    interface Reader<T> {
        T read() throws IOException;
    }

    private final Path file;
    private final Reader<T> reader;
    private final InstantSource clock;
    private volatile @Nullable Known<T> known;

    /// @param stamp taken before the file was read: one that was replaced meanwhile has another one since
    private record Known<T>(FileStamp stamp, T value) {}

    ReadFile(Path file, Reader<T> reader) {
        this(file, reader, InstantSource.system());
    }

    ReadFile(Path file, Reader<T> reader, InstantSource clock) {
        this.file = file;
        this.reader = reader;
        this.clock = clock;
    }

    /// {@return what the file says now}
    ///
    /// @throws IOException of the reader; that is not remembered
    T get() throws IOException {
        Optional<FileStamp> stamp = FileStamp.of(file);
        Known<T> last = known;
        if (last != null && stamp.isPresent() && stamp.get().equals(last.stamp)) {
            return last.value;
        }
        T value = reader.read();
        known = stamp.filter(now -> now.isSettled(clock.instant()))
                .map(now -> new Known<>(now, value))
                .orElse(null);
        return value;
    }
}
