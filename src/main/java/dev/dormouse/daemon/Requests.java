package dev.dormouse.daemon;

import dev.dormouse.base.Json;
import io.javalin.http.Context;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Reads requests strictly, and writes answers.
final class Requests {
    private static final int LIMIT = 100;
    private static final int LIMIT_MAX = 500;
    private static final String BEARER = "Bearer ";
    private static final String BEARER_PROTOCOL = "dormouse.bearer.";
    private static final Duration WAIT_MAX = Duration.ofSeconds(60);
    static final String WAITER = "waiter";
    private static final Pattern WAITER_FORM = Pattern.compile("[A-Za-z0-9-]{1,64}");

    private Requests() {}

    /// {@return the body, with nothing in it that nobody knows}
    ///
    /// @param absent stands for a request without a body
    /// @throws ApiException if it is not what is wanted
    static <T> T body(Context request, Class<T> type, T absent) throws ApiException {
        String text = request.body();
        if (text.isBlank()) {
            return absent;
        }
        return parse(type, text);
    }

    /// As [#body], of a request that needs one.
    ///
    /// @param hint what to send
    static <T> T requiredBody(Context request, Class<T> type, String hint) throws ApiException {
        if (request.body().isBlank()) {
            throw new ApiException(Problem.Kind.INVALID, "body: is missing, " + hint);
        }
        return parse(type, request.body());
    }

    private static <T> T parse(Class<T> type, String text) throws ApiException {
        try {
            return Json.parseStrictly(type, text);
        } catch (IllegalArgumentException e) {
            throw new ApiException(Problem.Kind.INVALID, "body: " + e.getMessage());
        }
    }

    /// @throws ApiException if the query has another parameter, or one twice
    static void allowQuery(Context request, String... names) throws ApiException {
        for (var parameter : request.queryParamMap().entrySet()) {
            if (!Set.of(names).contains(parameter.getKey())
                    || parameter.getValue().size() != 1) {
                throw new ApiException(
                        Problem.Kind.INVALID,
                        "query: '%s' is not a parameter of this resource or given twice, known are: %s"
                                .formatted(parameter.getKey(), String.join(", ", names)));
            }
        }
    }

    /// {@return the parameter `limit`: how many items the client wants}
    static int limit(Context request) throws ApiException {
        return number(request, "limit", LIMIT, 1, LIMIT_MAX);
    }

    /// {@return the parameter `wait`: for how long an operation may be waited for}
    static Duration patience(Context request) throws ApiException {
        return Duration.ofSeconds(number(request, "wait", 0, 0, (int) WAIT_MAX.toSeconds()));
    }

    /// {@return the parameter `waiter`: who wants an operation for as long as they wait for it; null if nobody is
    /// named}
    static @Nullable String waiter(Context request) throws ApiException {
        String waiter = request.queryParam(WAITER);
        if (waiter != null && !WAITER_FORM.matcher(waiter).matches()) {
            throw new ApiException(
                    Problem.Kind.INVALID,
                    "query: 'waiter' is no name of a waiter, up to 64 letters, digits and hyphens are allowed");
        }
        return waiter;
    }

    static boolean flag(Context request, String name) throws ApiException {
        String text = request.queryParam(name);
        if (text == null || text.equals("false")) {
            return false;
        }
        if (text.equals("true")) {
            return true;
        }
        throw new ApiException(
                Problem.Kind.INVALID, "query: '%s' is '%s', true or false are allowed".formatted(name, text));
    }

    private static int number(Context request, String name, int absent, int min, int max) throws ApiException {
        String text = request.queryParam(name);
        if (text == null) {
            return absent;
        }
        try {
            int value = Integer.parseInt(text);
            if (value >= min && value <= max) {
                return value;
            }
        } catch (NumberFormatException _) {
            // Reported below, as one out of range.
        }
        throw new ApiException(
                Problem.Kind.INVALID, "query: '%s' is '%s', %d to %d are allowed".formatted(name, text, min, max));
    }

    /// {@return those behind `after`, one more than `limit` if there are more}
    static <T> List<T> after(Context request, List<T> sorted, Function<T, String> id) throws ApiException {
        String after = request.queryParam("after");
        return sorted.stream()
                .filter(item -> after == null || id.apply(item).compareTo(after) > 0)
                .limit(limit(request) + 1L)
                .toList();
    }

    /// {@return the token that the client shows: in the header that is meant for it, or, of a WebSocket of a
    /// browser, which can set no header, as one of the subprotocols that it offers}
    static Optional<String> bearerToken(Context request) {
        String header = request.header("Authorization");
        if (header != null) {
            return header.startsWith(BEARER)
                    ? Optional.of(header.substring(BEARER.length()).strip())
                    : Optional.empty();
        }
        String offered = Objects.requireNonNullElse(request.header("Sec-WebSocket-Protocol"), "");
        return Arrays.stream(offered.split(","))
                .map(String::strip)
                .filter(protocol -> protocol.startsWith(BEARER_PROTOCOL))
                .map(protocol -> protocol.substring(BEARER_PROTOCOL.length()))
                .findFirst();
    }

    static void answer(Context request, int status, Object value) {
        request.status(status).contentType("application/json").result(Json.write(value));
    }

    static void answer(Context request, Problem problem) {
        request.status(problem.status()).contentType(Problem.CONTENT_TYPE).result(Json.write(problem));
    }
}
