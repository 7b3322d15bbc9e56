package dev.dormouse.cli;

import dev.dormouse.daemon.Tokens;
import java.io.IOException;
import java.util.List;
import picocli.CommandLine.Command;

@Command(
        name = "list",
        description = "Lists the tokens; what they are nobody can tell.",
        footerHeading = "%nExamples:%n",
        footer = "  dormouse token list")
final class TokenListCommand extends FactsCommand {
    @Override
    int run() throws IOException {
        List<Tokens.Token> tokens = new Tokens(main().home()).list();
        var table = new Table("NAME", "ROLE", "VMS", "CREATED");
        tokens.forEach(token -> table.row(
                token.name(),
                token.role(),
                token.vms() == null ? "all" : String.join(" ", token.vms()),
                token.created()));
        return print(tokens, tokens.isEmpty() ? "no tokens; 'dormouse token create' makes one" : table.toString());
    }
}
