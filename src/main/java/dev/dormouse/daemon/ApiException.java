package dev.dormouse.daemon;

import dev.dormouse.base.DormouseException;

/// A request that cannot be answered as it was meant; its text is one line for people.
final class ApiException extends DormouseException {
    private static final long serialVersionUID = 1L;

    private final Problem.Kind kind;

    ApiException(Problem.Kind kind, String message) {
        super(message);
        this.kind = kind;
    }

    Problem.Kind kind() {
        return kind;
    }
}
