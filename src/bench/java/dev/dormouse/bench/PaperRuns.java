package dev.dormouse.bench;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/// The runs of [PaperBench] from one kind of storage, and what they come to by workload and strategy. A median is NaN
/// if nothing was measured; a guest that was not as fast as before while it was watched took infinitely long.
record PaperRuns(PaperSamples samples, StorageProfile profile, Samples lines) {
    private static final int WORK_TENTHS = 50;
    /// With so much there before it runs a lazily restored guest has nothing to wait for.
    private static final double NEARLY_ALL = 0.9;
    /// Of the device's speed, which the eager restore must reach to be worth a comparison, and without a device's.
    private static final double OF_DEVICE = 0.8;

    private static final double WARM_GIGABYTES = 0.8;

    /// {@return the reason why none of it could be measured; empty if some was}
    String notAvailable() {
        Samples missing = lines.where(line -> line.containsKey("notAvailable"));
        return missing.size() == lines.size() ? Objects.toString(missing.first("notAvailable")) : "";
    }

    boolean isEmpty() {
        return lines.isEmpty();
    }

    Samples good(String workload, String strategy) {
        return of(workload, strategy).where(line -> !Cells.hasFailed(line));
    }

    private Samples of(String workload, String strategy) {
        return lines.where("workload", workload).where("strategy", strategy).where(line -> line.containsKey("round"));
    }

    int failed(String workload, String strategy) {
        return of(workload, strategy).where(Cells::hasFailed).size();
    }

    /// {@return whether there is nothing to show because something failed: all of the runs, or the state}
    boolean hasFailed(String workload, String strategy) {
        return good(workload, strategy).isEmpty()
                && (failed(workload, strategy) > 0 || samples.states(workload).isEmpty());
    }

    // ---- time to responsiveness

    /// {@return the times to responsiveness, ascending, one for each run that did not fail}
    double[] times(String workload, String strategy) {
        return good(workload, strategy).timesToResponsiveness();
    }

    double time(String workload, String strategy) {
        return Samples.median(times(workload, strategy));
    }

    /// {@return the way of QEMU's own that is responsive first}
    String stock(String workload) {
        String stream = RestoreStrategy.STOCK_STREAM.text();
        String mapped = RestoreStrategy.STOCK_MAPPED_RAM.text();
        double time = time(workload, stream);
        return Double.isNaN(time) || time(workload, mapped) < time ? mapped : stream;
    }

    double stockTime(String workload) {
        return time(workload, stock(workload));
    }

    /// {@return times of two ways, of which both are finite; NaN otherwise}
    static double quotient(double time, double other) {
        return Double.isFinite(time) && Double.isFinite(other) ? time / other : Double.NaN;
    }

    /// {@return how many times as fast as the eager restore; NaN where that is too slow to be compared with}
    double gainOnEager(String workload) {
        return isEagerTooSlow(workload)
                ? Double.NaN
                : quotient(time(workload, PaperSamples.EAGER), time(workload, PaperSamples.OURS));
    }

    // ---- the work of the first five seconds

    /// {@return the seconds of normal work that the runs had done five seconds after the request, ascending}
    double[] work(String workload, String strategy) {
        return good(workload, strategy).lines().stream()
                .mapToDouble(PaperRuns::work)
                .filter(Double::isFinite)
                .sorted()
                .toArray();
    }

    double medianWork(String workload, String strategy) {
        return Samples.median(work(workload, strategy));
    }

    double stockWork(String workload) {
        return Cells.larger(
                medianWork(workload, RestoreStrategy.STOCK_STREAM.text()),
                medianWork(workload, RestoreStrategy.STOCK_MAPPED_RAM.text()));
    }

    private static double work(Map<String, Object> line) {
        return line.get("workInFiveSeconds") instanceof Number work
                ? work.doubleValue()
                : new Samples(List.of(line))
                        .series("workRate").stream()
                                .mapToDouble(tenths -> work(tenths, line))
                                .findFirst()
                                .orElse(Double.NaN);
    }

    /// Of older samples. A rate is that of a window that begins there: the last ones end where the five seconds end.
    private static double work(double[] tenths, Map<String, Object> line) {
        if (tenths.length < 10) {
            return Double.NaN;
        }
        int window = line.get("windowMs") instanceof Number millis ? millis.intValue() / 100 : 1;
        int places = WORK_TENTHS - Math.max(0, window - 1);
        double last = Arrays.stream(tenths, tenths.length - 10, tenths.length)
                .average()
                .orElseThrow();
        double sum = Arrays.stream(tenths).limit(places).sum();
        return (sum + Math.max(0, places - tenths.length) * last) / 10;
    }

    // ---- what must be known of a row

    /// {@return such as ` (states: 2, revisions: 3)`; empty if all runs are of one state and one revision}
    String origin(String workload) {
        Samples runs = lines.where("workload", workload).where(line -> line.containsKey("round"));
        long states = runs.lines().stream().map(PaperRuns::state).distinct().count();
        int revisions = runs.values("revision").size();
        return states > 1 || revisions > 1 ? " (states: %d, revisions: %d)".formatted(states, revisions) : "";
    }

    /// Older samples have no name for it; no two suspends take the same time and write as much.
    private static String state(Map<String, Object> line) {
        return Objects.toString(line.get("state"), line.get("imageBytes") + "/" + line.get("suspendMs"));
    }

    /// {@return gigabytes a second that the eager restore must read from storage that is throttled, or place of
    /// non-zero memory from the page cache; NaN if nothing is known of the storage}
    double gigabytesRequired() {
        return profile.isThrottled()
                ? OF_DEVICE * profile.bytesPerSecond() / 1e9
                : profile.isCold() ? Double.NaN : WARM_GIGABYTES;
    }

    double eagerGigabytes(String workload) {
        Samples good = good(workload, PaperSamples.EAGER);
        return profile.isThrottled()
                ? good.median(PaperRuns::readGigabytesPerSecond)
                : good.median("placedGigabytesPerSecond");
    }

    /// From the request on: reading begins while QEMU starts.
    private static double readGigabytesPerSecond(Map<String, Object> line) {
        return line.get("readBytes") instanceof Number bytes && line.get("runningMs") instanceof Number running
                ? bytes.doubleValue() / 1e6 / running.doubleValue()
                : Double.NaN;
    }

    boolean isEagerTooSlow(String workload) {
        return eagerGigabytes(workload) < gigabytesRequired();
    }

    /// {@return over what time the rate of the workload is told, in milliseconds}
    double windowMillis(String workload) {
        double millis = lines.where("workload", workload).median("windowMs");
        return Double.isNaN(millis) ? 100 : millis;
    }

    /// {@return the share of what is not zero that was there before the guest ran}
    double shareBeforeRun(String workload, String strategy) {
        Samples good = good(workload, strategy);
        double pages = good.median("nonZeroBytes") / PaperSamples.PAGE_BYTES;
        double share = good.median("shareBeforeRun");
        return Double.isNaN(share) ? good.median("pagesBeforeRun") / pages : share;
    }

    boolean isLoadedBeforeRun(String workload, String strategy) {
        return !RestoreStrategy.named(strategy).isEager() && shareBeforeRun(workload, strategy) >= NEARLY_ALL;
    }
}
