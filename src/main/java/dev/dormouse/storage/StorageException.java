package dev.dormouse.storage;

import dev.dormouse.base.DormouseException;
import java.nio.file.Path;

/// The file system refused: no space, no permission, no such file, a broken device. Remedy: the host's
/// storage.
public class StorageException extends DormouseException {
    private static final long serialVersionUID = 1L;

    public StorageException(Path file, String what) {
        super(file + ": " + what);
    }

    public StorageException(Path file, String what, Throwable cause) {
        super(file + ": " + what, cause);
    }
}
