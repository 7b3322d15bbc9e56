package dev.dormouse.daemon;

import java.io.IOException;
import java.util.ArrayList;
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

    /// {@return how long each request took, in milliseconds}
    static double[] millis(Client client) throws InterruptedException {
        double[] millis = new double[REQUESTS_PER_SECOND * SECONDS];
        var threads = new ArrayList<Thread>();
        long begin = System.nanoTime();
        for (int i = 0; i < millis.length; i++) {
            int request = i;
            sleepUntil(begin + i * APART_NANOS);
            threads.add(Thread.startVirtualThread(() -> millis[request] = millis(client, request)));
        }
        for (Thread thread : threads) {
            thread.join();
        }
        return millis;
    }

    /// One of the VM whose restore is under way, or of all.
    private static double millis(Client client, int request) {
        long sent = System.nanoTime();
        try {
            client.get(request % 2 == 0 ? "/v1/vms/desk" : "/v1/vms");
        } catch (IOException e) {
            throw new IllegalStateException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
        return (System.nanoTime() - sent) / 1e6;
    }

    private static void sleepUntil(long nanos) throws InterruptedException {
        long left = nanos - System.nanoTime();
        if (left > 0) {
            TimeUnit.NANOSECONDS.sleep(left);
        }
    }
}
