package dev.dormouse.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Runs the real commands on a VM without an operating system: its firmware is guest enough.
@Tag("qemu")
@Timeout(180)
class CommandsQemuTest extends CommandsFixture {
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
        removesAVmWithItsImagesOnlyIfNobodyElseNeedsThem(image);
    }

    private void removesAVmWithItsImagesOnlyIfNobodyElseNeedsThem(String image) {
        ok("stop", "--force", "z");
        ok("stop", "--force", "x");
        fails(
                1,
                "vm x: its image %s holds the memory of vm y, resume or remove that first".formatted(image),
                "rm",
                "--images",
                "x");
        assertThat(ok("rm", "--force", "y")).isEqualTo("vm y: removed\n");

        assertThat(ok("rm", "x"))
                .isEqualTo(
                        "vm x: removed; 1 of its images stay (%s), 'dormouse image rm' removes one\n".formatted(image));
        create("x");
        assertThat(facts("rm", "--images", "--json", "x")).containsEntry("removedImages", List.of(image));
        assertThat(folder.resolve("home/images")).isEmptyDirectory();
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
    void saysWithItsExitCodeThatAnImageNeedsANewerBuild() throws Exception {
        create("x");
        ok("start", "x");
        Map<String, Object> suspended = facts("suspend", "--json", "x");
        Path file = Path.of(String.valueOf(suspended.get("file")));
        String image = String.valueOf(suspended.get("image"));
        byte[] bytes = Files.readAllBytes(file);
        byte version = bytes[8];
        bytes[8] = 99;
        Files.write(file, bytes);

        fails(4, file + ": image format 99; this build reads ", "image", "inspect", image);
        fails(4, file + ": image format 99; this build reads ", "image", "verify", image);
        fails(4, file + ": image format 99; this build reads ", "resume", "x");
        fails(4, file + ": image format 99; this build reads ", "restore", image, "--as", "y");

        bytes[8] = version;
        Files.write(file, bytes);
        ok("resume", "--wait", "x");
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
        fails(2, "memory is 'lots'", "vm", "create", "x", "--memory", "lots", "--accel=tcg");
        fails(2, "vm x: memory is 1M, 16M or more", "vm", "create", "x", "--memory=1M", "--accel=tcg");
        fails(2, "vm x: CPU count is 256, 1 to 255 are allowed", "vm", "create", "x", "--cpus=256", "--accel=tcg");
        fails(2, "vm x: QEMU knows no machine type 'toaster'", "vm", "create", "x", "--machine=toaster");
        fails(2, "vm x: machine type is 'microvm', allowed are", "vm", "create", "x", "--machine=microvm");
        fails(2, "vm x: memory is 900T, more than 16 times the", "vm", "create", "x", "--memory=900T");
        fails(2, "vm x: VNC is 'foo'", "vm", "create", "x", "--vnc=foo");
        fails(2, "vm x: forward is 'foo'", "vm", "create", "x", "--network=user,forward=foo");
        String port = "--network=user,forward=tcp:127.0.0.1:99999-:22";
        fails(2, "vm x: forward 'tcp:127.0.0.1:99999-:22' has port 99999, up to 65535", "vm", "create", "x", port);
        fails(2, "/dev/null: is neither a file nor a block device", "vm", "create", "x", "--disk=/dev/null");
        fails(1, folder.resolve("none") + ": not found", "vm", "create", "x", "--disk=" + folder.resolve("none"));
        fails(2, "vm x: an initrd or kernel arguments need", "vm", "create", "x", "--append=quiet", "--accel=tcg");
        fails(2, "VM name '../x': not allowed", "show", "../x");
        fails(2, "vm x: CPU model 'host' differs", "vm", "create", "x", "--cpu", "host", "--accel=tcg");
        fails(2, "vm x: extra argument '-S' is not allowed", "vm", "create", "x", "--qemu-arg=-S");
        fails(2, "VM name '../x': not allowed", "vm", "create", "../x");
        fails(1, "/none/qemu: the configured QEMU is not", "--qemu", "/none/qemu", "vm", "create", "x");
        assertThat(ok("list", "--json")).isEqualTo("[]\n");
    }

    @Test
    void refusesNetworksOfAFileThatCannotBe() throws Exception {
        Path yaml = folder.resolve("vm.yaml");
        Files.writeString(yaml, "{name: x, accel: tcg, networks: [{target: tap7}]}");
        fails(2, "vm x: network 'without a mode', allowed are user", "vm", "create", "--file", yaml.toString());
        for (String forward : List.of("tcp:127.0.0.1:0-:22", "tcp::2222-:0")) {
            String refusal = "vm x: forward '" + forward + "' has port 0, which could be any";
            fails(2, refusal, "vm", "create", "x", "--network=user,forward=" + forward);
        }
        Files.writeString(yaml, "{name: x, accel: tcg, networks: [{mode: tap, target: t, forwards: ['tcp::1-:1']}]}");
        fails(2, "vm x: network 'tap' has forwards, only", "vm", "create", "--file", yaml.toString());
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
        assertThat(processErrors())
                .isIn("dormouse: vm x: cancelled, the VM runs on\n", "")
                .as("printed by the process");
        if ("suspended".equals(facts("show", "--json", "x").get("state"))) { // It was past the point of no return.
            ok("resume", "--wait", "x");
        }
        assertThat(facts("show", "--json", "x")).containsEntry("state", "running");
        assertThat(folder.resolve("home/images")).isEmptyDirectory();
    }

    @Test
    void losesNothingWhenAStopIsInterrupted() throws Exception {
        create("x");
        ok("start", "x");
        Process stop = process("stop", "x"); // Its firmware does not react, so it would wait for a minute.
        Path lock = folder.resolve("home/vms/x/lock");
        await("the stop has the lock", () -> Files.readString(lock).startsWith("'stop' of process"));

        new ProcessBuilder("kill", "-INT", Long.toString(stop.pid())).start().waitFor();

        assertThat(stop.waitFor(30, TimeUnit.SECONDS)).isTrue();
        assertThat(stop.exitValue()).isEqualTo(130);
        assertThat(processErrors())
                .isEqualTo("dormouse: vm x: cancelled, the guest was asked to shut down and may still do so; "
                        + "'dormouse show x' says whether it runs\n");
        assertThat(facts("show", "--json", "x")).containsEntry("state", "running");
        ok("suspend", "x");
    }

    @Test
    void runsOnWhenADeviceBlocksItsCapture() {
        create(
                "x",
                "--qemu-arg=-device",
                "--qemu-arg=qemu-xhci",
                "--qemu-arg=-device",
                "--qemu-arg=usb-mtp,rootdir=" + folder);
        ok("start", "x");

        fails(1, "vm x: cannot be captured: ", "suspend", "x");

        assertThat(facts("show", "--json", "x")).containsEntry("state", "running");
    }

    @Test
    void asksOnlyAGuestThatHasAnAgent() {
        create("agent", "--guest-agent");
        create("none");
        String[] settings = {"vm", "settings", "none", "--idle-after=600", "--idle-ask-guest"};

        fails(2, "idle: the guest cannot be asked and would never be suspended, the VM has no channel", settings);
        String[] sleep = {"vm", "settings", "none", "--sleep=20:00-07:30", "--idle-ask-guest"};
        fails(2, "sleep: the guest cannot be asked and would never be suspended, the VM has no channel", sleep);
        settings[2] = "agent";
        assertThat(ok(settings)).contains("awake for 60 s at least, unless the guest says no");
    }

    @Test
    void sleepsAtSomeHoursOfSomeDays() {
        create("x");

        assertThat(ok("vm", "settings", "x", "--sleep=mon-fri 20:00-07:30", "--sleep", "sat,sun 00:00-24:00"))
                .contains(
                        "mon-fri 20:00-07:30 and sat,sun 00:00-24:00, while it has no client, awake for 60 s at least");
        fails(
                2,
                "sleep 'mon-fry 20:00-07:30': not hours of sleep",
                "vm",
                "settings",
                "x",
                "--sleep=mon-fry 20:00-07:30");
        assertThat(ok("vm", "settings", "x")).contains("sat,sun 00:00-24:00");
        assertThat(ok("vm", "settings", "x", "--sleep=22:00-06:00")).contains(" 22:00-06:00, while");
    }

    /// As Ctrl-C in a shell: the signal goes to the command and to whatever it has started by then.
    @ParameterizedTest(name = "after {0} ms")
    @ValueSource(ints = {500, 1500})
    void tellsWhatGoesOnWhenAResumeIsInterrupted(int millis) throws Exception {
        create("x");
        ok("start", "x");
        ok("suspend", "x");
        Process resume = process("resume", "--wait", "--background-rate=64K", "x");
        resume.waitFor(millis, TimeUnit.MILLISECONDS); // Any moment will do.

        new ProcessBuilder("kill", "-INT", Long.toString(resume.pid())).start().waitFor();

        assertThat(resume.waitFor(60, TimeUnit.SECONDS)).isTrue();
        String told = processErrors();
        boolean goesOn = told.contains("the restore goes on in the background");
        assertThat(told.isEmpty() || goesOn || told.equals("dormouse: vm x: cancelled, it is suspended as before\n"))
                .as(told)
                .isTrue();
        if (goesOn) {
            awaitState("x", "running");
        } else if (told.isEmpty()) { // Before it had begun, or when it had ended.
            assertThat(facts("show", "--json", "x").get("state")).isIn("suspended", "running");
        } else {
            assertThat(facts("show", "--json", "x")).containsEntry("state", "suspended");
        }
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
        // Off, not slow: how much such a guest has to load depends on how far its firmware came.
        ok("resume", "--background-rate=off", "x");
        assertThat(facts("show", "--json", "x")).containsEntry("state", "restoring");
        long pid = pageServer("x");

        ProcessHandle.of(pid).orElseThrow().destroyForcibly();

        await("another page server is recorded", () -> pageServer("x") != pid);
        ok("suspend", "x");
        ok("resume", "--wait", "x");
    }

    private long pageServer(String name) throws IOException {
        Path restore = folder.resolve("home/vms/" + name + "/restore.json");
        Object server = Json.parseObject(Files.readString(restore)).get("server");
        return ((Number) ((Map<?, ?>) server).get("pid")).longValue();
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
        String refused = run.err() + processErrors();
        assertThat(refused).containsAnyOf("vm x: busy, 'resume' of process", "vm x: not suspended");
        assertThat(facts("show", "--json", "x")).containsEntry("state", "running");
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
