package dev.dormouse.cli;

import dev.dormouse.engine.VmStatus;
import java.io.IOException;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "restore",
        description = {
            "Makes a new VM of an image: the same memory and disks, an identity of its own.",
            "The VM is suspended then, and the image is kept."
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  dormouse restore web-20260101-120000 --as web2",
            "  dormouse restore /backup/web.dormouse --as web3 --resume"
        })
final class RestoreCommand extends FactsCommand {
    @Parameters(paramLabel = "IMAGE", description = "Id of an image ('dormouse image list'), or path of its file.")
    private String image;

    @Option(names = "--as", paramLabel = "NAME", required = true, description = "Name of the new VM.")
    private String name;

    @Option(names = "--resume", description = "Wakes the new VM at once.")
    private boolean resume;

    @Mixin
    private KeyFlag key;

    @Override
    int run() throws IOException {
        VmStatus status = engine().withKey(key.file()).restoreAs(image, name);
        if (!resume) {
            return print(status);
        }
        Map<String, Object> facts = show(bar -> new BackgroundResume(main(), name, new ResumeFlags(), bar).run(false));
        return print(facts, Texts.resumed(name, false, facts));
    }
}
