package dev.dormouse.bench;

import java.awt.BasicStroke;
import java.awt.Color;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.batik.dom.GenericDOMImplementation;
import org.apache.batik.svggen.SVGGraphics2D;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.internal.chartpart.Chart;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;
import org.w3c.dom.Document;

/// A chart of lines, which is written as SVG. Owned by one thread.
final class SvgChart {
    private static final int WIDTH = 960;
    private static final int HEIGHT = 480;

    private final XYChart chart;
    private int lines;

    SvgChart(String title, String xTitle, String yTitle) {
        System.setProperty("java.awt.headless", "true");
        chart = new XYChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .title(title)
                .xAxisTitle(xTitle)
                .yAxisTitle(yTitle)
                .build();
        chart.getStyler().setChartBackgroundColor(Color.WHITE);
        chart.getStyler().setPlotGridLinesStroke(new BasicStroke(1)); // Dashes would be paths, many of them.
        chart.getStyler().setLegendPosition(LegendPosition.OutsideE);
    }

    SvgChart logarithmic(boolean x, boolean y) {
        chart.getStyler().setXAxisLogarithmic(x);
        chart.getStyler().setYAxisLogarithmic(y);
        return this;
    }

    SvgChart yMax(double max) {
        chart.getStyler().setYAxisMin(0.0);
        chart.getStyler().setYAxisMax(max);
        return this;
    }

    /// Adds a line; one without points is left out.
    SvgChart line(String name, double[] x, double[] y) {
        if (x.length > 0) {
            lines++;
            chart.addSeries(name, x, y).setMarker(SeriesMarkers.NONE);
        }
        return this;
    }

    /// Adds a line of values a tenth of a second apart.
    SvgChart tenths(String name, double[] values) {
        double[] seconds = new double[values.length];
        Arrays.setAll(seconds, i -> i / 10.0);
        return line(name, seconds, values);
    }

    /// Writes the chart, unless it has no line.
    ///
    /// @return whether it has one
    boolean write(Path file) throws IOException {
        if (lines > 0) {
            write(chart, file);
        }
        return lines > 0;
    }

    /// Writes bars that are piled up, one for each name.
    ///
    /// @param parts what each bar consists of: the values of the names, in their order
    static void writeBars(String title, String yTitle, List<String> names, Map<String, double[]> parts, Path file)
            throws IOException {
        System.setProperty("java.awt.headless", "true");
        CategoryChart bars = new CategoryChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .title(title)
                .yAxisTitle(yTitle)
                .build();
        bars.getStyler().setStacked(true);
        bars.getStyler().setChartBackgroundColor(Color.WHITE);
        bars.getStyler().setPlotGridLinesStroke(new BasicStroke(1));
        bars.getStyler().setLegendPosition(LegendPosition.OutsideE);
        bars.getStyler().setXAxisLabelRotation(45);
        parts.forEach((part, values) ->
                bars.addSeries(part, names, Arrays.stream(values).boxed().toList()));
        write(bars, file);
    }

    private static void write(Chart<?, ?> chart, Path file) throws IOException {
        Document document = GenericDOMImplementation.getDOMImplementation()
                .createDocument("http://www.w3.org/2000/svg", "svg", null);
        var graphics = new SVGGraphics2D(document);
        chart.paint(graphics, WIDTH, HEIGHT);
        graphics.setSVGCanvasSize(new java.awt.Dimension(WIDTH, HEIGHT));
        graphics.stream(file.toString());
    }
}
