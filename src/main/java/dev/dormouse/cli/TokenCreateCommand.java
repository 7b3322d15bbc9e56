package dev.dormouse.cli;

import dev.dormouse.daemon.Tokens;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "create",
        description = "Makes a token and prints it, which is the only time; a token of the same name is void then.",
        footerHeading = "%nExamples:%n",
        footer = {
            "  dormouse token create console --role operator",
            "  dormouse token create ada --role operator --vm 'ada-*'"
        })
final class TokenCreateCommand extends FactsCommand {
    @Parameters(paramLabel = "NAME", description = "What to call it.")
    private String name;

    @Option(
            names = "--role",
            paramLabel = "ROLE",
            defaultValue = "viewer",
            description = {
                "viewer: look; operator: also start, stop, suspend, resume and checkpoint VMs;",
                "admin: also make and remove them, and change their settings (default: ${DEFAULT-VALUE})."
            })
    private String role;

    @Option(
            names = "--vm",
            paramLabel = "NAME",
            description = "Only for this VM, or for those whose names begin so, as in 'desk-*'. May be repeated.")
    private @Nullable List<String> vms;

    @Override
    int run() throws IOException {
        String token = new Tokens(main().home()).create(name, role, vms);
        return print(Map.of("name", name, "role", role, "token", token), token);
    }
}
