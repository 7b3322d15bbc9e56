package dev.dormouse.image;

import dev.dormouse.image.ImageFormat.EncryptionHead;
import dev.dormouse.image.ImageFormat.KeySlot;
import dev.dormouse.image.ImageFormat.SectionEntry;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Arrays;
import javax.crypto.AEADBadTagException;
import javax.crypto.Cipher;
import javax.crypto.KDF;
import javax.crypto.SecretKey;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.HKDFParameterSpec;

/// The section ENCRYPTION: the data key of an image, wrapped with a key that comes from a key file. The layout is in
/// [EncryptionHead] and [KeySlot].
final class EncryptionEnvelope {
    private static final int REVISION = 1;
    private static final int CIPHER_AES_256_GCM = 1;
    private static final int DERIVATION_KEY_FILE = 1;
    private static final int DERIVATION_PASSPHRASE = 2;
    private static final byte[] INFO = "dormouse image key 1".getBytes(StandardCharsets.US_ASCII);

    private final ByteBuffer bytes;
    private final ImageCipher cipher;

    private EncryptionEnvelope(ByteBuffer bytes, ImageCipher cipher) {
        this.bytes = bytes;
        this.cipher = cipher;
    }

    /// Where the random bytes of an envelope come from: a test's own make the same image each time.
    @FunctionalInterface
    interface Randomness {
        void fill(byte[] bytes);

        static Randomness secure() {
            return new SecureRandom()::nextBytes;
        }
    }

    /// Draws a data key for a new image, with one slot that the key opens.
    static EncryptionEnvelope create(ImageKey key, Randomness random) {
        byte[] dataKey = drawn(random, ImageCipher.KEY_BYTES);
        byte[] imageId = drawn(random, EncryptionHead.IMAGE_ID.sizeBytes());
        byte[] salt = drawn(random, KeySlot.SALT.sizeBytes());
        byte[] nonce = drawn(random, KeySlot.NONCE.sizeBytes());
        ByteBuffer bytes = ByteBuffer.allocate(EncryptionHead.SIZE_BYTES + KeySlot.SIZE_BYTES)
                .order(ImageFormat.ORDER)
                .putShort(EncryptionHead.REVISION.offset(), (short) REVISION)
                .putShort(EncryptionHead.CIPHER.offset(), (short) CIPHER_AES_256_GCM)
                .putInt(EncryptionHead.KEY_SLOT_COUNT.offset(), 1)
                .put(EncryptionHead.IMAGE_ID.offset(), imageId);
        int slot = EncryptionHead.SIZE_BYTES;
        try {
            bytes.putShort(slot + KeySlot.DERIVATION.offset(), (short) DERIVATION_KEY_FILE)
                    .put(slot + KeySlot.SALT.offset(), salt)
                    .put(slot + KeySlot.NONCE.offset(), nonce)
                    .put(
                            slot + KeySlot.WRAPPED_KEY.offset(),
                            wrapping(Cipher.ENCRYPT_MODE, key, salt, nonce, imageId)
                                    .doFinal(dataKey));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("wrapping the key of an image failed", e);
        }
        return new EncryptionEnvelope(bytes, new ImageCipher(dataKey, imageId));
    }

    private static byte[] drawn(Randomness random, int count) {
        byte[] bytes = new byte[count];
        random.fill(bytes);
        return bytes;
    }

    /// Reads the envelope and unwraps the data key.
    ///
    /// @throws ImageKeyException if no slot opens with the key
    static EncryptionEnvelope open(ImageFile in, Section section, ImageKey key) throws IOException {
        ByteBuffer bytes = readChecked(in, section);
        byte[] imageId = field(bytes, 0, EncryptionHead.IMAGE_ID);
        boolean anySlot = false;
        for (int slot = EncryptionHead.SIZE_BYTES; slot < bytes.limit(); slot += KeySlot.SIZE_BYTES) {
            if (bytes.getShort(slot + KeySlot.DERIVATION.offset()) == DERIVATION_KEY_FILE) {
                anySlot = true;
                byte[] dataKey = unwrap(bytes, slot, key, imageId);
                if (dataKey.length > 0) {
                    return new EncryptionEnvelope(bytes, new ImageCipher(dataKey, imageId));
                }
            }
        }
        if (!anySlot) {
            throw UnsupportedImageException.feature(in.path(), ImageFormat.VERSION, "keys from passphrases only");
        }
        throw new ImageKeyException(
                "%s: %s is not the image's key, give the one that it was made with".formatted(in.path(), key.file()));
    }

    private static ByteBuffer readChecked(ImageFile in, Section section) throws IOException {
        in.check(
                section.lengthBytes() >= EncryptionHead.SIZE_BYTES
                        && section.lengthBytes() <= SectionType.ENCRYPTION.lengthBytesMax(),
                section.offset(),
                "envelope has %d bytes",
                section.lengthBytes());
        ByteBuffer bytes =
                in.readChecked("section ENCRYPTION", section.offset(), section.lengthBytes(), section.checksum());
        int revision = bytes.getShort(EncryptionHead.REVISION.offset());
        int algorithm = bytes.getShort(EncryptionHead.CIPHER.offset());
        if (revision != REVISION || algorithm != CIPHER_AES_256_GCM) {
            throw UnsupportedImageException.feature(
                    in.path(), ImageFormat.VERSION, "encryption %d.%d".formatted(revision, algorithm));
        }
        int slots = bytes.getInt(EncryptionHead.KEY_SLOT_COUNT.offset());
        in.check(
                slots >= 1
                        && slots <= KeySlot.COUNT_MAX
                        && section.lengthBytes() == EncryptionHead.SIZE_BYTES + (long) slots * KeySlot.SIZE_BYTES,
                section.offset(),
                "envelope of %d bytes has %d key slots, 1 to %d are allowed",
                section.lengthBytes(),
                slots,
                KeySlot.COUNT_MAX);
        for (int i = 0; i < slots; i++) {
            int slot = EncryptionHead.SIZE_BYTES + i * KeySlot.SIZE_BYTES;
            in.check(isPlausible(bytes, slot), section.offset() + slot, "key slot %d is not as it is to be", i);
        }
        return bytes;
    }

    private static boolean isPlausible(ByteBuffer bytes, int slot) {
        int derivation = bytes.getShort(slot + KeySlot.DERIVATION.offset());
        boolean costs = bytes.getInt(slot + KeySlot.MEMORY.offset()) != 0
                || bytes.getInt(slot + KeySlot.PASSES.offset()) != 0
                || bytes.getInt(slot + KeySlot.LANES.offset()) != 0;
        return isZero(field(bytes, slot, KeySlot.RESERVED))
                && isZero(field(bytes, slot, KeySlot.RESERVED_END))
                && ((derivation == DERIVATION_KEY_FILE && !costs) || derivation == DERIVATION_PASSPHRASE);
    }

    private static boolean isZero(byte[] bytes) {
        return Arrays.equals(bytes, new byte[bytes.length]);
    }

    /// {@return the data key, without bytes if the key does not open the slot}
    private static byte[] unwrap(ByteBuffer bytes, int slot, ImageKey key, byte[] imageId) {
        byte[] salt = field(bytes, slot, KeySlot.SALT);
        byte[] nonce = field(bytes, slot, KeySlot.NONCE);
        byte[] wrapped = new byte[KeySlot.WRAPPED_KEY.sizeBytes() + KeySlot.TAG.sizeBytes()];
        bytes.get(slot + KeySlot.WRAPPED_KEY.offset(), wrapped);
        try {
            return wrapping(Cipher.DECRYPT_MODE, key, salt, nonce, imageId).doFinal(wrapped);
        } catch (AEADBadTagException _) {
            return new byte[0];
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("unwrapping the key of an image failed", e);
        }
    }

    private static Cipher wrapping(int mode, ImageKey key, byte[] salt, byte[] nonce, byte[] imageId)
            throws GeneralSecurityException {
        var derivation =
                HKDFParameterSpec.ofExtract().addIKM(key.bytes()).addSalt(salt).thenExpand(INFO, ImageCipher.KEY_BYTES);
        SecretKey wrapping = KDF.getInstance("HKDF-SHA256").deriveKey("AES", derivation);
        Cipher cipher = Cipher.getInstance(ImageCipher.CIPHER);
        cipher.init(mode, wrapping, new GCMParameterSpec(ImageCipher.TAG_BYTES * 8, nonce));
        cipher.updateAAD(imageId);
        return cipher;
    }

    private static byte[] field(ByteBuffer bytes, int start, ImageFormat.Field field) {
        byte[] value = new byte[field.sizeBytes()];
        bytes.get(start + field.offset(), value);
        return value;
    }

    ImageCipher cipher() {
        return cipher;
    }

    /// {@return the section, with the tag over the directory's other entries and METADATA}
    ByteBuffer encode(ByteBuffer otherEntries, ByteBuffer metadata) {
        return bytes.put(EncryptionHead.DIRECTORY_TAG.offset(), cipher.newBox().tag(otherEntries, metadata))
                .duplicate()
                .order(ImageFormat.ORDER);
    }

    /// Checks that nobody without the key has changed the directory or METADATA.
    ///
    /// @param directory the whole directory
    void checkTag(ImageFile in, long position, ByteBuffer directory, ByteBuffer metadata) throws IOException {
        byte[] stated = field(bytes, 0, EncryptionHead.DIRECTORY_TAG);
        byte[] computed = cipher.newBox().tag(withoutEnvelope(directory), metadata);
        in.check(
                MessageDigest.isEqual(stated, computed),
                position,
                "directory or metadata are not those that were written with the image's key");
    }

    private static ByteBuffer withoutEnvelope(ByteBuffer directory) {
        ByteBuffer entries = ByteBuffer.allocate(directory.limit()).order(ImageFormat.ORDER);
        for (int at = 0; at < directory.limit(); at += SectionEntry.SIZE_BYTES) {
            if (Section.read(directory, at).code() != SectionType.ENCRYPTION.code()) {
                entries.put(directory.slice(at, SectionEntry.SIZE_BYTES));
            }
        }
        return entries.flip();
    }
}
