package dev.dormouse.testkit;

import dev.dormouse.storage.ReadableFile;
import dev.dormouse.storage.Storage;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Path;

/// The host's file system, of which one operation fails: writes, forces, renames, and reads. Safe for any thread.
public final class FailingStorage implements Storage {
    private final Storage real = Storage.fileSystem();
    private Fault fault = Fault.EIO;
    private int left; // Operations until the one that fails; none does below 1.
    private boolean failed;

    /// How it fails.
    public enum Fault {
        EIO("Input/output error"),
        ENOSPC("No space left on device"),
        /// A read ends early; of a write it is the same as the first.
        SHORT("Input/output error");

        private final String words;

        Fault(String words) {
            this.words = words;
        }
    }

    /// Lets the operation of this number from now on fail, the first is 1. All others succeed.
    public synchronized void failAt(int number, Fault how) {
        left = number;
        fault = how;
        failed = false;
    }

    public synchronized void failNever() {
        left = 0;
        failed = false;
    }

    /// {@return whether the operation has come and failed}
    public synchronized boolean hasFailed() {
        return failed;
    }

    private synchronized void step(Path file, boolean read) throws IOException {
        left--;
        if (left == 0) {
            failed = true;
            if (read && fault == Fault.SHORT) {
                throw new EOFException(file + ": ends early");
            }
            throw new FileSystemException(file.toString(), null, fault.words);
        }
    }

    @Override
    public FileChannel createNew(Path file) throws IOException {
        step(file, false);
        return new WatchedFile(real.createNew(file), _ -> step(file, false), () -> step(file, false));
    }

    @Override
    public ReadableFile openForReading(Path file) throws IOException {
        step(file, true);
        ReadableFile opened = real.openForReading(file);
        return new ReadableFile() {
            @Override
            public void readFully(ByteBuffer into, long position) throws IOException {
                step(file, true);
                opened.readFully(into, position);
            }

            @Override
            public long lengthBytes() throws IOException {
                return opened.lengthBytes();
            }

            @Override
            public void close() throws IOException {
                opened.close();
            }
        };
    }

    @Override
    public void moveAtomically(Path from, Path to) throws IOException {
        step(to, false);
        real.moveAtomically(from, to);
    }

    @Override
    public void forceDirectory(Path directory) throws IOException {
        step(directory, false);
        real.forceDirectory(directory);
    }

    @Override
    public void deleteIfExists(Path file) throws IOException {
        step(file, false);
        real.deleteIfExists(file);
    }

    @Override
    public void createDirectory(Path folder) throws IOException {
        step(folder, false);
        real.createDirectory(folder);
    }

    @Override
    public void force(Path file) throws IOException {
        step(file, false);
        real.force(file);
    }
}
