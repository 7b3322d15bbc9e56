package dev.dormouse.engine;

import dev.dormouse.storage.Storage;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Where everything lies: VMs and images under the home, sockets under the runtime folder, whose path is
/// short because that of a unix socket is bounded to 107 bytes.
///
/// ```
/// HOME/vms/NAME/vm.json       VmConfig, written once
/// HOME/vms/NAME/state.json    VmRecord
/// HOME/vms/NAME/restore.json  RestoreRecord, while a restore is under way
/// HOME/vms/NAME/last-restore.json  RestoreReport of the last restore
/// HOME/vms/NAME/commands.jsonl  what commands did last without the daemon
/// HOME/vms/NAME/working-set   what the last restores demanded
/// HOME/vms/NAME/working-set-copies  pages of it that the image leaves to the disks, after a rehearsal
/// HOME/vms/NAME/rehearsal/    overlays of a rehearsal, while it is under way
/// HOME/vms/NAME/indexing.lock, .json  held, and how far it is, while a process indexes the layers
/// HOME/vms/NAME/lock          held by the process that works on the VM
/// HOME/vms/NAME/disks/        overlays, and disks created on a golden base
/// HOME/vms/NAME/qemu.log      what QEMU said
/// HOME/vms/NAME/server.log    what the background process said
/// HOME/images/ID.dormouse     checkpoint images
/// HOME/indexes/               block indexes of disk layers; may be removed, they are built again
/// HOME/daemon.lock            held by the daemon
/// HOME/tokens.json            hashes of the tokens for its API
/// HOME/images.lock            held while it is decided whether an image is needed
/// RUNTIME/NAME/               sockets and pid file, in r/ those of a rehearsal; a wish that one be ended
/// RUNTIME/.daemon             socket of the daemon
/// ```
///
/// @param root the home
/// @param runtime the runtime folder of this home
/// @param storage by which everything durable is written
public record Home(Path root, Path runtime, Storage storage) {
    public static final String IMAGE_SUFFIX = ".dormouse";
    /// In the folder of a VM; changes whenever a command has done something without the daemon.
    public static final String COMMAND_LOG = "commands.jsonl";

    /// The file in a VM's folder with what its last restores, or a rehearsal, demanded.
    public static final String WORKING_SET = "working-set";
    /// The file beside it with copies of pages of it.
    public static final String WORKING_SET_COPIES = "working-set-copies";
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,39}");

    /// {@return the home that the environment names: `DORMOUSE_HOME`, else by the XDG rules}
    public static Home fromEnvironment(Map<String, String> environment) throws IOException {
        String home = environment.get("DORMOUSE_HOME");
        if (home == null || home.isEmpty()) {
            String data = environment.get("XDG_DATA_HOME");
            home = data != null && !data.isEmpty()
                    ? data + "/dormouse"
                    : userHome(environment) + "/.local/share/dormouse";
        }
        return at(Path.of(home), environment.get("XDG_RUNTIME_DIR"));
    }

    /// {@return the user's own folder: `$HOME`, else what the system has for the user}
    public static String userHome(Map<String, String> environment) {
        String home = environment.get("HOME");
        return home == null || home.isEmpty() ? System.getProperty("user.home") : home;
    }

    /// {@return the home in this folder; its folders are created, readable by their owner only}
    public static Home at(Path root, @Nullable String xdgRuntime) throws IOException {
        return at(root, xdgRuntime, Storage.fileSystem());
    }

    /// As [#at(Path, String)], with another storage than the host's.
    static Home at(Path root, @Nullable String xdgRuntime, Storage storage) throws IOException {
        Path home = root.toAbsolutePath().normalize();
        var runtimeRoot = xdgRuntime == null || xdgRuntime.isEmpty()
                ? Path.of("/tmp/dormouse-" + System.getProperty("user.name"))
                : Path.of(xdgRuntime, "dormouse").toAbsolutePath().normalize();
        var result = new Home(home, runtimeRoot.resolve(HexFormat.of().toHexDigits(home.hashCode())), storage);
        for (Path folder : List.of(runtimeRoot, result.runtime, home)) {
            createPrivate(folder);
        }
        result.createDurably(result.vms());
        result.createDurably(result.images());
        refuseUnlessOurs(runtimeRoot, "remove it or set XDG_RUNTIME_DIR");
        return result;
    }

    /// Where everybody may write, anybody could have made the folder first, and would then own what is in it.
    static void refuseUnlessOurs(Path folder, String remedy) throws IOException {
        int owner = (int) Files.getAttribute(folder, "unix:uid", LinkOption.NOFOLLOW_LINKS);
        boolean isPrivate = Files.isDirectory(folder, LinkOption.NOFOLLOW_LINKS)
                && PosixFilePermissions.toString(Files.getPosixFilePermissions(folder))
                        .endsWith("------");
        if (owner != effectiveUser() || !isPrivate) {
            throw new VmException(
                    "%s: must be a folder of this user that nobody else can enter, %s".formatted(folder, remedy));
        }
    }

    private static int effectiveUser() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("Uid:")) {
                return Integer.parseInt(line.split("\\s+")[2]);
            }
        }
        throw new IllegalStateException("/proc/self/status has no line 'Uid:'");
    }

    Path vms() {
        return root.resolve("vms");
    }

    public Path images() {
        return root.resolve("images");
    }

    /// {@return where the block indexes of disk layers are; made when it is needed}
    public Path indexes() {
        return root.resolve("indexes");
    }

    /// {@return the folder of a VM}
    public Path vm(String name) {
        return vms().resolve(name);
    }

    Path disks(String name) {
        return vm(name).resolve("disks");
    }

    public Path image(String id) {
        return images().resolve(id + IMAGE_SUFFIX);
    }

    /// {@return the folder of a VM's sockets; created}
    public Path sockets(String name) throws IOException {
        return createPrivate(runtime.resolve(name));
    }

    /// {@return the names of all VMs, sorted}
    List<String> vmNames() throws IOException {
        try (Stream<Path> folders = Files.list(vms())) {
            return folders.filter(folder -> Files.exists(folder.resolve("state.json")))
                    .map(folder -> folder.getFileName().toString())
                    .filter(Home::isName) // What somebody copied aside is no VM.
                    .sorted()
                    .toList();
        }
    }

    /// {@return the ids of all published images, sorted}
    List<String> imageIds() throws IOException {
        var ids = new ArrayList<String>();
        try (Stream<Path> files = Files.list(images())) {
            for (Path file : (Iterable<Path>) files.sorted()::iterator) {
                String name = file.getFileName().toString();
                if (name.endsWith(IMAGE_SUFFIX)) {
                    ids.add(name.substring(0, name.length() - IMAGE_SUFFIX.length()));
                }
            }
        }
        return ids;
    }

    static boolean isName(String name) {
        return NAME.matcher(name).matches();
    }

    static void checkName(String name) throws UsageException {
        if (!isName(name)) {
            throw new UsageException(
                    "VM name '%s': not allowed, use 1 to 40 letters, digits, '.', '_' or '-', a letter or digit first"
                            .formatted(name));
        }
    }

    /// Creates the folder of a new VM; of two who create the same VM at the same time one fails.
    ///
    /// @throws VmException if there is such a VM, or what is left of one
    void createVmFolder(String name) throws IOException {
        Path folder = vm(name);
        try {
            storage.createDirectory(folder);
        } catch (FileAlreadyExistsException e) {
            if (Files.exists(folder.resolve("state.json"))) {
                throw new VmException(
                        "vm %s: exists already, choose another name or remove it with 'dormouse rm'".formatted(name),
                        e);
            }
            throw new VmException(
                    "vm %s: is being created or removed just now, try again; if nothing does that, %s was left by one that was cut off, remove it"
                            .formatted(name, folder),
                    e);
        }
    }

    /// Creates the folder unless it is there, and has its entry on the disk then.
    Path createDurably(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            createPrivate(folder);
            storage.forceDirectory(Objects.requireNonNull(folder.getParent()));
        }
        return folder;
    }

    static Path createPrivate(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            if (Files.exists(folder)) {
                throw new VmException("%s: is a file where a folder is needed, move it away or choose another folder"
                        .formatted(folder));
            }
            Files.createDirectories(
                    folder, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        }
        return folder;
    }
}
