import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassFile.ClassHierarchyResolverOption;
import java.lang.classfile.ClassFile.ConstantPoolSharingOption;
import java.lang.classfile.ClassFile.StackMapsOption;
import java.lang.classfile.ClassHierarchyResolver;
import java.lang.classfile.ClassTransform;
import java.lang.constant.ClassDesc;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.jar.JarOutputStream;

/// Writes the classes of the jar that is its argument anew where they are older than Java 7: with
/// the frames that the verifier of today needs. The JVM's class archive takes no class without them,
/// and checks each one slowly at every start. Nothing else of a class changes.
final class ModernizeJar {
    private static final int FIRST_WITH_FRAMES = 51; // Java 7; before it, frames were optional.

    public static void main(String[] arguments) throws IOException {
        Path jar = Path.of(arguments[0]);
        Path aside = Path.of(arguments[0] + ".new");
        if (rewrite(jar, aside)) {
            Files.move(aside, jar, StandardCopyOption.ATOMIC_MOVE);
        } else {
            Files.delete(aside);
        }
    }

    /// {@return whether any class was that old}
    private static boolean rewrite(Path from, Path to) throws IOException {
        boolean changed = false;
        try (var in = new JarFile(from.toFile());
                var out = new JarOutputStream(Files.newOutputStream(to))) {
            var hierarchy = ClassHierarchyResolver.ofResourceParsing(name -> open(in, name))
                    .orElse(ClassHierarchyResolver.defaultResolver())
                    .cached();
            var classFile = ClassFile.of(
                    StackMapsOption.GENERATE_STACK_MAPS,
                    ConstantPoolSharingOption.NEW_POOL,
                    ClassHierarchyResolverOption.of(hierarchy));
            for (JarEntry entry : in.stream().toList()) {
                byte[] content = in.getInputStream(entry).readAllBytes();
                if (entry.getName().endsWith(".class") && majorVersion(content) < FIRST_WITH_FRAMES) {
                    content = modernize(classFile, content);
                    changed = true;
                }
                var copy = new JarEntry(entry.getName());
                copy.setTime(entry.getTime());
                out.putNextEntry(copy);
                out.write(content);
            }
        }
        return changed;
    }

    private static InputStream open(JarFile jar, ClassDesc name) {
        String descriptor = name.descriptorString();
        JarEntry entry = jar.getJarEntry(descriptor.substring(1, descriptor.length() - 1) + ".class");
        try {
            return entry == null ? null : jar.getInputStream(entry);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static int majorVersion(byte[] classBytes) {
        return (classBytes[6] & 0xff) << 8 | classBytes[7] & 0xff;
    }

    private static byte[] modernize(ClassFile classFile, byte[] old) {
        // Each body anew: one that is copied as it is gets no frames.
        ClassTransform bodies = ClassTransform.transformingMethodBodies((code, element) -> code.with(element));
        ClassTransform version = ClassTransform.endHandler(builder -> builder.withVersion(FIRST_WITH_FRAMES, 0));
        return classFile.transformClass(classFile.parse(old), bodies.andThen(version));
    }
}
