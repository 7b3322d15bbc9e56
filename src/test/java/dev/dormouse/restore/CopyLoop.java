package dev.dormouse.restore;

import dev.dormouse.base.Json;
import dev.dormouse.base.RamBlock;
import dev.dormouse.base.RamLayout;
import java.io.PrintStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.opentest4j.TestAbortedException;

/// A bare loop of UFFDIO_COPY: what placing pages costs on this machine if nothing has to be read, decompressed or
/// checked for it, and what the first touch of such a page costs: next to nothing, unless the machine is itself
/// a virtual one whose page tables the host shadows. Prints a line of JSON for each number of pages a call and of
/// threads. A program, not a test.
///
/// Arguments: MiB of memory to fill (2048).
final class CopyLoop {
    private static final int PAGE = RamBlock.TARGET_PAGE_BYTES;
    private static final int SOURCE_PAGES =
            4096; // More than the processor caches, as pages that were just read are not.
    private static final int TOUCHED_PAGES = 16384;
    private static final int[] PAGES_PER_CALL = {1, 16, 64, 256};

    private CopyLoop() {}

    public static void main(String[] arguments) throws Throwable {
        run(arguments.length > 0 ? Integer.parseInt(arguments[0]) : 2048, System.out);
    }

    static void run(int mebibytes, PrintStream out) throws Throwable {
        try {
            measure(mebibytes, 16, 1); // Warms up.
            for (int threads = 1; threads <= 2; threads++) {
                for (int pagesPerCall : PAGES_PER_CALL) {
                    out.println(Json.write(measure(mebibytes, pagesPerCall, threads)));
                }
            }
        } catch (TestAbortedException e) {
            out.println(Json.write(Map.of("bench", "copy-loop", "notAvailable", String.valueOf(e.getMessage()))));
        }
    }

    private static Map<String, Object> measure(int mebibytes, int pagesPerCall, int threads) throws Throwable {
        long bytes = (long) mebibytes << 20;
        var layout = new RamLayout(List.of(new RamBlock("ram", bytes)));
        try (var memory = new GuestMemory(layout, false);
                var workers = Executors.newFixedThreadPool(threads)) {
            long share = bytes / PAGE / threads / pagesPerCall * pagesPerCall;
            var loops = new ArrayList<Callable<Boolean>>();
            for (int i = 0; i < threads; i++) {
                long address = memory.address(i * share);
                loops.add(() -> copy(address, share, pagesPerCall));
            }
            long start = System.nanoTime();
            for (Future<?> loop : workers.invokeAll(loops)) {
                loop.get();
            }
            double seconds = (System.nanoTime() - start) / 1e9;
            var line = new LinkedHashMap<String, Object>();
            line.put("bench", "copy-loop");
            line.put("pagesPerCall", pagesPerCall);
            line.put("threads", threads);
            line.put("bytes", share * threads * PAGE);
            line.put("gigabytesPerSecond", share * threads * PAGE / 1e9 / seconds);
            long[] touched = inRandomOrder(Math.min(share, TOUCHED_PAGES));
            line.put("firstTouchMicros", touchMicros(memory, touched));
            line.put("nextTouchMicros", touchMicros(memory, touched));
            return line;
        }
    }

    private static long[] inRandomOrder(long count) {
        List<Long> frames = LongStream.range(0, count).boxed().collect(Collectors.toList());
        Collections.shuffle(frames, new Random(1));
        return frames.stream().mapToLong(Long::longValue).toArray();
    }

    /// {@return how long it takes to read a byte of a page, on average}
    private static double touchMicros(GuestMemory memory, long[] frames) {
        MemorySegment all = MemorySegment.ofAddress(memory.address(0)).reinterpret((long) frames.length * PAGE);
        long sum = 0;
        long start = System.nanoTime();
        for (long frame : frames) {
            sum += all.get(ValueLayout.JAVA_BYTE, frame * PAGE);
        }
        double micros = (System.nanoTime() - start) / 1e3 / frames.length;
        if (sum == Long.MIN_VALUE) { // Or nothing would need to be read.
            throw new IllegalStateException("a sum of bytes cannot be that small");
        }
        return micros;
    }

    private static boolean copy(long address, long pages, int pagesPerCall) throws Exception {
        var source = ByteBuffer.allocateDirect(SOURCE_PAGES * PAGE);
        var random = new Random(address);
        while (source.hasRemaining()) {
            source.putLong(random.nextLong());
        }
        try (Userfaultfd userfaultfd =
                Userfaultfd.borrow(ProcessHandle.current().pid())) {
            for (long page = 0; page < pages; page += pagesPerCall) {
                int at = (int) (page % (SOURCE_PAGES - pagesPerCall + 1)) * PAGE;
                userfaultfd.copy(address + page * PAGE, source.slice(at, pagesPerCall * PAGE));
            }
        }
        return true;
    }
}
