package dev.dormouse.cli;

import dev.dormouse.engine.MemorySize;
import dev.dormouse.engine.VmStatus;
import java.io.IOException;
import java.util.List;
import picocli.CommandLine.Command;

@Command(
        name = "list",
        description = "Lists all VMs and what they are doing.",
        footerHeading = "%nExamples:%n",
        footer = {"  dormouse list", "  dormouse list --json"})
final class ListCommand extends FactsCommand {
    @Override
    int run() throws IOException {
        List<VmStatus> vms = main().lookingEngine().list();
        return print(vms, vms.isEmpty() ? "no VMs; 'dormouse vm create' makes one" : table(vms));
    }

    private static String table(List<VmStatus> vms) {
        var table = new Table("NAME", "STATE", ">MEMORY", ">CPUS", "ACCEL", ">PID", ">IMAGE SIZE");
        for (VmStatus vm : vms) {
            table.row(
                    vm.name(),
                    Texts.state(vm),
                    MemorySize.format(vm.memoryBytes()),
                    vm.cpus(),
                    vm.accelerator(),
                    vm.pid(),
                    vm.imageBytes() == null ? null : MemorySize.format(vm.imageBytes()));
        }
        return table.toString();
    }
}
