package dev.dormouse.restore;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/// Reads groups of pages ahead of the thread that places them, on other threads: a few batches of a few
/// groups are under way at a time, and are handed out in the order of the plan.
///
/// One thread owns it; the executor's threads meet it only in a batch that is under way.
final class ReadAhead implements AutoCloseable {
    /// Groups that are read by one thread before it tells anybody: 256 KiB of extents, and not much more of runs of
    /// disk blocks, for storage at its limit answers a demand behind what it has taken.
    private static final int BATCH_GROUPS = 8;
    private static final int BATCH_PAGES = 64;
    /// Two for each of two threads, and two at hand.
    static final int BATCHES = 6;
    private static final long CLOSE_WAIT_NANOS = 1_000_000;

    private final PageSource source;
    private final Plan plan;
    private final Runnable onRead;
    private final ArrayDeque<Batch> underWay = new ArrayDeque<>();
    private final ArrayDeque<Batch> free = new ArrayDeque<>();
    private Executor executor;
    private int batches;
    private int batchesMax = BATCHES;
    private boolean planned;
    private volatile boolean closed;

    /// What is to be read.
    @FunctionalInterface
    interface Plan {
        int END = -1;

        /// {@return the next group, [#END] when there is none}
        int next() throws IOException;
    }

    /// @param onRead called by the executor's threads when a batch was read
    ReadAhead(PageSource source, Plan plan, Executor executor, Runnable onRead) {
        this.source = source;
        this.plan = plan;
        this.executor = executor;
        this.onRead = onRead;
    }

    /// Has the batches that are not under way yet read by other threads.
    ///
    /// @param atMost how many may be under way or at hand: storage that is slow answers a demand behind them
    void use(Executor other, int atMost) {
        executor = other;
        batchesMax = atMost;
    }

    /// Has as much read as there is room for.
    private void fill() throws IOException {
        if (!planned && free.isEmpty() && batches < batchesMax) {
            batches++;
            free.add(new Batch());
        }
        while (!planned && !free.isEmpty()) {
            Batch batch = free.getFirst();
            batch.plan();
            if (batch.size == 0) {
                return;
            }
            underWay.add(free.removeFirst());
            executor.execute(batch);
        }
    }

    /// {@return the group that is next, null if it is not read yet or there is none}
    @Nullable
    Group head() throws IOException {
        fill();
        Batch batch = underWay.peekFirst();
        return batch != null && batch.read ? batch.groups[batch.next] : null;
    }

    /// {@return whether everything that was planned was handed out}
    boolean isAtEnd() {
        return planned && underWay.isEmpty();
    }

    /// {@return whether the memory of the head, and of those before it, is used again after [#advance]}
    boolean isLastOfBatch() {
        Batch batch = underWay.getFirst();
        return batch.next == batch.size - 1;
    }

    /// The head is done with.
    void advance() {
        Batch batch = underWay.getFirst();
        batch.next++;
        if (batch.next == batch.size) {
            free.add(underWay.removeFirst());
        }
    }

    /// Waits until the head is read; for an owner that has nothing else to do.
    ///
    /// @param goesOn asked again and again whether to wait on
    /// @return the head, null at the end and when it is not to be waited for
    @Nullable
    Group await(BooleanSupplier goesOn) throws IOException {
        Group head = head();
        while (head == null && !isAtEnd() && goesOn.getAsBoolean()) {
            LockSupport.parkNanos(this, CLOSE_WAIT_NANOS);
            head = head();
        }
        return head;
    }

    /// Waits until nobody reads any more.
    @Override
    public void close() {
        closed = true;
        for (Batch batch : underWay) {
            while (!batch.read) {
                LockSupport.parkNanos(this, CLOSE_WAIT_NANOS);
            }
            batch.close();
        }
        free.forEach(Batch::close);
        underWay.clear();
        free.clear();
    }

    /// A group that was read, or could not be.
    static final class Group {
        private PageSource.@Nullable GroupBuffer buffer;
        private int number;
        private @Nullable IOException failure;

        int number() {
            return number;
        }

        /// As [PageSource.GroupBuffer#pages].
        ///
        /// @throws IOException also if the group could not be read
        ByteBuffer pages(long frame, int countMax) throws IOException {
            IOException reason = failure;
            if (reason != null) {
                throw reason;
            }
            return Objects.requireNonNull(buffer, "a group that was not read").pages(frame, countMax);
        }
    }

    /// Some groups that one thread reads one after the other.
    private final class Batch implements Runnable {
        private final Group[] groups = new Group[BATCH_GROUPS];
        private int size;
        private int next;
        private volatile boolean read;

        Batch() {
            Arrays.setAll(groups, _ -> new Group());
        }

        void plan() throws IOException {
            size = 0;
            next = 0;
            read = false;
            int pages = 0;
            while (size < groups.length && pages < BATCH_PAGES && !planned) {
                int number = plan.next();
                if (number == Plan.END) {
                    planned = true;
                } else {
                    groups[size].number = number;
                    groups[size].failure = null;
                    size++;
                    pages += source.frames(number).size();
                }
            }
        }

        @Override
        public void run() {
            try {
                for (int i = 0; i < size && !closed; i++) {
                    read(groups[i]);
                }
            } finally {
                read = true;
                onRead.run();
            }
        }

        /// Its memory is made here, too: new memory takes a while to come, and a page that is demanded meanwhile would
        /// wait for the owner.
        private void read(Group group) {
            try {
                if (group.buffer == null) {
                    group.buffer = source.newGroupBuffer();
                }
                group.buffer.read(group.number);
            } catch (IOException e) {
                group.failure = e;
            } catch (RuntimeException | OutOfMemoryError e) {
                group.failure = new RestoreException("group " + group.number + " of the image: cannot be read", e);
            }
        }

        void close() {
            for (Group group : groups) {
                if (group.buffer != null) {
                    group.buffer.close();
                }
            }
        }
    }
}
