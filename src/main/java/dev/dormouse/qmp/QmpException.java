package dev.dormouse.qmp;

import dev.dormouse.base.DormouseException;

/// QEMU answered a command with an error: the connection is fine, the command had no effect unless its
/// own documentation says otherwise.
public final class QmpException extends DormouseException {
    private static final long serialVersionUID = 1L;

    private final String errorClass;
    private final String description;
    private final String command;

    public QmpException(String errorClass, String description, String command) {
        super("QMP command '" + command + "': QEMU refused it: " + description
                + (errorClass.equals("GenericError") ? "" : " (" + errorClass + ")"));
        this.errorClass = errorClass;
        this.description = description;
        this.command = command;
    }

    /// {@return the class of the error as QEMU names it, for example `GenericError` or `CommandNotFound`}
    public String errorClass() {
        return errorClass;
    }

    /// {@return QEMU's own words}
    public String description() {
        return description;
    }

    public String command() {
        return command;
    }
}
