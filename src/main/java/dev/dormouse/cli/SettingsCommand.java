package dev.dormouse.cli;

import dev.dormouse.daemon.IdlePolicy;
import dev.dormouse.daemon.Priority;
import dev.dormouse.daemon.Sleep;
import dev.dormouse.daemon.VmSettings;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.VmStatus;
import java.io.IOException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "settings",
        description = {
            "Says what the daemon does with a VM by itself: the ports that wake it, and when it is suspended.",
            "With options it changes that, all of it; '--no-settings' takes everything away."
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  dormouse vm settings desk",
            "  dormouse vm settings desk --front 5901=vnc --front 2222=22 --idle-after 600",
            "  dormouse vm settings desk --sleep 'mon-fri 20:00-07:30' --sleep 'sat,sun 00:00-24:00'",
        })
final class SettingsCommand extends FactsCommand {
    @Parameters(paramLabel = "NAME", description = "The VM.")
    private String name;

    @Mixin
    private SettingsFlags flags = new SettingsFlags();

    @Option(names = "--no-settings", description = "No fronts, no policy.")
    private boolean none;

    @Override
    int run() throws IOException {
        Engine engine = main().lookingEngine();
        VmStatus vm = engine.status(name); // Refuses a VM that does not exist.
        VmSettings wanted = flags.settings();
        if (none && wanted != null) {
            throw new IllegalArgumentException("--no-settings: cannot be used with other options");
        }
        if (none) {
            wanted = VmSettings.NONE;
        }
        if (wanted != null) {
            wanted.checkFor(vm.vnc(), vm.forwards(), engine.hasGuestAgent(name));
            wanted.checkBeside(engine.home(), name, engine.names());
            wanted.write(main().home(), name);
        }
        VmSettings settings = VmSettings.read(main().home(), name);
        return print(settings, describe(settings));
    }

    private String describe(VmSettings settings) {
        var table = Table.ofFacts().row("vm", name);
        settings.fronts()
                .forEach(front -> table.row("front " + front.name(), front.listen() + " to " + front.target()));
        var idle = settings.idle();
        table.row(
                "suspended",
                settings.pinned() ? "never by itself" : idle == null ? "only to make room" : describe(idle));
        if (settings.sleep() != null) {
            table.row("asleep", describe(settings.sleep()));
        }
        if (settings.priority() != Priority.NORMAL) {
            table.row("priority", settings.priority().word());
        }
        if (settings.standby()) {
            table.row("standby", "a QEMU waits while it is suspended");
        }
        if (settings.rehearse()) {
            table.row("rehearsed", "when it was suspended");
        }
        return table.toString();
    }

    private static String describe(Sleep sleep) {
        return "%s, while it has no client, awake for %d s at least%s"
                .formatted(sleep.text(), sleep.awakeSeconds(), veto(sleep.askGuest()));
    }

    private static String veto(boolean askGuest) {
        return askGuest ? ", unless the guest says no" : "";
    }

    private static String describe(IdlePolicy idle) {
        return "after %d s without a client, below %d %% of a processor%s, awake for %d s at least%s"
                .formatted(
                        idle.afterSeconds(),
                        idle.cpuPercent(),
                        idle.networkPackets() == 0 ? "" : " and %d packets a second".formatted(idle.networkPackets()),
                        idle.awakeSeconds(),
                        veto(idle.askGuest()));
    }
}
