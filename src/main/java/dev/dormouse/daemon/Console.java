package dev.dormouse.daemon;

import io.javalin.config.StaticFilesConfig;
import io.javalin.http.staticfiles.Location;
import java.util.Map;

/// The web console: files for browsers, which hold nothing that is secret, so that they need no token. What they show
/// they ask of the API, with the token that the reader has entered.
final class Console {
    /// A page may load what the daemon serves and nothing else, and no other site may frame or read it.
    private static final Map<String, String> HEADERS = Map.of(
            "Content-Security-Policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
                    + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            "X-Content-Type-Options",
            "nosniff",
            "X-Frame-Options",
            "DENY",
            "Referrer-Policy",
            "no-referrer",
            "Permissions-Policy",
            "camera=(), geolocation=(), microphone=()",
            "Cross-Origin-Opener-Policy",
            "same-origin",
            "Cross-Origin-Resource-Policy",
            "same-origin",
            "Cache-Control",
            "no-cache");

    private Console() {}

    static void addTo(StaticFilesConfig files) {
        files.add(console -> {
            console.hostedPath = "/";
            console.directory = "/dev/dormouse/daemon/console";
            console.location = Location.CLASSPATH;
            console.headers = HEADERS;
        });
    }
}
