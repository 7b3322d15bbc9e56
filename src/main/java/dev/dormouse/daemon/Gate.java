package dev.dormouse.daemon;

import dev.dormouse.engine.ErrorText;
import io.javalin.http.Context;
import java.io.IOException;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Lets in who may: over TCP those who show a token that permits what they want, and not too often. Any thread.
final class Gate {
    private static final Logger LOG = LoggerFactory.getLogger(Gate.class);
    private static final double WRONG_PER_SECOND = 1;
    private static final double WRONG_AT_ONCE = 10;

    private final Tokens tokens;
    private final RateLimit requests;
    private volatile String told = ""; // What keeps tokens from being read, as the log has it.
    private final RateLimit wrongTokens = new RateLimit(WRONG_PER_SECOND, WRONG_AT_ONCE, System::nanoTime);

    /// @param perSecond how many requests each token may send, twice as many at once
    Gate(Tokens tokens, int perSecond) {
        this.tokens = tokens;
        requests = new RateLimit(perSecond, 2.0 * perSecond, System::nanoTime);
    }

    /// Refuses who may not; whoever passes is attached to the request.
    ///
    /// @param byOwner whether it came by the unix socket, which only the owner of the home can reach
    /// @throws ApiException that says why not
    void admit(Context request, Access needed, boolean byOwner) throws IOException {
        Caller caller = byOwner ? Caller.OWNER : identify(request);
        caller.attach(request);
        if (!caller.role().includes(needed.role())) {
            throw new ApiException(
                    Problem.Kind.FORBIDDEN,
                    "the token has the role %s, %s is needed"
                            .formatted(caller.role().word(), needed.role().word()));
        }
        if (needed.ofHost() && !caller.seesAll()) {
            throw new ApiException(Problem.Kind.FORBIDDEN, "the token is for some VMs only, this concerns the host");
        }
        String vm = request.pathParamMap().get("name");
        if (vm != null && !caller.sees(vm)) {
            throw new ApiException(Problem.Kind.FORBIDDEN, "the token is for other VMs than %s".formatted(vm));
        }
    }

    /// {@return whether who was let in, and has stayed since, may stay}. Tokens that cannot be read let nobody stay.
    boolean mayStay(Caller caller) {
        try {
            return tokens.isValid(caller);
        } catch (IOException e) {
            complain(e);
            return false;
        }
    }

    /// {@return who shows the token}. Of a file that cannot be read strangers learn nothing.
    private Optional<Caller> caller(String token) throws ApiException {
        try {
            Optional<Caller> caller = tokens.caller(token);
            told = "";
            return caller;
        } catch (IOException e) {
            complain(e);
            throw new ApiException(
                    Problem.Kind.UNAVAILABLE, "tokens cannot be looked up now, the daemon's log says why");
        }
    }

    /// Once for each fault, however many come.
    private void complain(IOException e) {
        String fault = ErrorText.of(e);
        if (!fault.equals(told)) {
            told = fault;
            LOG.error("nobody is let in over TCP: {}", fault);
        }
    }

    /// Who shows a valid token is let in whatever others at the same address try.
    private Caller identify(Context request) throws IOException {
        Optional<String> token = Requests.bearerToken(request);
        Optional<Caller> caller = token.isPresent() ? caller(token.get()) : Optional.empty();
        if (caller.isEmpty()) {
            String peer = request.ip();
            long wait = wrongTokens.take(peer);
            if (wait > 0) {
                throw tooMany(request, wait, "too many requests without a valid token from %s".formatted(peer));
            }
            request.header("WWW-Authenticate", "Bearer");
            throw new ApiException(
                    Problem.Kind.UNAUTHORIZED,
                    "no valid token, send one that 'dormouse token create' made as a bearer token");
        }
        long seconds = requests.take(caller.get().name());
        if (seconds > 0) {
            throw tooMany(request, seconds, "too many requests with this token");
        }
        return caller.get();
    }

    private static ApiException tooMany(Context request, long seconds, String what) {
        request.header("Retry-After", Long.toString(seconds));
        return new ApiException(Problem.Kind.TOO_MANY, "%s, try again in %d s".formatted(what, seconds));
    }
}
