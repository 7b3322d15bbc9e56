package dev.dormouse.restore;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/// What a guest touches after a restore, in order: a text file, so that a trace can be read and cut by hand.
///
/// The first line is `dormouse-trace 1 FRAMES`, the number of frames of the guest. Each other line is `MICROS FRAME`:
/// the guest works for so long after the touch before it, then touches the frame, and waits if the page is not there.
/// Lines that begin with `#` are comments. A demand that was recorded from a real restore carries the time since the
/// demand before it; pages that the guest found in place are not in a recording.
record DemandTrace(int frameCount, List<Touch> touches) {
    private static final String HEAD = "dormouse-trace 1 ";

    record Touch(int thinkMicros, int frame) {}

    DemandTrace {
        touches = List.copyOf(touches);
        for (Touch touch : touches) {
            if (touch.frame() < 0 || touch.frame() >= frameCount || touch.thinkMicros() < 0) {
                throw new IllegalArgumentException(
                        "trace: %s, frames from 0 to %d and times from 0 are allowed".formatted(touch, frameCount - 1));
            }
        }
    }

    static DemandTrace read(Path file) throws IOException {
        List<String> lines = Files.readAllLines(file);
        if (lines.isEmpty() || !lines.getFirst().startsWith(HEAD)) {
            throw new IOException(file + ": begins not with '" + HEAD + "', it is no demand trace");
        }
        var touches = new ArrayList<Touch>();
        try {
            for (String line : lines.subList(1, lines.size())) {
                if (!line.startsWith("#")) {
                    String[] words = line.split(" ", -1);
                    touches.add(new Touch(Integer.parseInt(words[0]), Integer.parseInt(words[1])));
                }
            }
            return new DemandTrace(Integer.parseInt(lines.getFirst().substring(HEAD.length())), touches);
        } catch (NumberFormatException | ArrayIndexOutOfBoundsException e) {
            throw new IOException("%s: line %d is not 'MICROS FRAME'".formatted(file, touches.size() + 2), e);
        }
    }

    void write(Path file) throws IOException {
        var lines = new ArrayList<String>();
        lines.add(HEAD + frameCount);
        for (Touch touch : touches) {
            lines.add(touch.thinkMicros() + " " + touch.frame());
        }
        Files.write(file, lines);
    }

    /// Makes a trace as a guest with a work loop gives it: a few runs of the kernel's and programs' pages, then
    /// random pages of a working set that lies in runs all over its memory, each of them many times, and now and
    /// then a page outside of the set.
    ///
    /// @param frameCount of the guest, 4096 or more
    /// @param workingSetFrames of its set
    /// @param count of touches
    /// @return the same trace for the same arguments
    static DemandTrace generate(long seed, int frameCount, int workingSetFrames, int count) {
        var random = new SplittableRandom(seed);
        int[] set = runs(random, frameCount, workingSetFrames);
        var touches = new ArrayList<Touch>();
        for (int i = 0; i < count; i++) {
            if (i < count / 50) {
                touches.add(new Touch(random.nextInt(3), (i * 7) % (frameCount / 64)));
            } else if (random.nextInt(200) == 0) {
                touches.add(new Touch(20, random.nextInt(frameCount)));
            } else {
                touches.add(new Touch(random.nextInt(2), set[random.nextInt(set.length)]));
            }
        }
        return new DemandTrace(frameCount, touches);
    }

    private static int[] runs(SplittableRandom random, int frameCount, int wanted) {
        int[] frames = new int[wanted];
        int count = 0;
        while (count < wanted) {
            int length = Math.min(wanted - count, 1 + random.nextInt(64));
            int first = random.nextInt(frameCount - length);
            for (int i = 0; i < length; i++) {
                frames[count++] = first + i;
            }
        }
        return frames;
    }
}
