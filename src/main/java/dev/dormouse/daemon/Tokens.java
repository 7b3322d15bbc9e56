package dev.dormouse.daemon;

import dev.dormouse.base.Json;
import dev.dormouse.engine.Home;
import dev.dormouse.storage.Storage;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/// Who may use the API over TCP: `tokens.json` under the home, which holds the hash of each token and not the token. A
/// token has 256 random bits, so one round of SHA-256 is enough. Read anew for each request, so that a change counts at
/// once.
public final class Tokens {
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,39}");
    private static final int TOKEN_BYTES = 32;
    private static final SecureRandom RANDOM = new SecureRandom();

    private final Storage storage;
    private final Path file;

    public Tokens(Home home) {
        storage = home.storage();
        file = home.root().resolve("tokens.json");
    }

    /// One token, without what it takes to use it.
    ///
    /// @param role `viewer`, `operator` or `admin`
    /// @param sha256 of the token's text, in hex
    @io.avaje.jsonb.Json
    public record Token(String name, String role, String sha256, String created) {}

    @io.avaje.jsonb.Json
    record File(List<Token> tokens) {}

    /// Makes a token, in the place of one of the same name.
    ///
    /// @return its text, which nobody can read again
    public String create(String name, String role) throws IOException {
        if (!NAME.matcher(name).matches()) {
            throw new IllegalArgumentException(
                    "token '%s': not a name, use 1 to 40 letters, digits, '.', '_' or '-'".formatted(name));
        }
        parseRole(role);
        byte[] secret = new byte[TOKEN_BYTES];
        RANDOM.nextBytes(secret);
        String text = Base64.getUrlEncoder().withoutPadding().encodeToString(secret);
        var tokens = new ArrayList<>(list());
        tokens.removeIf(token -> token.name().equals(name));
        tokens.add(new Token(name, role, hash(text), Operation.now()));
        write(tokens);
        return text;
    }

    /// {@return whether there was such a token; it is void now}
    public boolean remove(String name) throws IOException {
        var tokens = new ArrayList<>(list());
        boolean removed = tokens.removeIf(token -> token.name().equals(name));
        write(tokens);
        return removed;
    }

    public List<Token> list() throws IOException {
        try {
            return Json.parse(File.class, Files.readString(file)).tokens();
        } catch (NoSuchFileException _) {
            return List.of();
        } catch (IllegalArgumentException e) {
            throw new IOException(file + ": damaged: " + e.getMessage() + ", remove it and make new tokens", e);
        }
    }

    /// {@return the role of whoever shows this token}
    Optional<Role> role(String text) throws IOException {
        byte[] hash = hash(text).getBytes(StandardCharsets.US_ASCII);
        for (Token token : list()) {
            if (MessageDigest.isEqual(hash, token.sha256().getBytes(StandardCharsets.US_ASCII))) {
                return Optional.of(parseRole(token.role()));
            }
        }
        return Optional.empty();
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
