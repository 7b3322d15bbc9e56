package dev.dormouse.cli;

import dev.dormouse.engine.Engine;
import dev.dormouse.engine.Images;
import dev.dormouse.image.VerifyReport;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "verify",
        description = {
            "Reads all of an image and compares every checksum; exit code 3 if it is damaged.",
            "Pages that are on the VM's disks are compared with --deep only."
        },
        footerHeading = "%nExamples:%n",
        footer = {"  dormouse image verify /backup/web.dormouse", "  dormouse image verify --deep web-20260101-120000"})
final class ImageVerifyCommand extends FactsCommand {
    @Parameters(paramLabel = "IMAGE", description = "Id of an image, or path of its file.")
    private String image;

    @Option(
            names = "--deep",
            description = "Also reads every page back that is on a disk, and tells of layers that changed.")
    private boolean deep;

    @Mixin
    private KeyFlag key;

    @Override
    int run() throws IOException {
        Engine engine = (deep ? engine() : main().lookingEngine()).withKey(key.file());
        Images images = engine.images();
        Path file = images.find(image);
        VerifyReport report = show(bar -> {
            VerifyReport.Progress progress = (done, total) -> bar.update("verifying", done, total);
            return deep ? images.verifyDeep(file, engine.diskOpener(), progress) : images.verify(file, progress);
        });
        Map<String, Object> facts = new LinkedHashMap<>();
        facts.put("file", file.toString());
        facts.put("sound", report.isSound());
        facts.putAll(facts(report));
        print(facts, Texts.describe(file, report));
        return report.isSound() ? 0 : Failures.DAMAGED;
    }
}
