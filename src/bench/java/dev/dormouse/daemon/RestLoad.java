package dev.dormouse.daemon;

import java.io.IOException;
import java.util.ArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/// Requests at a fixed rate: each is sent at its time, however long others take, and waits for no other.
final class RestLoad {
    static final int REQUESTS_PER_SECOND = 200;
    static final int SECONDS = 10;
    private static final long APART_NANOS = 1_000_000_000 / REQUESTS_PER_SECOND;

    /// One way to ask. Any thread.
    @FunctionalInterface
    interface Client {
        /// @throws IOException also if the answer is not the one that was wanted
        void get(String path) throws IOException, InterruptedException;
    }

    private RestLoad() {}

    /// Platform threads, which an answer wakes by itself: a virtual one would wait for two others, on the processors of
    /// the daemon.
    ///
    /// {@return how long each request took, in milliseconds}
    ///
    /// @throws ExecutionException if one of them failed
    static double[] millis(Client client) throws InterruptedException, ExecutionException {
        var answers = new ArrayList<Future<Double>>();
        try (ExecutorService threads = Executors.newCachedThreadPool()) {
            long begin = System.nanoTime();
            for (int i = 0; i < REQUESTS_PER_SECOND * SECONDS; i++) {
                int request = i;
                sleepUntil(begin + i * APART_NANOS);
                answers.add(threads.submit(() -> millis(client, request)));
            }
        }
        double[] millis = new double[answers.size()];
        for (int i = 0; i < millis.length; i++) {
            millis[i] = answers.get(i).get();
        }
        return millis;
    }

    /// One of the VM whose restore is under way, or of all.
    private static double millis(Client client, int request) throws IOException, InterruptedException {
        long sent = System.nanoTime();
        client.get(request % 2 == 0 ? "/v1/vms/desk" : "/v1/vms");
        return (System.nanoTime() - sent) / 1e6;
    }

    private static void sleepUntil(long nanos) throws InterruptedException {
        long left = nanos - System.nanoTime();
        if (left > 0) {
            TimeUnit.NANOSECONDS.sleep(left);
        }
    }
}
