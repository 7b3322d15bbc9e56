package dev.dormouse.engine;

import dev.dormouse.image.ImageReader;
import dev.dormouse.image.ImageWriter;
import dev.dormouse.restore.PreparedImage;
import dev.dormouse.restore.WorkingSet;
import dev.dormouse.restore.WorkingSetCopies;
import dev.dormouse.storage.Storage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/// The copies of those pages of a VM's working set that its image leaves to the disks, `working-set-copies` in its
/// folder, encrypted as the image is. Nothing depends on it, and it goes with the image.
final class CopiesFile {
    private final Storage storage;
    private final Path file;

    CopiesFile(Vm vm) {
        this(vm.storage(), vm.folder().resolve(Home.WORKING_SET_COPIES));
    }

    CopiesFile(Storage storage, Path file) {
        this.storage = storage;
        this.file = file;
    }

    /// {@return the copies, if there are some of this image} Open; they hold nothing that is believed unseen.
    Optional<ImageReader> open(ImageReader image, ImageKeys keys) {
        if (!Files.exists(file)) {
            return Optional.empty();
        }
        try {
            ImageReader copies = keys.open(storage, file);
            if (copies.metadata().equals(image.metadata())) {
                return Optional.of(copies);
            }
            copies.close();
        } catch (IOException _) {
            // The disks have these pages.
        }
        return Optional.empty();
    }

    /// Writes the copies anew.
    ///
    /// @return the pages that were copied; without any there is no file
    long write(
            ImageReader image, PreparedImage prepared, WorkingSet set, ImageKeys keys, WorkingSetCopies.GoesOn goesOn)
            throws IOException {
        delete();
        try (ImageWriter writer = ImageWriter.create(storage, file, image.ramBlocks(), keys.writerOptions(image))) {
            long pages = new WorkingSetCopies(prepared, writer).copy(set, goesOn);
            if (pages == 0 || !goesOn.ask()) {
                return 0;
            }
            writer.setMetadata(image.metadata()); // By which the key is found, too.
            writer.publish();
            return pages;
        }
    }

    /// {@return the size of the file, 0 without one}
    long lengthBytes() {
        try {
            return Files.size(file);
        } catch (IOException _) {
            return 0;
        }
    }

    void delete() throws IOException {
        storage.deleteIfExists(file);
    }
}
