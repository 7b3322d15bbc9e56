package dev.dormouse.engine;

import dev.dormouse.base.Json;
import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.storage.Storage;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Optional;

/// The files of one VM under the home. Every write is durable when it returns. Reading needs no lock;
/// whoever writes holds the [VmLock].
final class Vm {
    private final Home home;
    private final String name;

    private Vm(Home home, String name) {
        this.home = home;
        this.name = name;
    }

    /// @throws NotFoundException if there is no such VM
    static Vm open(Home home, String name) throws IOException {
        Home.checkName(name);
        var vm = new Vm(home, name);
        if (!Files.exists(vm.stateFile())) {
            throw noSuchVm(name);
        }
        return vm;
    }

    /// Creates the files of a new VM; it exists from the moment when its state is written.
    static Vm create(Home home, VmConfig config, VmRecord record) throws IOException {
        Vm vm = prepare(home, config);
        vm.begin(record);
        return vm;
    }

    /// Writes what a new VM is, so that its disks can be made. Until [#begin] there is no such VM.
    static Vm prepare(Home home, VmConfig config) throws IOException {
        var vm = new Vm(home, config.name());
        vm.storage().writeAtomically(vm.configFile(), bytes(Json.writePretty(config)));
        return vm;
    }

    /// Writes the first state.
    void begin(VmRecord record) throws IOException {
        storage().forceDirectory(home.vms());
        save(record);
    }

    String name() {
        return name;
    }

    Path folder() {
        return home.vm(name);
    }

    /// {@return by which its files are written}
    Storage storage() {
        return home.storage();
    }

    Path disks() throws IOException {
        return home.createDurably(home.disks(name));
    }

    VmSockets sockets() throws IOException {
        return new VmSockets(home.sockets(name), folder());
    }

    VmConfig config() throws IOException {
        return read(VmConfig.class, configFile());
    }

    /// @throws DamagedVmException if it cannot be understood
    VmRecord record() throws IOException {
        VmRecord record = read(VmRecord.class, stateFile());
        if (record.state() == null) {
            throw damaged(stateFile(), new IllegalArgumentException("'state' is missing"));
        }
        return record;
    }

    void save(VmRecord record) throws IOException {
        storage().writeAtomically(stateFile(), bytes(Json.writePretty(record)));
    }

    /// Records that the VM is in another state from now on.
    VmRecord enter(VmState state, VmRecord record) throws IOException {
        VmRecord entered = record.with(state, now());
        save(entered);
        return entered;
    }

    Optional<RestoreRecord> restoreRecord() throws IOException {
        return Files.exists(restoreFile()) ? Optional.of(read(RestoreRecord.class, restoreFile())) : Optional.empty();
    }

    void save(RestoreRecord record) throws IOException {
        storage().writeAtomically(restoreFile(), bytes(Json.writePretty(record)));
    }

    void deleteRestoreRecord() throws IOException {
        storage().deleteIfExists(restoreFile());
        storage().forceDirectory(folder());
    }

    /// {@return the QEMU of the VM, if the recorded process still lives}
    Optional<QemuProcess> qemu(VmRecord record) throws IOException {
        ProcessRef qemu = record.qemu();
        return qemu == null ? Optional.empty() : qemu.process(sockets().qemuLog());
    }

    static String now() {
        return Instant.now().truncatedTo(ChronoUnit.MILLIS).toString();
    }

    Path configFile() {
        return folder().resolve("vm.json");
    }

    Path stateFile() {
        return folder().resolve("state.json");
    }

    private Path restoreFile() {
        return folder().resolve("restore.json");
    }

    private <T> T read(Class<T> type, Path file) throws IOException {
        String text;
        try {
            text = Files.readString(file);
        } catch (CharacterCodingException e) {
            throw damaged(file, new IllegalArgumentException("not text", e));
        } catch (IOException e) {
            if (!Files.exists(stateFile())) {
                throw noSuchVm(name); // Removed meanwhile.
            }
            throw new VmException("vm %s: %s cannot be read".formatted(name, file), e);
        }
        try {
            T value = Json.parse(type, text);
            if (value == null) {
                throw new IllegalArgumentException("not a JSON " + type.getSimpleName());
            }
            return value;
        } catch (IllegalArgumentException e) {
            throw damaged(file, e);
        }
    }

    private DamagedVmException damaged(Path file, IllegalArgumentException cause) {
        return new DamagedVmException(
                "vm %s: %s is damaged: %s; restore the file from a backup or remove the VM with 'dormouse rm --force %s'"
                        .formatted(name, file, ErrorText.oneLine(cause.getMessage()), name),
                cause);
    }

    private static NotFoundException noSuchVm(String name) {
        return new NotFoundException("vm %s: no such VM, 'dormouse list' shows those there are".formatted(name));
    }

    private static byte[] bytes(String text) {
        return (text + "\n").getBytes(StandardCharsets.UTF_8);
    }
}
