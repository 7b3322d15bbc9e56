package dev.dormouse.image;

import org.jspecify.annotations.Nullable;

/// Where the content of a guest page is.
public enum PageClass {
    /// Nowhere: all its bytes are zero.
    ZERO(1),
    /// In an extent, in a slot that is this page's own.
    STORED(2),
    /// In the slot of an equal page that is [#STORED].
    DUPLICATE(3),
    /// In a 4 KiB block of one of the virtual machine's disks.
    ON_DISK(4);

    private static final @Nullable PageClass[] BY_CODE = {null, ZERO, STORED, DUPLICATE, ON_DISK};

    private final int code;

    PageClass(int code) {
        this.code = code;
    }

    /// {@return its value in the page table; 0 is not one}
    int code() {
        return code;
    }

    static @Nullable PageClass ofCode(int code) {
        return code < BY_CODE.length ? BY_CODE[code] : null;
    }
}
