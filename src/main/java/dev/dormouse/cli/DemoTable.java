package dev.dormouse.cli;

import dev.dormouse.bench.DemoReport;
import dev.dormouse.engine.MemorySize;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// The figures of a demo, both ways side by side.
final class DemoTable {
    private final StringBuilder text = new StringBuilder();

    private DemoTable() {}

    static String of(DemoReport report) {
        var table = new DemoTable();
        table.head(report);
        table.rows(report);
        table.foot(report);
        return table.text.toString();
    }

    private void head(DemoReport report) {
        line(
                "QEMU %s, %s, %s of memory, %s of it not zero",
                report.qemuVersion(),
                report.accel(),
                MemorySize.format(report.vmMemoryBytes()),
                MemorySize.format(report.nonZeroBytes()));
        line("");
        line("%-28s %14s %14s %10s", "", "dormouse", "stock QEMU", "ratio");
    }

    private void rows(DemoReport report) {
        line(
                "%-28s %14s %14s %10s",
                "image",
                MemorySize.format(report.imageBytes()),
                MemorySize.format(report.stockImageBytes()),
                ratio((double) report.imageBytes(), (double) report.stockImageBytes()));
        row("suspend", report.suspendMs(), report.stockSuspendMs());
        row("first response", report.firstResponseMs(), report.stockFirstResponseMs());
        row("time to responsiveness", report.timeToResponsivenessMs(), report.stockTimeToResponsivenessMs());
        row("complete", report.completeMs(), report.stockFirstResponseMs());
    }

    private void foot(DemoReport report) {
        line("");
        line(
                "pages: %,d on demand (and %,d zero), %,d prefetched, %,d zero pages skipped",
                report.pagesOnDemand(), report.zeroPagesOnDemand(), report.pagesPrefetched(), report.pagesSkipped());
        line(
                "guest: memory %s, files %s; work loop %,.0f touches a second before the suspend",
                intact(report.guestMemoryIntact()), intact(report.guestFilesIntact()), report.baselineRate());
        line("stock: %s; guest memory %s", report.stockMeans(), intact(report.stockMemoryIntact()));
    }

    private void row(String name, @Nullable Double ours, @Nullable Double stock) {
        line("%-28s %14s %14s %10s", name, millis(ours), millis(stock), ratio(ours, stock));
    }

    private static String millis(@Nullable Double millis) {
        return millis == null ? "not reached" : String.format(Locale.ROOT, "%,.0f ms", millis);
    }

    private static String ratio(@Nullable Double ours, @Nullable Double stock) {
        return ours == null || stock == null ? "" : String.format(Locale.ROOT, "%.2f", ours / stock);
    }

    private static String intact(boolean intact) {
        return intact ? "intact" : "NOT INTACT";
    }

    private void line(String format, Object... arguments) {
        text.append(String.format(Locale.ROOT, format, arguments)).append('\n');
    }
}
