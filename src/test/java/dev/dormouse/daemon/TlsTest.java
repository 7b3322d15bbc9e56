package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.storage.OfdLock;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.Base64;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The API over TLS, with a certificate that is replaced while it is in use.
@Tag("qemu")
class TlsTest {
    @TempDir
    Path folder;

    private final Path certificate() {
        return folder.resolve("cert.pem");
    }

    private final Path key() {
        return folder.resolve("key.pem");
    }

    @Test
    void isServedAndTakesANewCertificate() throws Exception {
        makeCertificate("EC", "256");
        var listen = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
        var files = new DaemonOptions.TlsFiles(certificate(), key());
        try (var fixture =
                new DaemonFixture(folder, new DaemonOptions(null, listen, files, 300, 0, 0, 0, false, false))) {
            String token = new Tokens(fixture.home).create("v", "viewer");
            assertThat(get(fixture, token)).isEqualTo(200);
            assertThat(get(fixture, "wrong")).isEqualTo(401);

            makeCertificate("RSA", "2048");
            assertThat(get(fixture, token)).isEqualTo(200);

            Files.writeString(key(), "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n");
            assertThat(get(fixture, token)).as("the last good one").isEqualTo(200);
            assertThatThrownBy(() -> new Tls(certificate(), key()))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("'openssl pkcs8 -topk8 -nodes' makes it one");
        }
    }

    @Test
    void anAddressThatIsTakenIsFoundBeforeAnythingIsBegun() throws Exception {
        try (var taken = java.nio.channels.ServerSocketChannel.open()
                .bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))) {
            var options = new DaemonOptions(null, (InetSocketAddress) taken.getLocalAddress());
            assertThatThrownBy(() -> new DaemonFixture(folder, options))
                    .hasMessageMatching("daemon: cannot listen at .*: Address already in use");
            assertThat(OfdLock.isHeld(folder.resolve("home/daemon.lock"), OfdLock.Range.ofByte(0)))
                    .isFalse();
        }
    }

    private int get(DaemonFixture fixture, String token) throws Exception {
        KeyStore trusted = KeyStore.getInstance("PKCS12");
        trusted.load(null, null);
        try (var pem = Files.newInputStream(certificate())) {
            trusted.setCertificateEntry("daemon", (X509Certificate)
                    CertificateFactory.getInstance("X.509").generateCertificate(pem));
        }
        var trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(trusted);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        var request = HttpRequest.newBuilder(
                        URI.create("https://localhost:" + fixture.server().port() + "/v1/host"))
                .header("Authorization", "Bearer " + token)
                .build();
        try (HttpClient client = HttpClient.newBuilder().sslContext(context).build()) {
            return client.send(request, HttpResponse.BodyHandlers.discarding()).statusCode();
        }
    }

    /// With the JDK's keytool: nothing else is needed.
    private void makeCertificate(String algorithm, String bits) throws Exception {
        Path store = folder.resolve(algorithm + ".p12");
        Process keytool = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "keytool")
                                .toString(),
                        "-genkeypair",
                        "-alias",
                        "a",
                        "-keyalg",
                        algorithm,
                        "-keysize",
                        bits,
                        "-dname",
                        "CN=localhost",
                        "-ext",
                        "san=dns:localhost",
                        "-keystore",
                        store.toString(),
                        "-storepass",
                        "password",
                        "-storetype",
                        "PKCS12")
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        assertThat(keytool.waitFor(30, TimeUnit.SECONDS)).isTrue();
        KeyStore keys = KeyStore.getInstance(store.toFile(), "password".toCharArray());
        Files.writeString(
                certificate(), pem("CERTIFICATE", keys.getCertificate("a").getEncoded()));
        Files.writeString(
                key(),
                pem("PRIVATE KEY", keys.getKey("a", "password".toCharArray()).getEncoded()));
    }

    private static String pem(String what, byte[] der) {
        return "-----BEGIN %s-----\n%s\n-----END %s-----\n"
                .formatted(what, Base64.getMimeEncoder().encodeToString(der), what);
    }
}
