package dev.dormouse.image;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.GeneralSecurityException;
import java.security.spec.AlgorithmParameterSpec;
import javax.crypto.AEADBadTagException;
import javax.crypto.Cipher;
import javax.crypto.SecretKey;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/// Encrypts and decrypts the parts of one image with its data key: AES-256-GCM, the tag behind the ciphertext. The
/// nonce says what the part is and where it stands, so a part that was moved does not decrypt. Immutable; each thread
/// works with a [Box] of its own.
final class ImageCipher {
    static final int TAG_BYTES = 16;
    static final int KEY_BYTES = 32;
    static final int NONCE_BYTES = 12;
    static final String CIPHER = "AES/GCM/NoPadding";

    private final SecretKey key;
    private final byte[] imageId;

    ImageCipher(byte[] key, byte[] imageId) {
        this.key = new SecretKeySpec(key, "AES");
        this.imageId = imageId.clone();
    }

    Box newBox() {
        return new Box();
    }

    /// {@return whether parts of this type are encrypted}. METADATA is in the clear, so that whoever looks after images
    /// knows without the key which disks they need; the tag over the directory covers it.
    static boolean isEncrypted(int sectionType) {
        return sectionType != SectionType.ENCRYPTION.code() && sectionType != SectionType.METADATA.code();
    }

    /// What one thread encrypts and decrypts with.
    final class Box {
        private final Cipher cipher;

        private Box() {
            try {
                cipher = Cipher.getInstance(CIPHER);
            } catch (GeneralSecurityException e) {
                throw new IllegalStateException("every JDK has " + CIPHER, e);
            }
        }

        /// Encrypts what remains of `plain` into `sealed`, which has room for 16 bytes more.
        ///
        /// @param sectionType, offset what the part is, and where it stands in the file: once only
        void seal(int sectionType, long offset, ByteBuffer plain, ByteBuffer sealed) {
            try {
                init(Cipher.ENCRYPT_MODE, nonce(sectionType, offset));
                int _ = cipher.doFinal(plain, sealed);
            } catch (GeneralSecurityException e) {
                throw new IllegalStateException("encrypting a part of an image failed", e);
            }
        }

        /// Decrypts what remains of `sealed` into `plain`, which has room for 16 bytes fewer.
        ///
        /// @return false if the part is not the one that was encrypted with this key
        boolean open(int sectionType, long offset, ByteBuffer sealed, ByteBuffer plain) {
            try {
                init(Cipher.DECRYPT_MODE, nonce(sectionType, offset));
                int _ = cipher.doFinal(sealed, plain);
                return true;
            } catch (AEADBadTagException _) {
                return false;
            } catch (GeneralSecurityException e) {
                throw new IllegalStateException("decrypting a part of an image failed", e);
            }
        }

        /// {@return the tag over what is in the clear: the directory's other entries, then METADATA}
        byte[] tag(ByteBuffer entries, ByteBuffer metadata) {
            try {
                byte[] nonce = new byte[NONCE_BYTES];
                java.util.Arrays.fill(nonce, (byte) 0xff);
                init(Cipher.ENCRYPT_MODE, new GCMParameterSpec(TAG_BYTES * 8, nonce));
                cipher.updateAAD(entries.duplicate());
                cipher.updateAAD(metadata.duplicate());
                return cipher.doFinal();
            } catch (GeneralSecurityException e) {
                throw new IllegalStateException("authenticating the directory of an image failed", e);
            }
        }

        private void init(int mode, AlgorithmParameterSpec nonce) throws GeneralSecurityException {
            cipher.init(mode, key, nonce);
            cipher.updateAAD(imageId);
        }
    }

    /// Never repeats under one key: no two parts of a file begin at the same place, but for one without bytes, and
    /// those differ in type.
    private static GCMParameterSpec nonce(int sectionType, long offset) {
        byte[] nonce = ByteBuffer.allocate(NONCE_BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(sectionType)
                .putLong(offset)
                .array();
        return new GCMParameterSpec(TAG_BYTES * 8, nonce);
    }

    /// {@return the part with its tag, in a direct buffer}
    ByteBuffer sealed(int sectionType, long offset, ByteBuffer plain) {
        ByteBuffer sealed =
                ByteBuffer.allocateDirect(plain.remaining() + TAG_BYTES).order(ImageFormat.ORDER);
        newBox().seal(sectionType, offset, plain.duplicate(), sealed);
        return sealed.flip();
    }
}
