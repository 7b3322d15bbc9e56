package dev.dormouse.daemon;

import dev.dormouse.engine.ErrorText;
import dev.dormouse.storage.FileStamp;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyManagementException;
import java.security.NoSuchAlgorithmException;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.X509ExtendedKeyManager;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The certificate and the key with which the daemon serves TLS, in PEM. New files count from the next connection on;
/// if those are wrong the last good ones stay in use. Any thread.
final class Tls extends X509ExtendedKeyManager {
    private static final Logger LOG = LoggerFactory.getLogger(Tls.class);
    private static final Pattern KEY = Pattern.compile(
            "-----BEGIN ([A-Z ]*)PRIVATE KEY-----([A-Za-z0-9+/=\\s]+)-----END ([A-Z ]*)PRIVATE KEY-----");
    private static final String ALIAS = "dormouse";

    private final Path certificateFile;
    private final Path keyFile;
    private Loaded loaded; // Guarded by this.

    private record Loaded(List<Optional<FileStamp>> stamps, List<X509Certificate> chain, PrivateKey key) {}

    /// @param certificateFile the certificate, and those of its issuers behind it
    /// @param keyFile its key, PKCS #8, not encrypted
    /// @throws IOException that says what is wrong with them
    Tls(Path certificateFile, Path keyFile) throws IOException {
        this.certificateFile = certificateFile;
        this.keyFile = keyFile;
        loaded = load();
    }

    SSLContext context() {
        try {
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(new KeyManager[] {this}, null, null);
            return context;
        } catch (NoSuchAlgorithmException | KeyManagementException e) {
            throw new IllegalStateException("every Java has TLS", e);
        }
    }

    private List<Optional<FileStamp>> stamps() {
        return List.of(FileStamp.of(certificateFile.toAbsolutePath()), FileStamp.of(keyFile.toAbsolutePath()));
    }

    private synchronized Loaded current() {
        List<Optional<FileStamp>> stamps = stamps();
        if (!stamps.equals(loaded.stamps)) {
            try {
                loaded = load();
                LOG.info("{}: the certificate was read anew", certificateFile);
            } catch (IOException e) {
                LOG.warn("{}; the last one stays in use", ErrorText.of(e));
                loaded = new Loaded(stamps, loaded.chain, loaded.key); // Told once.
            }
        }
        return loaded;
    }

    private Loaded load() throws IOException {
        List<Optional<FileStamp>> stamps = stamps();
        List<X509Certificate> chain = readChain();
        PrivateKey key = readKey(chain.getFirst().getPublicKey());
        return new Loaded(stamps, chain, key);
    }

    private List<X509Certificate> readChain() throws IOException {
        try {
            byte[] pem = Files.readAllBytes(certificateFile);
            var chain =
                    CertificateFactory.getInstance("X.509").generateCertificates(new ByteArrayInputStream(pem)).stream()
                            .map(X509Certificate.class::cast)
                            .toList();
            if (!chain.isEmpty()) {
                return chain;
            }
        } catch (CertificateException e) {
            throw new IOException("%s: holds no certificate in PEM: %s".formatted(certificateFile, e.getMessage()), e);
        }
        throw new IOException("%s: holds no certificate in PEM".formatted(certificateFile));
    }

    private PrivateKey readKey(PublicKey publicKey) throws IOException {
        Matcher pem = KEY.matcher(Files.readString(keyFile, StandardCharsets.US_ASCII));
        if (!pem.find() || !pem.group(1).isEmpty()) {
            throw new IOException(
                    "%s: holds no key in PEM, PKCS #8 and not encrypted ('BEGIN PRIVATE KEY'); 'openssl pkcs8 -topk8 -nodes' makes it one"
                            .formatted(keyFile));
        }
        try {
            byte[] der = Base64.getMimeDecoder().decode(pem.group(2));
            return KeyFactory.getInstance(publicKey.getAlgorithm()).generatePrivate(new PKCS8EncodedKeySpec(der));
        } catch (GeneralSecurityException e) {
            throw new IOException(
                    "%s: is not the key of the certificate, which has one of kind %s"
                            .formatted(keyFile, publicKey.getAlgorithm()),
                    e);
        }
    }

    @Override
    public String @Nullable [] getServerAliases(String keyType, Principal @Nullable [] issuers) {
        return keyType.equals(keyType()) ? new String[] {ALIAS} : null;
    }

    private String keyType() {
        return current().key.getAlgorithm();
    }

    @Override
    public @Nullable String chooseServerAlias(String keyType, Principal @Nullable [] issuers, @Nullable Socket socket) {
        return isKeyType(keyType) ? ALIAS : null;
    }

    @Override
    public @Nullable String chooseEngineServerAlias(
            String keyType, Principal @Nullable [] issuers, @Nullable SSLEngine engine) {
        return isKeyType(keyType) ? ALIAS : null;
    }

    /// TLS calls keys `EC`, `RSA`, `RSASSA-PSS`, `EdDSA`, and those on certain curves `Ed25519`.
    private boolean isKeyType(String asked) {
        String type = keyType();
        return asked.equals(type)
                || (type.equals("RSA") && asked.equals("RSASSA-PSS"))
                || (type.equals("EdDSA") && asked.startsWith("Ed"));
    }

    @Override
    public X509Certificate[] getCertificateChain(String alias) {
        return current().chain.toArray(X509Certificate[]::new);
    }

    @Override
    public PrivateKey getPrivateKey(String alias) {
        return current().key;
    }

    @Override
    public String @Nullable [] getClientAliases(String keyType, Principal @Nullable [] issuers) {
        return null; // It is a server.
    }

    @Override
    public @Nullable String chooseClientAlias(
            String[] keyTypes, Principal @Nullable [] issuers, @Nullable Socket socket) {
        return null;
    }
}
