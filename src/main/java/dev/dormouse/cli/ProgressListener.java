package dev.dormouse.cli;

import dev.dormouse.engine.OperationListener;

/// Shows an operation of the engine.
final class ProgressListener implements OperationListener {
    private final ProgressBar bar;

    ProgressListener(ProgressBar bar) {
        this.bar = bar;
    }

    @Override
    public void captured(long bytes, long totalBytes) {
        bar.update("capturing", bytes, totalBytes);
    }

    @Override
    public void step(String what) {
        bar.step(what);
    }
}
