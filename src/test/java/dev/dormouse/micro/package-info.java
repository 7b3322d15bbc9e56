/// Micro-benchmarks (JMH) of what the path of a page is made of: `./dev bench micro`. Each of them runs once in the
/// ordinary tests (`MicroBenchmarksTest`), so that it cannot rot.
package dev.dormouse.micro;
