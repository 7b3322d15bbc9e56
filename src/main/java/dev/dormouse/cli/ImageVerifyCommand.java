package dev.dormouse.cli;

import dev.dormouse.engine.Images;
import dev.dormouse.image.VerifyReport;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Command(
        name = "verify",
        description = "Reads all of an image and compares every checksum; exit code 3 if it is damaged.",
        footerHeading = "%nExamples:%n",
        footer = {"  dormouse image verify web-20260101-120000", "  dormouse image verify /backup/web.dormouse"})
final class ImageVerifyCommand extends FactsCommand {
    @Parameters(paramLabel = "IMAGE", description = "Id of an image, or path of its file.")
    private String image;

    @Override
    int run() throws IOException {
        Images images = main().lookingEngine().images();
        Path file = images.find(image);
        VerifyReport report = show(bar -> images.verify(file, (done, total) -> bar.update("verifying", done, total)));
        Map<String, Object> facts = new LinkedHashMap<>();
        facts.put("file", file.toString());
        facts.put("sound", report.isSound());
        facts.putAll(facts(report));
        print(facts, Texts.describe(file, report));
        return report.isSound() ? 0 : Failures.DAMAGED;
    }
}
