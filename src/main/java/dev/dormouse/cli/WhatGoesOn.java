package dev.dormouse.cli;

import java.util.function.Supplier;

/// Says, when Ctrl-C ends a command, what goes on without it.
final class WhatGoesOn implements AutoCloseable {
    private final Thread hook;

    private WhatGoesOn(Thread hook) {
        this.hook = hook;
    }

    /// Until it is closed.
    ///
    /// @param text asked when the command is being ended; may wait a little
    static WhatGoesOn afterCtrlC(Main main, Supplier<String> text) {
        var hook = new Thread(() -> main.warn(text.get()), "interrupted");
        Runtime.getRuntime().addShutdownHook(hook);
        return new WhatGoesOn(hook);
    }

    /// {@return what is said of a restore that has begun}
    static String restoring(String vm) {
        return "vm %s: the restore goes on in the background, 'dormouse show %s' tells how far it is".formatted(vm, vm);
    }

    @Override
    public void close() {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException _) {
            // This process is being ended, and the hook is at work.
        }
    }
}
