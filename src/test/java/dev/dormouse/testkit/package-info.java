/// What tests of several packages share. Imports nothing of the product.
@NullMarked
package dev.dormouse.testkit;

import org.jspecify.annotations.NullMarked;
