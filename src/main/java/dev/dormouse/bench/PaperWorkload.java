package dev.dormouse.bench;

import static dev.dormouse.bench.BenchEngine.VM;

import dev.dormouse.engine.VmRequest;
import java.io.IOException;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/// The benchmarks of the paper's evaluation, by what runs in the guest. Their scripts are in
/// `guest/paper/*/workloads`; [#IDLE] needs none.
enum PaperWorkload implements Workload {
    DESKTOP_BROWSER(Kind.DESKTOP, "desktop: browser, office documents"),
    DESKTOP_OFFICE(Kind.DESKTOP, "desktop: office, file manager, image viewer"),
    PACKAGES(Kind.SERVER, "installing packages"),
    LOGS(Kind.SERVER, "log search and archive"),
    FILES_READ(Kind.SERVER, "files, read-mostly"),
    FILES_WRITE(Kind.SERVER, "files, write-mostly"),
    COMPILE(Kind.SERVER, "compiling bash, two jobs"),
    WEB(Kind.SERVER, "web server under load"),
    POSTGRES(Kind.SERVER, "PostgreSQL, pgbench"),
    REDIS(Kind.SERVER, "Redis, 2 GB of random data"),
    JVM(Kind.SERVER, "Java service"),
    IDLE(Kind.SERVER, "idle, freshly booted");

    /// The guests, each with a golden disk of its own.
    private enum Kind {
        SERVER,
        DESKTOP
    }

    private static final String MEMORY = "4G";
    private static final int CPUS = 2;
    /// Twenty of the longest windows of [NormalRate], side by side.
    private static final int OBSERVED_SECONDS = 40;
    private static final int IDLE_WORKING_SET = 64;
    /// To boot, and to get into its stride, under emulation on a host that is busy.
    private static final Duration BEGIN_TIMEOUT = Duration.ofMinutes(20);

    private final Kind kind;
    private final String title;

    PaperWorkload(Kind kind, String title) {
        this.kind = kind;
        this.title = title;
    }

    /// @param name as [#text] gives it
    static PaperWorkload named(String name) {
        return Arrays.stream(values())
                .filter(workload -> workload.text().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("workload is '" + name + "', allowed are "
                        + Arrays.stream(values()).map(PaperWorkload::text).toList()));
    }

    @Override
    public String text() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    @Override
    public Map<String, Object> facts() {
        var facts = new LinkedHashMap<String, Object>();
        facts.put("title", title);
        facts.put("cpus", CPUS);
        return facts;
    }

    @Override
    public GuestImage guest() throws IOException, InterruptedException {
        return GuestImage.locatePaper(kind.name().toLowerCase(Locale.ROOT));
    }

    @Override
    public VmRequest request(GuestImage guest) {
        VmRequest request =
                GuestVm.withoutSandbox(GuestVm.request(guest, VM, MEMORY)).withCpus(CPUS);
        return kind == Kind.DESKTOP ? request.withVnc("unix:{runtime}/vnc") : request;
    }

    @Override
    public String begin(GuestProbe probe) throws IOException, InterruptedException {
        probe.ping("booted", BEGIN_TIMEOUT);
        if (this != IDLE) {
            return probe.workload(text(), BEGIN_TIMEOUT);
        }
        probe.work(IDLE_WORKING_SET, BEGIN_TIMEOUT);
        return "touches";
    }

    /// To boot and to get into its stride, as seen on two processors.
    @Override
    public Duration beginEstimate() {
        return switch (this) {
            case REDIS -> Duration.ofMinutes(13);
            case DESKTOP_BROWSER, DESKTOP_OFFICE -> Duration.ofMinutes(10);
            case JVM -> Duration.ofMinutes(8);
            default -> Duration.ofSeconds(40);
        };
    }

    @Override
    public int observedSeconds() {
        return OBSERVED_SECONDS;
    }

    @Override
    public void verify(GuestProbe probe) {
        // Its programs end when they find something wrong, and a run without any work fails.
    }

    @Override
    public boolean isVerified() {
        return false;
    }
}
