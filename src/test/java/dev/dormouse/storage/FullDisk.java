package dev.dormouse.storage;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/// The host's file system without a free block: files appear, but what is written goes to the kernel's
/// device that is always full.
public final class FullDisk implements Storage {
    @Override
    public FileChannel createNew(Path file) throws IOException {
        Files.createFile(file);
        return FileChannel.open(Path.of("/dev/full"), StandardOpenOption.WRITE);
    }

    @Override
    public ReadableFile openForReading(Path file) throws IOException {
        return Storage.fileSystem().openForReading(file);
    }

    @Override
    public void moveAtomically(Path from, Path to) throws IOException {
        Storage.fileSystem().moveAtomically(from, to);
    }

    @Override
    public void forceDirectory(Path directory) throws IOException {
        Storage.fileSystem().forceDirectory(directory);
    }

    @Override
    public void deleteIfExists(Path file) throws IOException {
        Storage.fileSystem().deleteIfExists(file);
    }

    @Override
    public void createDirectory(Path folder) throws IOException {
        Storage.fileSystem().createDirectory(folder);
    }

    @Override
    public void force(Path file) throws IOException {
        Storage.fileSystem().force(file);
    }
}
