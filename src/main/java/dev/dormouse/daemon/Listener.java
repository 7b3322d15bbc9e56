package dev.dormouse.daemon;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.time.Duration;
import org.eclipse.jetty.server.AbstractConnectionFactory;
import org.eclipse.jetty.server.ConnectionFactory;
import org.eclipse.jetty.server.Connector;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.NetworkConnectionLimit;
import org.eclipse.jetty.server.SecureRequestCustomizer;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.util.ssl.SslContextFactory;
import org.jspecify.annotations.Nullable;

/// The address at which the API is served over TCP. It is taken before the HTTP server is loaded, and before anything
/// else is begun that a daemon should not begin which then cannot serve: clients that come meanwhile wait.
final class Listener implements AutoCloseable {
    /// Connections are accepted by the thread that looks for requests: a new one waits for no second thread.
    static final int ACCEPTORS = 0;

    static final int SELECTORS = 1;
    private static final int BACKLOG = 128;
    private static final int CONNECTIONS_MAX = 1000;
    private static final Duration IDLE_MAX = Duration.ofSeconds(30);

    private final InetSocketAddress address;
    private final @Nullable Tls tls;
    private final Duration idleMax;
    private final ServerSocketChannel channel;

    /// @throws IOException if the address is taken
    Listener(InetSocketAddress address, @Nullable Tls tls) throws IOException {
        this(address, tls, IDLE_MAX);
    }

    /// @param idleMax after how long a connection is closed on which nothing moves
    Listener(InetSocketAddress address, @Nullable Tls tls, Duration idleMax) throws IOException {
        this.address = address;
        this.tls = tls;
        this.idleMax = idleMax;
        channel = ServerSocketChannel.open();
        try {
            channel.bind(address, BACKLOG);
        } catch (IOException e) {
            channel.close();
            throw new IOException("daemon: cannot listen at %s: %s".formatted(address, e.getMessage()), e);
        }
    }

    int port() {
        try {
            return ((InetSocketAddress) channel.getLocalAddress()).getPort();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    String url() {
        return "%s://%s:%d".formatted(tls == null ? "http" : "https", address.getHostString(), port());
    }

    /// {@return what serves there}
    Connector connector(Server server, HttpConfiguration shared) {
        var http = new HttpConfiguration(shared);
        ConnectionFactory[] factories = tls == null
                ? new ConnectionFactory[] {new HttpConnectionFactory(http)}
                : AbstractConnectionFactory.getFactories(secure(tls), new HttpConnectionFactory(withTls(http)));
        var connector = new ServerConnector(server, ACCEPTORS, SELECTORS, factories);
        connector.setIdleTimeout(idleMax.toMillis());
        connector.addBean(new NetworkConnectionLimit(CONNECTIONS_MAX, connector));
        try {
            connector.open(channel);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return connector;
    }

    /// Names of hosts are the business of the client, which checks the certificate.
    private static HttpConfiguration withTls(HttpConfiguration http) {
        var customizer = new SecureRequestCustomizer();
        customizer.setSniHostCheck(false);
        http.addCustomizer(customizer);
        return http;
    }

    private static SslContextFactory.Server secure(Tls tls) {
        var factory = new SslContextFactory.Server();
        factory.setSslContext(tls.context());
        factory.setIncludeProtocols("TLSv1.2", "TLSv1.3");
        return factory;
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
