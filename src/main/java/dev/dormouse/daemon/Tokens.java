package dev.dormouse.daemon;

import dev.dormouse.base.Json;
import dev.dormouse.engine.Home;
import dev.dormouse.storage.FileStamp;
import dev.dormouse.storage.OfdLock;
import dev.dormouse.storage.Storage;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Who may use the API over TCP: `tokens.json` under the home, which holds the hash of each token and not the token. A
/// token has 256 random bits, so one round of SHA-256 is enough. A change of the file counts at once. Any thread.
public final class Tokens {
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,39}");
    private static final Pattern VMS = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,39}\\*?|\\*");
    private static final int TOKEN_BYTES = 32;
    private static final Duration LOCK_PATIENCE = Duration.ofSeconds(10);
    private static final SecureRandom RANDOM = new SecureRandom();

    private final Storage storage;
    private final Path file;
    private volatile @Nullable Read read;

    private record Read(Optional<FileStamp> stamp, List<Token> tokens) {}

    public Tokens(Home home) {
        storage = home.storage();
        file = home.root().resolve("tokens.json");
    }

    /// One token, without what it takes to use it.
    ///
    /// @param role `viewer`, `operator` or `admin`
    /// @param sha256 of the token's text, in hex
    /// @param vms patterns of the names of the VMs that it is for; null for all, and for the host
    @io.avaje.jsonb.Json
    public record Token(
            String name,
            String role,
            String sha256,
            String created,
            @Nullable List<String> vms) {}

    @io.avaje.jsonb.Json
    record File(List<Token> tokens) {}

    /// The right to change the file: of one process, and of one thread in it.
    private OfdLock lock() throws IOException {
        Path lockFile = file.resolveSibling("tokens.lock");
        if (!Files.exists(lockFile)) {
            Files.write(lockFile, new byte[0], StandardOpenOption.CREATE);
        }
        long end = System.nanoTime() + LOCK_PATIENCE.toNanos();
        while (true) {
            Optional<OfdLock> lock = OfdLock.tryExclusive(lockFile, OfdLock.Range.ofByte(0));
            if (lock.isPresent()) {
                return lock.get();
            }
            if (System.nanoTime() - end >= 0) {
                throw new IOException("%s: held by another process for %d s, try again when that has ended"
                        .formatted(lockFile, LOCK_PATIENCE.toSeconds()));
            }
            LockSupport.parkNanos(1_000_000);
        }
    }

    /// Makes a token, in the place of one of the same name.
    ///
    /// @return its text, which nobody can read again
    public String create(String name, String role) throws IOException {
        return create(name, role, null);
    }

    /// As [#create(String, String)].
    ///
    /// @param vms names of the VMs that it is for, `*` at the end of one stands for anything; null for all
    public String create(String name, String role, @Nullable List<String> vms) throws IOException {
        if (!NAME.matcher(name).matches()) {
            throw new IllegalArgumentException(
                    "token '%s': not a name, use 1 to 40 letters, digits, '.', '_' or '-'".formatted(name));
        }
        parseRole(role);
        for (String vm : vms == null ? List.<String>of() : vms) {
            if (!VMS.matcher(vm).matches()) {
                throw new IllegalArgumentException(
                        "token %s: '%s' is not the name of a VM, nor its begin with '*' behind".formatted(name, vm));
            }
        }
        byte[] secret = new byte[TOKEN_BYTES];
        RANDOM.nextBytes(secret);
        String text = Base64.getUrlEncoder().withoutPadding().encodeToString(secret);
        try (OfdLock _ = lock()) {
            var tokens = new ArrayList<>(list());
            tokens.removeIf(token -> token.name().equals(name));
            tokens.add(new Token(name, role, hash(text), Operation.now(), vms));
            write(tokens);
        }
        return text;
    }

    /// {@return whether there was such a token; it is void now}
    public boolean remove(String name) throws IOException {
        try (OfdLock _ = lock()) {
            var tokens = new ArrayList<>(list());
            boolean removed = tokens.removeIf(token -> token.name().equals(name));
            if (removed) {
                write(tokens);
            }
            return removed;
        }
    }

    public List<Token> list() throws IOException {
        try {
            List<Token> tokens = Json.parse(File.class, Files.readString(file)).tokens();
            if (tokens == null) {
                throw new IllegalArgumentException("'tokens' is missing");
            }
            tokens.forEach(Tokens::check);
            return tokens;
        } catch (NoSuchFileException _) {
            return List.of();
        } catch (CharacterCodingException e) {
            throw new IOException(file + ": damaged: not text, remove it and make new tokens", e);
        } catch (IllegalArgumentException e) {
            throw new IOException(file + ": damaged: " + e.getMessage() + ", remove it and make new tokens", e);
        }
    }

    private static void check(Token token) {
        if (token.name() == null || token.role() == null || token.sha256() == null) {
            throw new IllegalArgumentException("a token without 'name', 'role' or 'sha256'");
        }
        parseRole(token.role());
    }

    /// {@return who shows this token}
    Optional<Caller> caller(String text) throws IOException {
        byte[] hash = hash(text).getBytes(StandardCharsets.US_ASCII);
        for (Token token : current()) {
            if (MessageDigest.isEqual(hash, token.sha256().getBytes(StandardCharsets.US_ASCII))) {
                return Optional.of(new Caller(token.name(), parseRole(token.role()), token.sha256(), token.vms()));
            }
        }
        return Optional.empty();
    }

    /// {@return whether the token that somebody has shown is still one}
    boolean isValid(Caller caller) throws IOException {
        return caller.sha256() == null
                || current().stream().anyMatch(token -> token.sha256().equals(caller.sha256()));
    }

    /// As [#list], but read only if the file has changed: whoever tries wrong tokens costs little.
    private List<Token> current() throws IOException {
        Optional<FileStamp> stamp = FileStamp.of(file);
        Read now = read;
        if (now == null
                || !now.stamp.equals(stamp)) { // Looked at before: what changes meanwhile is seen the next time.
            now = new Read(stamp, list());
            read = now;
        }
        return now.tokens;
    }

    private void write(List<Token> tokens) throws IOException {
        storage.writeAtomically(file, (Json.writePretty(new File(tokens)) + "\n").getBytes(StandardCharsets.UTF_8));
    }

    private static Role parseRole(String role) {
        return switch (role) {
            case "viewer", "operator", "admin" -> Role.valueOf(role.toUpperCase(Locale.ROOT));
            default ->
                throw new IllegalArgumentException(
                        "role '%s': no such role, use viewer, operator or admin".formatted(role));
        };
    }

    private static String hash(String text) {
        try {
            byte[] sha256 = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(sha256);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }
}
