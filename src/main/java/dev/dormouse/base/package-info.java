/// What every part shares: sizes, RAM blocks, byte ranges, JSON trees, the root of the errors.
///
/// Imports the JDK and the JSON library only. No threads of its own; everything here is immutable or
/// stateless.
@NullMarked
package dev.dormouse.base;

import org.jspecify.annotations.NullMarked;
