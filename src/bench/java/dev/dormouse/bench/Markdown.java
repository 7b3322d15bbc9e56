package dev.dormouse.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import org.commonmark.ext.gfm.tables.TablesExtension;
import org.commonmark.parser.Parser;
import org.commonmark.renderer.html.HtmlRenderer;

/// A report in Markdown, written from its beginning to its end, and the same as one page of HTML. Owned by one
/// thread.
final class Markdown {
    /// Where a chart names a part of itself, or refers to it.
    private static final Pattern NAME = Pattern.compile("(\\bid=\"|url\\(#|href=\"#)");

    private final Path folder;
    private final StringBuilder text = new StringBuilder();

    /// @param folder of its charts
    Markdown(Path folder) {
        this.folder = folder;
    }

    Path folder() {
        return folder;
    }

    String text() {
        return text.toString();
    }

    void line(String content) {
        text.append(content).append('\n');
    }

    void heading(String title) {
        line("");
        line("## " + title);
    }

    void paragraph(String content) {
        line("");
        line(content);
    }

    /// Begins a table.
    void columns(List<String> names) {
        line("");
        row(names);
        line("|" + "---|".repeat(names.size()));
    }

    void row(List<String> cells) {
        line("| " + String.join(" | ", cells) + " |");
    }

    /// Shows the chart of this name in the folder.
    void image(String name) {
        paragraph("![%s](%s.svg)".formatted(name, name));
    }

    /// {@return it as a page that needs no other file}
    String html(String title) throws IOException {
        var extensions = List.of(TablesExtension.create());
        String body = HtmlRenderer.builder()
                .extensions(extensions)
                .build()
                .render(Parser.builder().extensions(extensions).build().parse(text()));
        for (String name : charts()) {
            body = body.replace("<img src=\"%s.svg\" alt=\"%s\" />".formatted(name, name), inlined(name));
        }
        return """
                <!DOCTYPE html>
                <html lang="en"><head><meta charset="utf-8"><title>%s</title>
                <style>body{font-family:sans-serif;max-width:75em;margin:2em auto;padding:0 1em}\
                table{border-collapse:collapse;font-size:85%%}td,th{border:1px solid #bbb;padding:.2em .5em;text-align:right}\
                td:first-child,th:first-child{text-align:left}svg{max-width:100%%;height:auto}</style></head>
                <body>
                """.formatted(title) + body + "</body></html>\n";
    }

    /// Names are those of the whole page there: all charts call their first clipping path the same, and the first one
    /// on the page would clip all of them.
    private String inlined(String name) throws IOException {
        String svg = Files.readString(folder.resolve(name + ".svg"));
        return NAME.matcher(svg.substring(svg.indexOf("<svg"))).replaceAll("$1" + name + "-");
    }

    private List<String> charts() {
        return text().lines()
                .filter(line -> line.startsWith("!["))
                .map(line -> line.substring(2, line.indexOf(']')))
                .toList();
    }
}
