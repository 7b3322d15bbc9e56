package dev.dormouse.cli;

import dev.dormouse.base.DormouseException;
import dev.dormouse.base.Json;
import dev.dormouse.engine.ErrorText;
import dev.dormouse.engine.UsageException;
import dev.dormouse.image.CorruptImageException;
import dev.dormouse.image.ImageKeyException;
import dev.dormouse.image.UnsupportedImageException;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.List;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.IExecutionExceptionHandler;
import picocli.CommandLine.IParameterExceptionHandler;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.UnmatchedArgumentException;

/// Turns what went wrong into one line on standard error and an exit code.
final class Failures implements IExecutionExceptionHandler, IParameterExceptionHandler {
    static final int FAILED = 1;
    static final int USAGE = 2;
    static final int DAMAGED = 3;
    static final int UNSUPPORTED = 4;
    static final int NO_KEY = 5;

    private final boolean json;
    private final boolean withStackTrace;

    Failures(boolean json, boolean withStackTrace) {
        this.json = json;
        this.withStackTrace = withStackTrace;
    }

    /// A failure of another process that has a message and an exit code already.
    static final class Reported extends DormouseException {
        private static final long serialVersionUID = 1L;

        private final int exitCode;

        Reported(String message, int exitCode) {
            super(message);
            this.exitCode = exitCode;
        }
    }

    @Override
    public int handleExecutionException(Exception e, CommandLine command, ParseResult arguments) {
        print(command.getErr(), message(e), e);
        return exitCode(e);
    }

    @Override
    public int handleParseException(ParameterException e, String[] args) {
        String what = String.valueOf(e.getMessage());
        if (e instanceof UnmatchedArgumentException unmatched) {
            List<String> suggestions = unmatched.getSuggestions();
            what += suggestions.isEmpty() ? "" : ", did you mean " + String.join(" or ", suggestions) + "?";
        }
        String command = e.getCommandLine().getCommandSpec().qualifiedName();
        print(e.getCommandLine().getErr(), "%s; see '%s --help'".formatted(what, command), e);
        return USAGE;
    }

    /// {@return the exit code that `docs/cli.md` gives to the failure}
    static int exitCode(Throwable failure) {
        for (Throwable e = failure; e != null; e = e.getCause()) {
            switch (e) {
                case Reported reported -> {
                    return reported.exitCode;
                }
                case CorruptImageException _ -> {
                    return DAMAGED;
                }
                case UnsupportedImageException _ -> {
                    return UNSUPPORTED;
                }
                case ImageKeyException _ -> {
                    return NO_KEY;
                }
                default -> {}
            }
        }
        return failure instanceof IllegalArgumentException || failure instanceof UsageException ? USAGE : FAILED;
    }

    /// {@return one line for people}
    static String message(Throwable e) {
        String text = switch (e) {
            case DormouseException _, IllegalArgumentException _ -> String.valueOf(e.getMessage());
            case IOException io -> ErrorText.of(io);
            default -> "internal error: %s; DORMOUSE_DEBUG=1 shows where, please report it".formatted(e);
        };
        return PlainText.line(text.strip().replaceAll("\\s*\\R\\s*", " "));
    }

    private void print(PrintWriter err, String message, Exception e) {
        err.println(
                json
                        ? Json.write(Map.of("error", message))
                        : "dormouse: " + PlainText.line(message.replaceAll("\\s*\\R\\s*", " ")));
        if (withStackTrace) {
            e.printStackTrace(err);
        }
        err.flush();
    }
}
