package dev.dormouse.cli;

import dev.dormouse.engine.HostChecks;
import dev.dormouse.engine.HostChecks.Finding;
import dev.dormouse.engine.HostChecks.Level;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine.Command;

@Command(
        name = "doctor",
        description =
                "Checks whether this host has what VMs need, and says what to do; exit code 1 if something fails.",
        footerHeading = "%nExamples:%n",
        footer = {"  dormouse doctor", "  dormouse doctor --json"})
final class DoctorCommand extends FactsCommand {
    @Override
    int run() throws IOException {
        List<Finding> findings = HostChecks.run(main().environment(), main().qemu());
        var table = new Table("", "CHECK", "FOUND");
        for (Finding finding : findings) {
            table.row(finding.level().name().toLowerCase(Locale.ROOT), finding.check(), finding.found());
            if (finding.remedy() != null) {
                table.row("", "", "-> " + finding.remedy());
            }
        }
        print(findings, table.toString());
        return findings.stream().anyMatch(finding -> finding.level() == Level.FAIL) ? Failures.FAILED : 0;
    }
}
