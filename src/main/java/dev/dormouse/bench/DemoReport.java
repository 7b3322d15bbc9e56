package dev.dormouse.bench;

import io.avaje.jsonb.Json;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What one run of the demo measured, both ways on the same VM. Times are in milliseconds, from the
/// request by the host's clock; the names are those of `dormouse demo --json`.
///
/// @param nonZeroBytes memory that is not zero when the VM is suspended
/// @param completeMs until every page of the lazy restore was placed
/// @param pagesSkipped zero pages that were never placed
/// @param baselineRate page touches a second of the guest's work loop before the suspend
/// @param baselineSpread 5th percentile of its rate, as a share of the median: how quiet the host was
/// @param timeToResponsivenessMs null if the guest was not as fast as before while it was watched
/// @param qemuReadyMs until QEMU's monitor greeted
/// @param runningMs until QEMU let the guest run
/// @param workRate, stockWorkRate share of the normal rate in each tenth of a second from the request on
/// @param stockMeans how QEMU saved and restored by itself
@Json
public record DemoReport(
        String qemuVersion,
        String accel,
        long vmMemoryBytes,
        long nonZeroBytes,
        long imageBytes,
        double suspendMs,
        double pausedMs,
        double firstResponseMs,
        @Nullable Double timeToResponsivenessMs,
        double completeMs,
        long pagesOnDemand,
        long zeroPagesOnDemand,
        long pagesPrefetched,
        long pagesSkipped,
        boolean guestMemoryIntact,
        boolean guestFilesIntact,
        double baselineRate,
        double baselineSpread,
        String stockMeans,
        double stockSuspendMs,
        long stockImageBytes,
        double stockFirstResponseMs,
        @Nullable Double stockTimeToResponsivenessMs,
        boolean stockMemoryIntact,
        double qemuReadyMs,
        double runningMs,
        List<Double> workRate,
        List<Double> stockWorkRate) {}
