package dev.dormouse.wire;

import dev.dormouse.base.RamBlock;

/// The guest waits for these pages. Offset and length are multiples of the block's page size and lie
/// inside it. The same request may come more than once, and after the page was sent.
public record PageRequest(RamBlock block, long offset, int lengthBytes) implements ReturnPathEvent {}
