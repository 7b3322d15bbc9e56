package dev.dormouse.cli;

import dev.dormouse.daemon.Tokens;
import java.io.IOException;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Command(
        name = "rm",
        description = "Makes a token void, at once.",
        footerHeading = "%nExamples:%n",
        footer = "  dormouse token rm console")
final class TokenRemoveCommand extends FactsCommand {
    @Parameters(paramLabel = "NAME", description = "The token.")
    private String name;

    @Override
    int run() throws IOException {
        if (!new Tokens(main().home()).remove(name)) {
            throw new Failures.Reported(
                    "token %s: no such token, 'dormouse token list' shows those there are".formatted(name),
                    Failures.FAILED);
        }
        return print(Map.of("removed", name), "token %s: removed".formatted(name));
    }
}
