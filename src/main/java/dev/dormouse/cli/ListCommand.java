package dev.dormouse.cli;

import dev.dormouse.engine.ListedVm;
import dev.dormouse.engine.MemorySize;
import dev.dormouse.engine.VmStatus;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;

@Command(
        name = "list",
        description = "Lists all VMs and what they are doing.",
        footerHeading = "%nExamples:%n",
        footer = {"  dormouse list", "  dormouse list --json"})
final class ListCommand extends FactsCommand {
    @Override
    int run() throws IOException {
        List<ListedVm> vms = main().lookingEngine().list();
        List<Map<String, Object>> facts = vms.stream().map(ListCommand::factsOf).toList();
        return print(facts, vms.isEmpty() ? "no VMs; 'dormouse vm create' makes one" : table(vms) + errors(vms));
    }

    private static Map<String, Object> factsOf(ListedVm vm) {
        return vm.status() != null
                ? facts(vm.status())
                : Map.of("name", vm.name(), "state", "unreadable", "error", error(vm));
    }

    private static String table(List<ListedVm> vms) {
        var table = new Table("NAME", "STATE", ">MEMORY", ">CPUS", "ACCEL", ">PID", ">IMAGE SIZE");
        for (ListedVm vm : vms) {
            if (vm.status() == null) {
                table.row(vm.name(), "(unreadable)", null, null, null, null, null);
            } else {
                add(table, vm.status());
            }
        }
        return table.toString();
    }

    private static void add(Table table, VmStatus vm) {
        table.row(
                vm.name(),
                Texts.state(vm),
                MemorySize.format(vm.memoryBytes()),
                vm.cpus(),
                vm.accelerator(),
                vm.pid(),
                vm.imageBytes() == null ? null : MemorySize.format(vm.imageBytes()));
    }

    private static String error(ListedVm vm) {
        return Failures.message(Objects.requireNonNull(vm.error()));
    }

    /// {@return why VMs cannot be read, a line each below the table}
    private static String errors(List<ListedVm> vms) {
        return vms.stream()
                .filter(vm -> vm.error() != null)
                .map(vm -> "\n" + error(vm))
                .collect(Collectors.joining());
    }
}
