package dev.dormouse.daemon;

import dev.dormouse.base.DormouseException;
import dev.dormouse.catalog.CatalogException;
import dev.dormouse.engine.BusyException;
import dev.dormouse.engine.ErrorText;
import dev.dormouse.engine.NotFoundException;
import dev.dormouse.engine.UsageException;
import dev.dormouse.engine.VmException;
import dev.dormouse.image.CorruptImageException;
import dev.dormouse.image.ImageKeyException;
import dev.dormouse.image.UnsupportedImageException;
import io.avaje.jsonb.Json;
import java.io.IOException;

/// An error as RFC 9457 has it, `application/problem+json`.
///
/// @param type a URN that programs can tell errors by
/// @param detail one line for people
@Json
public record Problem(String type, String title, int status, String detail) {
    static final String CONTENT_TYPE = "application/problem+json";

    /// One kind of error: what programs can tell it by, what people read, and the status of HTTP.
    enum Kind {
        INVALID("invalid", "The request is wrong in itself", 400),
        UNAUTHORIZED("unauthorized", "A token is needed", 401),
        FORBIDDEN("forbidden", "The token's role does not permit it", 403),
        NOT_FOUND("not-found", "There is no such thing", 404),
        CONFLICT("conflict", "The state does not allow it", 409),
        BUSY("busy", "Another operation is under way", 409),
        DAMAGED_IMAGE("damaged-image", "The image is damaged", 422),
        UNSUPPORTED_IMAGE("unsupported-image", "The image is of another version", 422),
        IMAGE_KEY("image-key", "The image's key is missing or wrong", 422),
        TOO_MANY("too-many", "Too many at once", 429),
        FAILED("failed", "It was tried and failed", 500),
        INTERRUPTED("interrupted", "It was cut off, or nobody knows how it ended", 500),
        UNAVAILABLE("unavailable", "It is not available now", 503);

        private final String word;
        private final String title;
        private final int status;

        Kind(String word, String title, int status) {
            this.word = word;
            this.title = title;
            this.status = status;
        }

        int status() {
            return status;
        }

        private String type() {
            return "urn:dormouse:" + word;
        }
    }

    static Problem of(Kind kind, String detail) {
        return new Problem(kind.type(), kind.title, kind.status, detail);
    }

    boolean isOf(Kind kind) {
        return type.equals(kind.type());
    }

    /// An error of HTTP itself.
    static Problem ofStatus(int status, String detail) {
        return new Problem("urn:dormouse:http-" + status, "The request cannot be served", status, detail);
    }

    /// {@return the problem that an exception is; every one is one line}
    static Problem of(Throwable failure) {
        return of(kind(failure), oneLine(text(failure)));
    }

    private static Kind kind(Throwable failure) {
        for (Throwable e = failure; e != null; e = e.getCause()) {
            switch (e) {
                case ApiException api -> {
                    return api.kind();
                }
                case CatalogException _ -> {
                    return Kind.UNAVAILABLE;
                }
                case CorruptImageException _ -> {
                    return Kind.DAMAGED_IMAGE;
                }
                case UnsupportedImageException _ -> {
                    return Kind.UNSUPPORTED_IMAGE;
                }
                case ImageKeyException _ -> {
                    return Kind.IMAGE_KEY;
                }
                default -> {}
            }
        }
        return switch (failure) {
            case NotFoundException _ -> Kind.NOT_FOUND;
            case BusyException _ -> Kind.BUSY;
            case UsageException _, IllegalArgumentException _ -> Kind.INVALID;
            case VmException _ -> Kind.CONFLICT;
            default -> Kind.FAILED;
        };
    }

    private static String text(Throwable failure) {
        return switch (failure) {
            case DormouseException _, IllegalArgumentException _ -> String.valueOf(failure.getMessage());
            case IOException io -> ErrorText.of(io);
            default -> "internal error: %s; the daemon's log has more, please report it".formatted(failure);
        };
    }

    private static String oneLine(String text) {
        return text.strip().replaceAll("\\s*\\R\\s*", " ");
    }
}
