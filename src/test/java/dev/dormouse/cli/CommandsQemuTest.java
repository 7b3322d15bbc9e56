package dev.dormouse.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Runs the real commands on a VM without an operating system: its firmware is guest enough.
@Tag("qemu")
@Timeout(180)
class CommandsQemuTest {
    @TempDir
    private Path folder;

    @AfterEach
    void stopEverything() {
        for (Map<String, Object> vm : Json.parseObjects(ok("list", "--json"))) {
            CliRun.of(folder, "stop", "--force", String.valueOf(vm.get("name")));
        }
    }

    private String ok(String... args) {
        CliRun run = CliRun.of(folder, args);
        assertThat(run.exitCode()).as("%s: %s", List.of(args), run).isZero();
        assertThat(run.err()).isEmpty();
        return run.out();
    }

    private Map<String, Object> facts(String... args) {
        return Json.parseObject(ok(args));
    }

    private void fails(int exitCode, String message, String... args) {
        CliRun run = CliRun.of(folder, args);
        assertThat(run.err()).startsWith("dormouse: " + message).hasLineCount(1);
        assertThat(run.exitCode()).isEqualTo(exitCode);
        assertThat(run.out()).isEmpty();
    }

    private void create(String name, String... more) {
        String[] args = new String[6 + more.length];
        System.arraycopy(new String[] {"vm", "create", name, "--memory=64M", "--accel=tcg", "--json"}, 0, args, 0, 6);
        System.arraycopy(more, 0, args, 6, more.length);
        assertThat(facts(args)).containsEntry("state", "stopped").containsEntry("memoryBytes", 64L << 20);
    }

    @Test
    void leadsAVmThroughItsLife() {
        create("x");
        assertThat(ok("start", "x")).isEqualTo("vm x: running\n");
        Map<String, Object> suspended = facts("suspend", "--json", "x");
        String image = String.valueOf(suspended.get("image"));
        assertThat(ok("list")).contains("x", "suspended", "64.0 MiB");
        assertThat(ok("image", "list")).contains(image);

        Map<String, Object> resumed = facts("resume", "--json", "--wait", "x");

        assertThat(resumed).containsEntry("vm", "x").containsEntry("state", "running");
        assertThat(resumed).containsKeys("commandMillis", "runningMillis", "completeMillis", "pagesOnDemand");
        assertThat(facts("show", "--json", "x")).containsEntry("state", "running");
        assertThat(folder.resolve("home/images")).isEmptyDirectory();
        assertThat(ok("stop", "--force", "x")).isEqualTo("vm x: stopped\n");
        assertThat(ok("rm", "x")).isEqualTo("vm x: removed\n");
        assertThat(ok("list", "--json")).isEqualTo("[]\n");
    }

    @Test
    void returnsFromAResumeWhenTheGuestRuns() throws Exception {
        create("x");
        ok("start", "x");
        ok("suspend", "x");

        Map<String, Object> resumed = facts("resume", "--json", "x");

        assertThat(resumed).containsOnlyKeys("vm", "state", "commandMillis", "runningMillis");
        ok("suspend", "x"); // Waits for the background process.
        assertThat(ok("resume", "--eager", "x")).startsWith("vm x: running after ");
        assertThat(Files.readString(folder.resolve("home/vms/x/server.log"))).isEmpty();
    }

    @Test
    void makesVmsOfACheckpoint() {
        create("x");
        ok("start", "x");
        String image = String.valueOf(facts("checkpoint", "--json", "x").get("image"));
        assertThat(facts("show", "--json", "x")).containsEntry("state", "running");

        assertThat(facts("restore", "--json", image, "--as", "y")).containsEntry("state", "suspended");
        assertThat(ok("restore", image, "--as", "z", "--resume")).startsWith("vm z: running after ");

        fails(1, "image " + image + ": holds the memory of vm y", "image", "rm", image);
        fails(1, "vm y: exists already", "restore", image, "--as", "y");
        fails(1, "vm y: is suspended, 'dormouse rm --force' removes it", "rm", "y");
    }

    @Test
    void inspectsAndVerifiesAnImage() throws Exception {
        create("x");
        ok("start", "x");
        Map<String, Object> suspended = facts("suspend", "--json", "x");
        String image = String.valueOf(suspended.get("image"));

        assertThat(facts("image", "inspect", "--json", image))
                .containsEntry("vm", "x")
                .containsKeys("id", "file", "config", "pages", "bytes", "compressionRatio", "created");
        assertThat(ok("image", "inspect", image))
                .contains("PAGES", "zero", "stored", "device state", "working set", "CPUs");
        var parts = (Map<?, ?>) facts("image", "inspect", "--json", image).get("bytes");
        assertThat(parts.keySet().stream().map(String::valueOf))
                .contains("memory", "nonZero", "image", "stored", "pageTable", "deviceState", "metadata", "structure");
        assertThat(facts("image", "verify", "--json", image)).containsEntry("sound", true);

        Path file = Path.of(String.valueOf(suspended.get("file")));
        byte[] bytes = Files.readAllBytes(file);
        bytes[bytes.length / 2] ^= 1;
        Files.write(file, bytes);
        CliRun damaged = CliRun.of(folder, "image", "verify", image);
        assertThat(damaged.exitCode()).as(damaged.toString()).isEqualTo(3);
    }

    @Test
    void exportsAnImageAndImportsItIntoAnotherVm() {
        create("x");
        ok("start", "x");
        String image = String.valueOf(facts("suspend", "--json", "x").get("image"));
        String stream = folder.resolve("x.stream").toString();
        assertThat(ok("image", "export", image, "--format=qemu", "-o", stream))
                .contains("these commands restore it:\n  mkdir -p ", "-incoming 'exec:cat " + stream + "'", "'cont'");
        assertThat(facts("image", "export", image, "--format=raw", "--output", folder + "/x.ram", "--json"))
                .containsEntry("block", "pc.ram")
                .containsEntry("bytes", 64L << 20);
        fails(1, stream + ": exists already", "image", "export", image, "--format=qemu", "-o", stream);
        fails(2, "--block goes with --format=raw", "image", "export", image, "--format=qemu", "--block=a", "-o", "b");
        assertThat(ok("image", "verify", "--deep", image)).contains(": sound: ", "0 of 0 pages on disks");

        create("y");
        assertThat(facts("image", "import", stream, "--vm", "y", "--json"))
                .containsEntry("vm", "y")
                .containsKeys("image", "streamBytes", "imageBytes", "nonZeroBytes");
        assertThat(ok("resume", "--wait", "y")).startsWith("vm y: running after ");
        fails(1, "vm y: is running, only a stopped VM", "image", "import", stream, "--vm", "y");
    }

    @Test
    void reportsADamagedImageFromTheBackgroundProcess() throws Exception {
        create("x");
        ok("start", "x");
        Path file = Path.of(String.valueOf(facts("suspend", "--json", "x").get("file")));
        byte[] bytes = Files.readAllBytes(file);
        bytes[20] ^= 1;
        Files.write(file, bytes);

        fails(3, file + ": ", "resume", "x");

        assertThat(facts("show", "--json", "x")).containsEntry("state", "suspended");
    }

    @Test
    void refusesWhatTheStateDoesNotAllow() {
        create("x");
        fails(1, "vm x: exists already", "vm", "create", "x");
        fails(1, "vm x: not running, only a running VM can be suspended", "suspend", "x");
        fails(1, "vm x: not running, only a running VM can be checkpointed", "checkpoint", "x");
        fails(1, "vm x: not running, there is nothing to stop", "stop", "x");
        fails(1, "vm x: not suspended, only a suspended VM can be resumed", "resume", "x");
        ok("start", "x");
        fails(1, "vm x: is already running", "start", "x");
        fails(1, "vm x: is running, stop it first", "rm", "x");
        fails(1, "vm x: not suspended", "resume", "x");
        fails(1, "vm x: the guest did not shut down within 1 s", "stop", "--timeout", "1", "x");
        ok("suspend", "x");
        fails(1, "vm x: is suspended, 'dormouse resume x' wakes it", "start", "x");
        assertThat(ok("start", "--discard-state", "x")).isEqualTo("vm x: running\n");
    }

    @Test
    void refusesBadRequests() {
        fails(2, "no name given", "vm", "create");
        fails(2, "accelerator is 'hvf', allowed are auto, kvm, tcg", "vm", "create", "x", "--accel", "hvf");
        fails(2, "size is 'lots'", "vm", "create", "x", "--memory", "lots", "--accel=tcg");
        fails(1, "vm x: CPU model 'host' differs", "vm", "create", "x", "--cpu", "host", "--accel=tcg");
        fails(1, "vm x: extra argument '-S' is not allowed", "vm", "create", "x", "--qemu-arg=-S");
        fails(1, "VM name '../x': not allowed", "vm", "create", "../x");
        fails(1, "/none/qemu: the configured QEMU is not", "--qemu", "/none/qemu", "vm", "create", "x");
        assertThat(ok("list", "--json")).isEqualTo("[]\n");
    }

    @Test
    void takesOptionsBeforeTheFile() throws Exception {
        Path yaml = Files.writeString(folder.resolve("vm.yaml"), "{name: x, memory: 1G, cpus: 2}");

        create("y", "--file", yaml.toString());

        assertThat(facts("show", "--json", "y")).containsEntry("cpus", 2L);
    }

    @Test
    void losesNothingWhenASuspendIsInterrupted() throws Exception {
        ok("vm", "create", "x", "--memory=2G", "--accel=tcg");
        ok("start", "x");
        Process suspend = process("suspend", "x");
        awaitState("x", "suspending", "suspended");

        suspend.destroy(); // SIGTERM, which runs what Ctrl-C runs.

        assertThat(suspend.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(suspend.exitValue()).isIn(143, 0);
        assertThat(Files.readString(folder.resolve("process.log")))
                .isIn("dormouse: vm x: cancelled, the VM runs on\n", "")
                .as("printed by the process");
        if ("suspended".equals(facts("show", "--json", "x").get("state"))) { // It was past the point of no return.
            ok("resume", "--wait", "x");
        }
        assertThat(facts("show", "--json", "x")).containsEntry("state", "running");
        assertThat(folder.resolve("home/images")).isEmptyDirectory();
    }

    @Test
    void restoresOnWhenTheCommandIsKilled() throws Exception {
        create("x");
        ok("start", "x");
        ok("suspend", "x");
        Process resume = process("resume", "--wait", "x");
        awaitState("x", "restoring", "running");

        resume.destroyForcibly();

        awaitState("x", "running");
        ok("suspend", "x");
    }

    @Test
    void startsAnotherPageServerWhenOneIsKilledWhileTheGuestRuns() throws Exception {
        create("x");
        ok("start", "x");
        ok("suspend", "x");
        ok("resume", "--background-rate=1K", "x");
        assertThat(facts("show", "--json", "x")).containsEntry("state", "restoring");
        Path restore = folder.resolve("home/vms/x/restore.json");
        Object server = Json.parseObject(Files.readString(restore)).get("server");
        long pid = ((Number) ((Map<?, ?>) server).get("pid")).longValue();

        ProcessHandle.of(pid).orElseThrow().destroyForcibly();

        awaitState("x", "running");
        ok("suspend", "x");
        ok("resume", "--wait", "x");
    }

    @Test
    void letsOneOfTwoResumesWin() throws Exception {
        create("x");
        ok("start", "x");
        ok("suspend", "x");
        Process other = process("resume", "--wait", "x");
        CliRun run = CliRun.of(folder, "resume", "--wait", "x");

        assertThat(other.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(List.of(other.exitValue(), run.exitCode())).containsExactlyInAnyOrder(0, 1);
        String refused = run.err() + Files.readString(folder.resolve("process.log"));
        assertThat(refused).containsAnyOf("vm x: busy, 'resume' of process", "vm x: not suspended");
        assertThat(facts("show", "--json", "x")).containsEntry("state", "running");
    }

    /// Runs a command in a process of its own, its errors in `process.log`.
    private Process process(String... args) throws Exception {
        var argv = new ArrayList<String>();
        argv.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        argv.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-cp", System.getProperty("java.class.path")));
        argv.add(Main.class.getName());
        argv.addAll(List.of(args));
        var builder = new ProcessBuilder(argv)
                .redirectInput(new File("/dev/null"))
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(folder.resolve("process.log").toFile());
        builder.environment().putAll(CliRun.environment(folder));
        return builder.start();
    }

    private void awaitState(String name, String... states) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        Object state = null;
        while (System.nanoTime() < end) {
            state = facts("show", "--json", name).get("state");
            if (List.of(states).contains(state)) {
                return;
            }
            Thread.sleep(5);
        }
        throw new AssertionError("state is " + state + ", expected one of " + List.of(states));
    }

    @Test
    void examinesTheHost() {
        CliRun run = CliRun.of(folder, "doctor", "--json");

        List<Map<String, Object>> findings = Json.parseObjects(run.out());
        assertThat(findings)
                .extracting(finding -> finding.get("check"))
                .containsExactly(
                        "Java",
                        "QEMU",
                        "qemu-img",
                        "userfaultfd",
                        "KVM",
                        "home",
                        "runtime folder",
                        "/dev/shm",
                        "setsid");
        assertThat(run.exitCode())
                .isEqualTo(findings.stream().anyMatch(finding -> "FAIL".equals(finding.get("level"))) ? 1 : 0);
    }
}
