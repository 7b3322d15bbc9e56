import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;

/// A service as many are: a catalogue in memory, and pages of it. Argument: the number of entries. `/entry?N` is one
/// of them, `/top?N` the dearest of a hundred, which also changes their prices.
final class Service {
    private record Entry(int id, String name, String text, long price) {}

    private static final int LISTED = 100;

    private final Map<Integer, Entry> catalogue = new ConcurrentHashMap<>();
    private final Random random = new Random(42);

    public static void main(String[] arguments) throws IOException {
        var service = new Service();
        service.fill(Integer.parseInt(arguments[0]));
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 8081), 16);
        server.createContext("/entry", exchange -> answer(exchange, service.entry(number(exchange))));
        server.createContext("/top", exchange -> answer(exchange, service.top(number(exchange))));
        server.setExecutor(Executors.newFixedThreadPool(2));
        server.start();
    }

    private void fill(int entries) {
        for (int id = 0; id < entries; id++) {
            var text = new StringBuilder();
            for (int word = 0; word < 24; word++) {
                text.append(Long.toString(random.nextLong(1L << 40), 36)).append(' ');
            }
            catalogue.put(id, new Entry(id, "entry " + id, text.toString(), random.nextInt(100_000)));
        }
    }

    private static int number(HttpExchange exchange) {
        return Integer.parseInt(exchange.getRequestURI().getQuery());
    }

    private String entry(int number) {
        Entry entry = catalogue.get(number % catalogue.size());
        return "<h1>%s</h1><p>%s<p>%d".formatted(entry.name(), entry.text(), entry.price());
    }

    private String top(int number) {
        List<Entry> entries = new ArrayList<>();
        for (int i = 0; i < LISTED; i++) {
            int id = (number + i * 7919) % catalogue.size();
            entries.add(catalogue.computeIfPresent(
                    id, (key, old) -> new Entry(key, old.name(), old.text(), old.price() + 1)));
        }
        entries.sort(Comparator.comparingLong(Entry::price).reversed());
        var page = new StringBuilder("<ol>");
        for (Entry entry : entries.subList(0, 10)) {
            page.append("<li>").append(entry.name()).append(' ').append(entry.price());
        }
        return page.toString();
    }

    private static void answer(HttpExchange exchange, String page) throws IOException {
        byte[] bytes = page.getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(200, bytes.length);
        exchange.getResponseBody().write(bytes);
        exchange.close();
    }
}
