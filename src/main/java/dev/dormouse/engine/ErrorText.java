package dev.dormouse.engine;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.FileSystemLoopException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import org.jspecify.annotations.Nullable;

/// What went wrong with a file or a connection, in words. Java's own exceptions of files have only the
/// file's name as their message.
public final class ErrorText {
    private ErrorText() {}

    /// {@return the text without its line breaks}
    static String oneLine(@Nullable String text) {
        return String.valueOf(text).strip().replaceAll("\\s*\\R\\s*", " ");
    }

    /// {@return one line for people}
    public static String of(IOException e) {
        String text = e instanceof FileSystemException file
                ? file.getFile() + ": " + reason(file)
                : e.getMessage() == null ? "input or output failed" : e.getMessage();
        return oneLine(text);
    }

    /// As [#of], for a line that names the resource itself.
    static String of(IOException e, String resource) {
        String text = of(e);
        return text.startsWith(resource + ": ") ? text.substring(resource.length() + 2) : text;
    }

    private static String reason(FileSystemException e) {
        if (e.getReason() != null) {
            return e.getReason();
        }
        return switch (e) {
            case NoSuchFileException _ -> "not found";
            case AccessDeniedException _ -> "permission denied";
            case FileAlreadyExistsException _ -> "exists already";
            case DirectoryNotEmptyException _ -> "the folder is not empty";
            case NotDirectoryException _ -> "is not a folder";
            case FileSystemLoopException _ -> "its links lead in a circle";
            default -> "cannot be read or written";
        };
    }
}
