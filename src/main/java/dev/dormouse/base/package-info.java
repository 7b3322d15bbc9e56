/// What every part shares: sizes, RAM blocks, byte ranges, JSON trees, the root of the errors.
///
/// Imports the JDK and the JSON library only. Everything here is immutable or stateless; [Parallel] alone
/// starts threads.
@NullMarked
package dev.dormouse.base;

import org.jspecify.annotations.NullMarked;
