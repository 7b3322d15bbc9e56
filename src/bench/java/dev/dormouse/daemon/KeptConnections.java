package dev.dormouse.daemon;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;

/// A client as programs have it: over TCP, with a token, on connections that are used again.
final class KeptConnections implements RestLoad.Client, AutoCloseable {
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private final HttpClient http =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final String base;
    private final String authorization;

    KeptConnections(InetSocketAddress address, String token) {
        base = "http://%s:%d".formatted(address.getAddress().getHostAddress(), address.getPort());
        authorization = "Bearer " + token;
    }

    @Override
    public void get(String path) throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(URI.create(base + path))
                .header("Authorization", authorization)
                .timeout(PATIENCE)
                .build();
        HttpResponse<String> response = http.send(request, HttpResponse.BodyHandlers.ofString());
        if (response.statusCode() != 200) {
            throw new IOException("%s: %d %s".formatted(path, response.statusCode(), response.body()));
        }
    }

    @Override
    public void close() {
        http.close();
    }
}
