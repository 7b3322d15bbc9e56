package dev.dormouse.cli;

import dev.dormouse.engine.ImageMetadata;
import dev.dormouse.engine.Images;
import dev.dormouse.engine.MemorySize;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;

@Command(
        name = "list",
        description = "Lists the images, and which VMs need them.",
        footerHeading = "%nExamples:%n",
        footer = {"  dormouse image list", "  dormouse image list --json"})
final class ImageListCommand extends FactsCommand {
    @Override
    int run() throws IOException {
        Images images = main().lookingEngine().images();
        var table = new Table("ID", "VM", "CREATED", ">MEMORY", ">SIZE", "NEEDED BY");
        var facts = new ArrayList<Map<String, Object>>();
        for (String id : images.ids()) {
            facts.add(add(table, images, id));
        }
        if (facts.isEmpty()) {
            return print(facts, "no images; 'dormouse suspend' and 'dormouse checkpoint' make them");
        }
        return print(facts, table + errors(facts));
    }

    /// A damaged image must not hide the others.
    private static Map<String, Object> add(Table table, Images images, String id) throws IOException {
        Path file = images.find(id);
        List<String> users = images.users(id);
        var facts = new LinkedHashMap<String, Object>();
        facts.put("id", id);
        facts.put("file", file.toString());
        facts.put("imageBytes", Files.size(file));
        facts.put("usedBy", users);
        String size = MemorySize.format(Files.size(file));
        try {
            ImageMetadata metadata = images.metadata(file);
            facts.put("vm", metadata.vm());
            facts.put("created", metadata.created());
            facts.put("memoryBytes", metadata.config().memoryBytes());
            facts.put("qemuVersion", metadata.qemuVersion());
            String memory = MemorySize.format(metadata.config().memoryBytes());
            table.row(id, metadata.vm(), metadata.created(), memory, size, String.join(", ", users));
        } catch (IOException e) {
            facts.put("error", Failures.message(e));
            table.row(id, "(unreadable)", null, null, size, String.join(", ", users));
        }
        return facts;
    }

    /// {@return why images cannot be read, a line each below the table}
    private static String errors(List<Map<String, Object>> facts) {
        return facts.stream()
                .filter(image -> image.containsKey("error"))
                .map(image -> "\n" + image.get("error"))
                .collect(Collectors.joining());
    }
}
