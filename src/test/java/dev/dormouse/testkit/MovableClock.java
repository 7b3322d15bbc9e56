package dev.dormouse.testkit;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;

/// The time of day of one process, which a test moves while it runs. What only goes forward, and of which waits are
/// made, stays as it is, and so do the times of files and the processes that this one starts. A library of a few
/// lines, for libfaketime has Java's timed waits return at once.
public final class MovableClock {
    private static final int COMPILER_SECONDS = 30;
    private static final String SOURCE = """
            #define _GNU_SOURCE
            #include <fcntl.h>
            #include <stdlib.h>
            #include <sys/mman.h>
            #include <sys/syscall.h>
            #include <sys/time.h>
            #include <time.h>
            #include <unistd.h>

            static const volatile long long *offset_seconds; /* Null until the library is set up. */

            __attribute__((constructor)) static void begin(void) {
              int file = open(getenv("MOVABLE_CLOCK"), O_RDONLY | O_CLOEXEC);
              void *page = file < 0 ? MAP_FAILED : mmap(0, sizeof(long long), PROT_READ, MAP_SHARED, file, 0);
              if (page == MAP_FAILED) abort();
              close(file);
              offset_seconds = page;
              unsetenv("LD_PRELOAD"); /* For the processes that this one starts. */
            }

            int clock_gettime(clockid_t clock, struct timespec *now) {
              int result = syscall(SYS_clock_gettime, clock, now);
              if (result == 0 && clock == CLOCK_REALTIME && offset_seconds) now->tv_sec += *offset_seconds;
              return result;
            }

            int gettimeofday(struct timeval *restrict now, void *restrict zone) {
              struct timespec exact;
              (void) zone;
              if (clock_gettime(CLOCK_REALTIME, &exact) != 0) return -1;
              now->tv_sec = exact.tv_sec;
              now->tv_usec = exact.tv_nsec / 1000;
              return 0;
            }

            time_t time(time_t *seconds) {
              struct timespec exact;
              clock_gettime(CLOCK_REALTIME, &exact);
              if (seconds) *seconds = exact.tv_sec;
              return exact.tv_sec;
            }
            """;

    private final Path library;
    private final Path offset;

    private MovableClock(Path library, Path offset) {
        this.library = library;
        this.offset = offset;
    }

    /// Makes one; the test is skipped where there is no compiler of C.
    ///
    /// @param folder for its files
    public static MovableClock in(Path folder) throws IOException, InterruptedException {
        Path source = folder.resolve("clock.c");
        Path library = folder.resolve("clock.so");
        Files.writeString(source, SOURCE);
        Process compiler;
        try {
            compiler = new ProcessBuilder(
                            "gcc", "-O2", "-Wall", "-shared", "-fPIC", "-o", library.toString(), source.toString())
                    .inheritIO()
                    .start();
        } catch (IOException e) {
            Assumptions.abort("gcc, which makes a clock that a test can move: " + e.getMessage());
            throw e;
        }
        if (!compiler.waitFor(COMPILER_SECONDS, TimeUnit.SECONDS) || compiler.exitValue() != 0) {
            throw new IOException(source + ": not compiled");
        }
        var clock = new MovableClock(library, folder.resolve("clock.offset"));
        clock.moveTo(Duration.ZERO);
        return clock;
    }

    /// {@return what a process that is to have it needs in its environment}
    public Map<String, String> environment() {
        return Map.of("LD_PRELOAD", library.toString(), "MOVABLE_CLOCK", offset.toString());
    }

    /// Has it jump, at once.
    ///
    /// @param ahead how much it is ahead of that of the host from now on; behind it if negative
    public void moveTo(Duration ahead) throws IOException {
        ByteBuffer seconds = ByteBuffer.allocate(Long.BYTES)
                .order(ByteOrder.nativeOrder())
                .putLong(ahead.toSeconds())
                .flip();
        try (FileChannel file = FileChannel.open(offset, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            file.write(seconds, 0);
        }
    }
}
