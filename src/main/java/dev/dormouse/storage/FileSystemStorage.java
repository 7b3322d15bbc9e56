package dev.dormouse.storage;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;

/// The host's file system. Stateless.
final class FileSystemStorage implements Storage {
    static final FileSystemStorage INSTANCE = new FileSystemStorage();

    // What is written here holds guest memory or leads to it.
    private static final FileAttribute<Set<PosixFilePermission>> OWNER_ONLY =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));

    private static final FileAttribute<Set<PosixFilePermission>> FOLDER_OF_OWNER =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));

    private static final Set<StandardOpenOption> CREATE_NEW =
            Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE, StandardOpenOption.READ);

    private FileSystemStorage() {}

    @Override
    public FileChannel createNew(Path file) throws IOException {
        return FileChannel.open(file, CREATE_NEW, OWNER_ONLY);
    }

    @Override
    public ReadableFile openForReading(Path file) throws IOException {
        return NativeReadableFile.open(file);
    }

    @Override
    public void moveAtomically(Path from, Path to) throws IOException {
        Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
    }

    @Override
    public void forceDirectory(Path directory) throws IOException {
        try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    @Override
    public void deleteIfExists(Path file) throws IOException {
        Files.deleteIfExists(file);
    }

    @Override
    public void createDirectory(Path folder) throws IOException {
        Files.createDirectory(folder, FOLDER_OF_OWNER);
    }

    @Override
    public void force(Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.force(true);
        }
    }

    @Override
    public void startWriteback(Path file, long offset, long lengthBytes) {
        int descriptor = Libc.open(file, Libc.O_WRONLY);
        if (descriptor >= 0) {
            int _ = Libc.syncFileRange(descriptor, offset, lengthBytes, Libc.SYNC_FILE_RANGE_WRITE);
            Libc.close(descriptor);
        }
    }
}
