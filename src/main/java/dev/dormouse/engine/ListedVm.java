package dev.dormouse.engine;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/// One of all VMs. One whose records are damaged does not hide the others.
///
/// @param status what it is now; null if that cannot be told
/// @param error why not, null if it can be told
public record ListedVm(
        String name, @Nullable VmStatus status, @Nullable IOException error) {}
