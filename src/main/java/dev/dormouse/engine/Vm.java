package dev.dormouse.engine;

import dev.dormouse.base.Json;
import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.storage.Storage;
import java.io.IOException;
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
            throw new NotFoundException("vm %s: no such VM, 'dormouse list' shows those there are".formatted(name));
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

    VmRecord record() throws IOException {
        return read(VmRecord.class, stateFile());
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
        } catch (IOException e) {
            throw new VmException("vm %s: %s cannot be read".formatted(name, file), e);
        }
        try {
            return Json.parse(type, text);
        } catch (IllegalArgumentException e) {
            throw new VmException("vm %s: %s is damaged: %s".formatted(name, file, e.getMessage()), e);
        }
    }

    private static byte[] bytes(String text) {
        return (text + "\n").getBytes(StandardCharsets.UTF_8);
    }
}
