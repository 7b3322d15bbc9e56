package dev.dormouse.cli;

import dev.dormouse.engine.ImageMetadata;
import dev.dormouse.engine.Images;
import dev.dormouse.image.ImageInspection;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

@Command(
        name = "inspect",
        description = "Shows what an image consists of: pages by class, bytes by part, the VM, its disk layers.",
        footerHeading = "%nExamples:%n",
        footer = {"  dormouse image inspect web-20260101-120000", "  dormouse image inspect --json /backup/web.dormouse"
        })
final class ImageInspectCommand extends FactsCommand {
    @Parameters(paramLabel = "IMAGE", description = "Id of an image, or path of its file.")
    private String image;

    @Mixin
    private KeyFlag key;

    @Override
    int run() throws IOException {
        Images images = main().lookingEngine().withKey(key.file()).images();
        Path file = images.find(image);
        ImageInspection inspection = images.inspect(file);
        ImageMetadata metadata = images.metadata(file);
        var facts = new LinkedHashMap<String, Object>();
        facts.put("file", file.toString());
        facts.putAll(facts(metadata));
        facts.putAll(facts(inspection));
        return print(facts, Texts.describe(file, metadata, inspection));
    }
}
