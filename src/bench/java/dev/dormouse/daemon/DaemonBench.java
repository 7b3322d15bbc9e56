package dev.dormouse.daemon;

import dev.dormouse.base.Json;
import dev.dormouse.bench.GuestImage;
import dev.dormouse.bench.GuestProbe;
import dev.dormouse.bench.GuestVm;
import dev.dormouse.bench.HostFacts;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.Home;
import dev.dormouse.engine.QemuTools;
import dev.dormouse.testkit.Leftovers;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/// Measures a daemon in a process of its own, from outside: how soon a VNC client sees the screen of a suspended VM,
/// its answers beside a restore, what a front passes on, and what many idle connections and many VMs cost. Prints a
/// line for each figure; the samples go to a file, a JSON object on each line.
public final class DaemonBench {
    private static final Duration LONG = Duration.ofMinutes(1);
    private static final int VMS = 500;
    private static final int CONNECTIONS = 1000;
    private static final long PROXY_BYTES = 4L << 30;
    private static final int LISTS = 100;
    private static final int REQUEST_ROUNDS = 5;

    private final Path folder;
    private final Home home;
    private final Engine engine;
    private final DaemonClient client;
    private final PrintWriter samples;
    private final InetSocketAddress tcp;
    private final Map<String, Object> made; // Of what and on what.
    private Process daemon;

    private DaemonBench(Path folder, PrintWriter samples) throws IOException {
        this.folder = folder;
        this.samples = samples;
        made = new LinkedHashMap<>(HostFacts.read());
        home = Home.at(folder.resolve("home"), folder.resolve("run").toString());
        engine = new Engine(home, QemuTools.locate(null));
        made.put("qemuVersion", engine.tools().qemu().version().full());
        client = new DaemonClient(DaemonClient.socket(home));
        try (var free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            tcp = new InetSocketAddress(free.getInetAddress(), free.getLocalPort());
        }
    }

    /// @param args the launcher, rounds, the file of samples, and `wakes` if nothing else is to be measured
    public static void main(String[] args) throws Exception {
        System.out.println("load of the machine before it: "
                + Files.readString(Path.of("/proc/loadavg")).strip());
        boolean onlyWakes = args.length > 3 && args[3].equals("wakes");
        measure(
                Files.createTempDirectory("dormouse-bench"),
                List.of(args[0], "serve"),
                Integer.parseInt(args[1]),
                Path.of(args[2]),
                onlyWakes);
    }

    /// @param folder for the home of the daemon
    /// @param serve what starts it
    static void measure(Path folder, List<String> serve, int rounds, Path file, boolean onlyWakes) throws Exception {
        try (var samples = new PrintWriter(file.toFile(), StandardCharsets.UTF_8)) {
            var bench = new DaemonBench(folder, samples);
            try {
                bench.start(serve);
                bench.run(rounds, onlyWakes);
            } finally {
                bench.end();
            }
        }
    }

    private void start(List<String> serve) throws Exception {
        var command = new ArrayList<>(serve);
        command.addAll(List.of("--listen", "127.0.0.1:" + tcp.getPort()));
        var builder = new ProcessBuilder(command)
                .redirectInput(new File("/dev/null"))
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve("daemon.log").toFile());
        builder.environment().put("DORMOUSE_HOME", folder.resolve("home").toString());
        builder.environment().put("XDG_RUNTIME_DIR", folder.resolve("run").toString());
        builder.environment().put("DORMOUSE_KEEPER", "none");
        daemon = builder.start();
        long end = System.nanoTime() + LONG.toNanos();
        while (true) {
            try {
                if (client.send("GET", "/v1/host", null).status() == 200) {
                    return;
                }
            } catch (IOException e) {
                if (System.nanoTime() - end > 0) {
                    throw e;
                }
            }
            Thread.sleep(20);
        }
    }

    private void end() throws Exception {
        if (daemon != null) {
            daemon.destroy();
            daemon.waitFor(LONG.toSeconds(), TimeUnit.SECONDS);
        }
        Leftovers.end(folder, Duration.ZERO);
    }

    private void run(int rounds, boolean onlyWakes) throws Exception {
        engine.create(GuestVm.request(GuestImage.locate(), "desk", "256M").withVnc("unix:{runtime}/vnc"));
        action("start", null);
        try (GuestProbe probe = GuestVm.connect(home, "desk", LONG)) {
            probe.ping("boot", LONG);
            probe.fill("pattern", 7, 64, 50, LONG);
        }
        wakes(rounds);
        if (onlyWakes) {
            return;
        }
        requests();
        try (ServerSocket far = new ServerSocket(0, 2000, InetAddress.getLoopbackAddress())) {
            InetSocketAddress front = front("far", "127.0.0.1:" + far.getLocalPort());
            proxy(far, front);
            idle(far, front);
        }
        manyVms();
    }

    /// A VNC client wakes the VM; beside it the guest's probe waits, as in the benches of the engine, for the echo of a
    /// nonce: the first response. The first round warms the daemon up and is left out.
    private void wakes(int rounds) throws Exception {
        InetSocketAddress front = front("vnc", "vnc");
        double[] first = new double[rounds];
        double[] screen = new double[rounds];
        double[] response = new double[rounds];
        double[] later = new double[rounds];
        for (int i = -1; i < rounds; i++) {
            action("suspend", null);
            long begin = System.nanoTime();
            CompletableFuture<Long> echo = CompletableFuture.supplyAsync(() -> awaitEcho("wake-" + begin));
            long firstBytes;
            try (var viewer = new RfbClient(front)) {
                viewer.screen();
                firstBytes = viewer.firstUpdateNanos();
            }
            double all = (System.nanoTime() - begin) / 1e6;
            double ran = ((Number) newestOperation().get("guestRunsMillis")).doubleValue();
            double responded = (echo.get() - begin) / 1e6;
            awaitState("running");
            var facts = new LinkedHashMap<String, Object>();
            facts.put("round", i);
            facts.put("firstBytesMillis", (firstBytes - begin) / 1e6);
            facts.put("screenMillis", all);
            facts.put("firstResponseMillis", responded);
            facts.put("guestRunsMillis", ran);
            sample("wake", facts);
            if (i >= 0) {
                first[i] = (firstBytes - begin) / 1e6;
                screen[i] = all;
                response[i] = responded;
                later[i] = first[i] - responded;
            }
        }
        tell("VNC client at a suspended VM: first bytes of the screen, ms", first);
        tell("the same, all of the screen, ms", screen);
        tell("the same, first response of the guest (echo of a nonce), ms", response);
        tell("first bytes of the screen after the first response (30 are allowed), ms", later);
    }

    private long awaitEcho(String nonce) {
        try (GuestProbe probe = GuestVm.connect(home, "desk", LONG)) {
            probe.ping(nonce, LONG);
            return System.nanoTime();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    /// Beside so slow a restore that it lasts for all of the requests.
    private void requests() throws Exception {
        action("suspend", null);
        action("resume", "{\"backgroundBytesPerSecond\": 500000}");
        requests("unix socket, a connection for each", this::get);
        try (var kept = new KeptConnections(tcp, new Tokens(home).create("bench", "viewer"))) {
            requests("TCP with a token, connections kept", kept);
        }
        action("stop", "{\"force\": true}");
        action("start", null);
    }

    /// A daemon runs for days, so the last round counts; those before it show how long its code takes to be compiled.
    private void requests(String what, RestLoad.Client way) throws Exception {
        for (int round = 0; round < REQUEST_ROUNDS; round++) {
            double[] millis = RestLoad.millis(way);
            boolean restoring = state().equals("restoring");
            var facts = new LinkedHashMap<String, Object>();
            facts.put("client", what);
            facts.put("round", round);
            facts.put("restoringToTheEnd", restoring);
            facts.put("millis", Arrays.stream(millis).boxed().toList());
            sample("requests", facts);
            System.out.printf(
                    "REST, %d requests/s, from second %d to %d, beside a restore%s, %s, ms: p50 %.2f, p99 %.2f, max %.2f%n",
                    RestLoad.REQUESTS_PER_SECOND,
                    round * RestLoad.SECONDS,
                    (round + 1) * RestLoad.SECONDS,
                    restoring ? "" : " (which ended before)",
                    what,
                    percentile(millis, 50),
                    percentile(millis, 99),
                    percentile(millis, 100));
        }
    }

    private void proxy(ServerSocket far, InetSocketAddress front) throws Exception {
        double[] gigabytes = new double[3];
        double[] perCore = new double[3];
        for (int i = 0; i < gigabytes.length; i++) {
            long cpu = cpuNanos();
            long begin = System.nanoTime();
            Thread sender = Thread.ofPlatform().start(() -> sendTo(far));
            try (Socket near = new Socket(front.getAddress(), front.getPort())) {
                InputStream in = near.getInputStream();
                byte[] buffer = new byte[1 << 20];
                long received = 0;
                for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                    received += count;
                }
                if (received != PROXY_BYTES) {
                    throw new IOException("%d bytes came of %d".formatted(received, PROXY_BYTES));
                }
            }
            sender.join();
            gigabytes[i] = PROXY_BYTES / (double) (System.nanoTime() - begin);
            perCore[i] = PROXY_BYTES / (double) (cpuNanos() - cpu);
            sample(
                    "proxy",
                    Map.of("bytes", PROXY_BYTES, "gigabytesPerSecond", gigabytes[i], "perDaemonCore", perCore[i]));
        }
        tell("front, bytes of one connection over loopback, GB/s", gigabytes);
        tell("the same for each second of processor time of the daemon, GB", perCore);
    }

    private static void sendTo(ServerSocket far) {
        try (Socket socket = far.accept()) {
            byte[] piece = new byte[1 << 20];
            for (long sent = 0; sent < PROXY_BYTES; sent += piece.length) {
                socket.getOutputStream().write(piece);
            }
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private void idle(ServerSocket far, InetSocketAddress front) throws Exception {
        long before = residentBytes();
        var sockets = new ArrayList<Socket>();
        for (int i = 0; i < CONNECTIONS; i++) {
            sockets.add(new Socket(front.getAddress(), front.getPort()));
            sockets.add(far.accept());
        }
        Thread.sleep(1000);
        long after = residentBytes();
        sample("idle", Map.of("connections", CONNECTIONS, "bytesBefore", before, "bytesAfter", after));
        System.out.printf("%d idle connections, MB more of the daemon: %.1f%n", CONNECTIONS, (after - before) / 1e6);
        for (Socket socket : sockets) {
            socket.close();
        }
    }

    /// Suspended ones are like `desk`, whose files are copied: what is listed is read from these files.
    private void manyVms() throws Exception {
        action("suspend", null);
        for (int i = 1; i < VMS; i++) {
            copyOfDesk("desk-%03d".formatted(i));
        }
        double[] millis = new double[LISTS];
        int listed = 0;
        for (int i = -LISTS; i < LISTS; i++) {
            long begin = System.nanoTime();
            String body = client.send("GET", "/v1/vms?limit=500", null).body();
            if (i >= 0) {
                millis[i] = (System.nanoTime() - begin) / 1e6;
            } else {
                listed = Json.parseObjects(Json.write(Json.parseObject(body).get("items")))
                        .size();
            }
        }
        Thread.sleep(3000); // The daemon looks at all of them once a second.
        long resident = residentBytes();
        sample(
                "vms",
                Map.of("vms", listed, "millis", Arrays.stream(millis).boxed().toList(), "residentBytes", resident));
        System.out.printf(
                "%d suspended VMs: list, ms: p50 %.1f, p99 %.1f; daemon, MB: %.0f%n",
                listed, percentile(millis, 50), percentile(millis, 99), resident / 1e6);
    }

    private void copyOfDesk(String name) throws IOException {
        Path from = home.vm("desk");
        Path to = Files.createDirectories(home.vm(name));
        for (String file : List.of("vm.json", "state.json", "last-restore.json")) {
            if (Files.exists(from.resolve(file))) {
                String text = Files.readString(from.resolve(file)).replace("\"desk\"", "\"" + name + "\"");
                Files.writeString(to.resolve(file), text);
            }
        }
    }

    private InetSocketAddress front(String name, String target) throws Exception {
        int port;
        try (var socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = socket.getLocalPort();
        }
        String settings = "{\"fronts\": [{\"name\": \"%s\", \"listen\": \"127.0.0.1:%d\", \"target\": \"%s\"}]}"
                .formatted(name, port, target);
        DaemonClient.Answer answer = client.send("PUT", "/v1/vms/desk/settings", settings);
        if (answer.status() != 200) {
            throw new IOException(answer.body());
        }
        return new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
    }

    private void get(String path) throws IOException {
        DaemonClient.Answer answer = client.send("GET", path, null);
        if (answer.status() != 200) {
            throw new IOException(answer.body());
        }
    }

    /// A suspend and a start are waited for, of a resume until the guest runs.
    private void action(String action, String body) throws Exception {
        DaemonClient.Answer answer = client.send("POST", "/v1/vms/desk/" + action + "?wait=60", body);
        if (answer.status() != 202) {
            throw new IOException("%s: %s".formatted(action, answer.body()));
        }
    }

    private Map<String, Object> newestOperation() throws IOException {
        Map<String, Object> page = Json.parseObject(
                client.send("GET", "/v1/operations?limit=1", null).body());
        return Json.parseObjects(Json.write(page.get("items"))).getFirst();
    }

    private Object state() throws IOException {
        return Json.parseObject(client.send("GET", "/v1/vms/desk", null).body()).get("state");
    }

    private void awaitState(String wanted) throws Exception {
        long end = System.nanoTime() + LONG.toNanos();
        while (!state().equals(wanted)) {
            if (System.nanoTime() - end > 0) {
                throw new IOException("desk is " + state());
            }
            Thread.sleep(20);
        }
    }

    private long cpuNanos() {
        return daemon.info().totalCpuDuration().orElseThrow().toNanos();
    }

    private long residentBytes() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/" + daemon.pid() + "/status"))) {
            if (line.startsWith("VmRSS:")) {
                return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
            }
        }
        throw new IOException("no VmRSS");
    }

    private void sample(String kind, Map<String, Object> facts) {
        var sample = new LinkedHashMap<String, Object>(Map.of("kind", kind));
        sample.putAll(made);
        sample.putAll(facts);
        samples.println(Json.write(sample));
        samples.flush();
    }

    private static void tell(String what, double[] values) {
        System.out.printf(
                "%s: %.2f (%.2f to %.2f of %d)%n",
                what, percentile(values, 50), percentile(values, 0), percentile(values, 100), values.length);
    }

    private static double percentile(double[] values, int percent) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return sorted[(int) Math.round((sorted.length - 1) * percent / 100.0)];
    }
}
