package dev.dormouse.base;

import java.io.IOException;

/// Root of the errors that the world causes, as against bugs and wrong arguments. A subclass stands for
/// a remedy: another image, another build, another peer. The message is one line,
/// `<resource>: <what is wrong, what was found>, <what is allowed or what to do>`.
public abstract class DormouseException extends IOException {
    private static final long serialVersionUID = 1L;

    protected DormouseException(String message) {
        super(message);
    }

    protected DormouseException(String message, Throwable cause) {
        super(message, cause);
    }
}
