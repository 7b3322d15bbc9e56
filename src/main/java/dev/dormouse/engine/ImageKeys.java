package dev.dormouse.engine;

import dev.dormouse.image.ImageKey;
import dev.dormouse.image.ImageReader;
import dev.dormouse.image.WriterOptions;
import dev.dormouse.storage.Storage;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// Opens images, with the key where one is needed: that of the file that the user named, else of the one that the
/// image itself names, by its path.
///
/// @param named what the user named, null if nothing
record ImageKeys(@Nullable Path named) {
    static final ImageKeys UNNAMED = new ImageKeys(null);

    ImageReader open(Storage storage, Path image) throws IOException {
        return ImageReader.open(storage, image, metadata -> find(metadata, image));
    }

    /// {@return how an image is written, encrypted if there is a key file}
    static WriterOptions writerOptions(@Nullable String keyFile) throws IOException {
        return WriterOptions.defaults().withKey(keyFile == null ? null : ImageKey.read(Path.of(keyFile)));
    }

    /// {@return how something is written that is to be as secret as an image that is open}
    WriterOptions writerOptions(ImageReader image) throws IOException {
        return WriterOptions.defaults().withKey(image.isEncrypted() ? find(image.metadata(), image.path()) : null);
    }

    private @Nullable ImageKey find(String metadata, Path image) throws IOException {
        if (named != null) {
            return ImageKey.read(named);
        }
        String recorded = Images.metadata(metadata, image).config().imageKey();
        return recorded == null ? null : ImageKey.read(Path.of(recorded));
    }
}
