package dev.dormouse.engine;

import dev.dormouse.base.Json;
import dev.dormouse.image.ImageInspection;
import dev.dormouse.image.ImageReader;
import dev.dormouse.image.VerifyReport;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The published images of a home.
public final class Images {
    private final Home home;
    private final ImageKeys keys;

    Images(Home home) {
        this(home, ImageKeys.UNNAMED);
    }

    Images(Home home, ImageKeys keys) {
        this.home = home;
        this.keys = keys;
    }

    /// {@return the ids of all images, sorted}
    public List<String> ids() throws IOException {
        return home.imageIds();
    }

    /// {@return the file of an image that is named by its id or by a path}
    ///
    /// @throws NotFoundException if there is no such image
    public Path find(String idOrPath) throws VmException {
        Path byId = idOrPath.contains("/") ? Path.of(idOrPath) : home.image(idOrPath);
        Path file = Files.exists(byId) ? byId : Path.of(idOrPath);
        if (!Files.isRegularFile(file)) {
            throw new NotFoundException(
                    "image %s: no such image, 'dormouse image list' shows those there are".formatted(idOrPath));
        }
        return file;
    }

    /// Needs no key, and is authentic only once the image was opened with its key.
    public ImageMetadata metadata(Path file) throws IOException {
        return metadata(ImageReader.label(home.storage(), file).metadata(), file);
    }

    static ImageMetadata metadata(ImageReader image, Path file) throws IOException {
        return metadata(image.metadata(), file);
    }

    /// {@return what the text, which is as foreign as the file it stands in, says}
    ///
    /// @throws VmException if it lacks something, or says what no image of a VM does
    static ImageMetadata metadata(String text, Path file) throws VmException {
        try {
            ImageMetadata metadata = Json.parse(ImageMetadata.class, text);
            metadata.check();
            return metadata;
        } catch (IllegalArgumentException e) {
            throw new VmException(
                    file + ": its description is not one of a VM: " + ErrorText.oneLine(e.getMessage()), e);
        }
    }

    public ImageInspection inspect(Path file) throws IOException {
        try (ImageReader image = keys.open(home.storage(), file)) {
            return ImageInspection.of(image);
        }
    }

    /// As [#verify], and compares every page that is on a disk with the disk. Layers that are not the files that
    /// they were are reported first, and their pages compared all the same.
    public VerifyReport verifyDeep(Path file, DiskOpener disks, VerifyReport.Progress progress) throws IOException {
        try (ImageReader image = keys.open(home.storage(), file);
                var reader = new FrozenDiskReader(metadata(image, file), disks)) {
            List<String> changes = reader.changedLayers();
            return image.verifyDeep(reader, progress).withFirst(changes);
        }
    }

    /// Reads the whole image and checks every byte of it.
    public VerifyReport verify(Path file, VerifyReport.Progress progress) throws IOException {
        try (ImageReader image = keys.open(home.storage(), file)) {
            return image.verify(progress);
        }
    }

    /// {@return an id for a new image of the VM: its name, the time, a number if that is taken}
    String newId(String vmName) {
        String time = Vm.now().replaceAll("[^0-9T]", "").substring(0, 15);
        String base = vmName + "-" + time.replace('T', '-');
        String id = base;
        for (int i = 2; Files.exists(home.image(id)); i++) {
            id = base + "-" + i;
        }
        return id;
    }

    /// {@return the names of the VMs whose memory the image holds, or is being read from; also of those whose state
    /// cannot be read, if it may}
    public List<String> users(String id) throws IOException {
        return usersOf(id).names();
    }

    /// {@return the same of all images that have any, by their ids; reads each VM once}
    public Map<String, List<String>> users() throws IOException {
        var names = new HashMap<String, List<String>>();
        users(home.imageIds()).forEach((id, users) -> names.put(id, users.names()));
        return names;
    }

    /// The VMs that need an image.
    ///
    /// @param names of all
    /// @param unreadable those of them whose state cannot be read, so that nobody knows whether they do
    record Users(List<String> names, List<String> unreadable) {
        private Users() {
            this(new ArrayList<>(), new ArrayList<>());
        }
    }

    /// {@return the VMs that need an image; reads each VM once}
    Users usersOf(String id) throws IOException {
        return users(List.of(id)).getOrDefault(id, new Users());
    }

    /// @param ids of the images that VMs may need whose state cannot be read
    private Map<String, Users> users(List<String> ids) throws IOException {
        var users = new HashMap<String, Users>();
        for (String name : home.vmNames()) {
            try {
                String image = Vm.open(home, name).record().image();
                if (image != null) {
                    users.computeIfAbsent(image, _ -> new Users()).names().add(name);
                }
            } catch (NotFoundException _) {
                // Removed meanwhile.
            } catch (IOException _) {
                addUnreadable(name, ids, users);
            }
        }
        return users;
    }

    private void addUnreadable(String name, List<String> ids, Map<String, Users> users) throws IOException {
        var vm = new UnreadableVm(home, Vm.open(home, name));
        for (String id : ids.stream().filter(vm::mayNeed).toList()) {
            Users of = users.computeIfAbsent(id, _ -> new Users());
            of.names().add(name);
            of.unreadable().add(name);
        }
    }

    /// @throws VmException if the image is about to go, because its VM has got all of it
    void refuseIfSpent(String id) throws IOException {
        for (String name : home.vmNames()) {
            var restore = restoreRecord(name, id);
            if (restore.isPresent()
                    && restore.get().image().equals(id)
                    && restore.get().phase() == RestoreRecord.Phase.MERGING) {
                throw new VmException(
                        "image %s: no such image, 'dormouse image list' shows those there are".formatted(id));
            }
        }
    }

    /// {@return what is recorded of a restore of the VM; empty, too, if that cannot be read, unless it may be of the
    /// image}
    private Optional<RestoreRecord> restoreRecord(String name, String id) throws IOException {
        try {
            return Vm.open(home, name).restoreRecord();
        } catch (NotFoundException _) {
            return Optional.empty();
        } catch (IOException e) {
            if (new UnreadableVm(home, Vm.open(home, name)).mayNeed(id)) {
                throw e;
            }
            return Optional.empty();
        }
    }

    /// Removes an image that no VM needs.
    ///
    /// @throws VmException if one does
    public void remove(String id) throws IOException {
        try (ImagesLock _ = ImagesLock.acquire(home)) {
            Path file = find(id);
            Users users = usersOf(id);
            List<String> unreadable = users.unreadable();
            if (!unreadable.isEmpty()) {
                throw new VmException(
                        "image %s: may hold the memory of vm %s, whose state cannot be read; 'dormouse show %s' says what to do about that"
                                .formatted(id, String.join(", ", unreadable), unreadable.getFirst()));
            }
            if (!users.names().isEmpty()) {
                throw new VmException("image %s: holds the memory of vm %s, resume it or remove it first"
                        .formatted(id, String.join(", ", users.names())));
            }
            home.storage().deleteIfExists(file);
            home.storage().forceDirectory(file.toAbsolutePath().getParent());
        }
    }
}
