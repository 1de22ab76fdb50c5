#include "bench/plot.h"
#include "bench/axis.h"
#include "bench/terminal.h"
#include "protocol/errors.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define WIDTH 800
#define LEFT 78
#define RIGHT 776
#define LEGEND_Y 70 /* of its first line; a line for each series, so that no text runs into another */
#define LEGEND_LINE 18
#define PLOT_HEIGHT 300
#define FOOT_HEIGHT 94 /* the axis' labels, and where it was measured */
#define SAMPLES 240    /* points of a latency line */
#define LOWEST_SHARE                                                                                                   \
    0.02                    /* of the values lies below the axis, on its edge: one lucky case would take half the plot \
                             */
#define LATENCY_MS_MIN 1e-3 /* the histogram's unit: a logarithm has no 0 */

/* Okabe and Ito's colours, a little lighter on dark; and each series has a dash of its own for print. */
static const char style[] =
    "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:14px;fill:#1f2328}"
    ".title{font-size:18px;font-weight:600}.small{font-size:12px;fill:#59636e}"
    ".page{fill:#ffffff}.grid{stroke:#d1d9e0;stroke-width:1}.frame{stroke:#59636e;stroke-width:1}"
    ".line{fill:none;stroke-width:2.5;stroke-linejoin:round;stroke-linecap:round}.bar{stroke-width:1.5}"
    ".d1{stroke-dasharray:9 4}.d2{stroke-dasharray:2 5}.d3{stroke-dasharray:10 4 2 4}.d4{stroke-dasharray:5 3}"
    ".d5{stroke-dasharray:14 5}"
    ".s0{stroke:#0072b2}.s1{stroke:#d55e00}.s2{stroke:#009e73}.s3{stroke:#b0508a}.s4{stroke:#b87f00}.s5{stroke:#3a3f45}"
    ".f0{fill:#0072b2}.f1{fill:#d55e00}.f2{fill:#009e73}.f3{fill:#b0508a}.f4{fill:#b87f00}.f5{fill:#3a3f45}"
    "@media (prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#9198a1}.page{fill:#0d1117}"
    ".grid{stroke:#2a313a}.frame{stroke:#9198a1}"
    ".s0{stroke:#56b4e9}.s1{stroke:#ff8a4c}.s2{stroke:#2dd4a0}.s3{stroke:#e79bc6}.s4{stroke:#f0c04a}.s5{stroke:#c9d1d9}"
    ".f0{fill:#56b4e9}.f1{fill:#ff8a4c}.f2{fill:#2dd4a0}.f3{fill:#e79bc6}.f4{fill:#f0c04a}.f5{fill:#c9d1d9}}";

struct canvas {
    FILE *file;
    const struct plot *plot;
    struct axis x, y;
    int top, bottom, height; /* as many series need */
};

/* ---- Pieces ---- */

/* Text between tags or quotes. What XML 1.0 does not allow at all (control characters) is left out. */
static void put_escaped(FILE *file, const char *text) {
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '&')
            fputs("&amp;", file);
        else if (c == '<')
            fputs("&lt;", file);
        else if (c == '>')
            fputs("&gt;", file);
        else if (c == '"')
            fputs("&quot;", file);
        else if (c >= ' ')
            fputc(c, file);
    }
}

static void put_text(const struct canvas *canvas, double x, double y, const char *attributes, const char *text) {
    fprintf(canvas->file, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, attributes);
    put_escaped(canvas->file, text);
    fputs("</text>\n", canvas->file);
}

static double across(double share) {
    return LEFT + share * (RIGHT - LEFT);
}

static double up(const struct canvas *canvas, double value) {
    return canvas->bottom - axis_at(&canvas->y, value) * PLOT_HEIGHT;
}

static void put_line(const struct canvas *canvas, double x1, double y1, double x2, double y2, const char *class) {
    fprintf(canvas->file, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class, x1, y1, x2,
            y2);
}

static const char *word_of(const json_t *object, const char *name) {
    const char *word = json_string_value(json_object_get(object, name));
    return word ? word : "?";
}

/* "ledig 0.3.0 · Linux 6.1 · gcc 12.2 · cores 0 and 1 of … · release build · 2026-11-25". */
static void put_source(const struct canvas *canvas) {
    const json_t *report = canvas->plot->report, *versions = json_object_get(report, "versions"),
                 *cores = json_object_get(report, "cores");
    char text[512], date[16] = "";
    time_t now = time(NULL);
    struct tm utc;
    if (gmtime_r(&now, &utc)) strftime(date, sizeof date, "%Y-%m-%d", &utc);
    snprintf(text, sizeof text, "ledig %s · Linux %s · %s · %s build", word_of(versions, "ledig"),
             word_of(versions, "kernel"), word_of(versions, "compiler"), word_of(report, "build"));
    put_text(canvas, LEFT, canvas->height - 26, "class=\"small\"", text);
    snprintf(text, sizeof text, "%s, server on core %lld, generator on core %lld · %s", word_of(cores, "processor"),
             (long long)json_integer_value(json_object_get(cores, "server")),
             (long long)json_integer_value(json_object_get(cores, "generator")), date);
    put_text(canvas, LEFT, canvas->height - 10, "class=\"small\"", text);
}

static void lay_out(struct canvas *canvas, size_t series) {
    canvas->top = LEGEND_Y + (int)series * LEGEND_LINE + 4;
    canvas->bottom = canvas->top + PLOT_HEIGHT;
    canvas->height = canvas->bottom + FOOT_HEIGHT;
}

static void begin(const struct canvas *canvas, const char *x_label, const char *y_label) {
    fprintf(canvas->file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
            "role=\"img\">\n<title>",
            WIDTH, canvas->height, WIDTH, canvas->height);
    put_escaped(canvas->file, canvas->plot->title);
    fprintf(canvas->file, "</title>\n<style>%s</style>\n<rect class=\"page\" width=\"%d\" height=\"%d\" rx=\"8\"/>\n",
            style, WIDTH, canvas->height);
    put_text(canvas, LEFT, 30, "class=\"title\"", canvas->plot->title);
    if (canvas->plot->subtitle) put_text(canvas, LEFT, 50, "class=\"small\"", canvas->plot->subtitle);
    for (size_t i = 0; i < canvas->y.count; i++) {
        char label[AXIS_LABEL_CHARS];
        double y = up(canvas, canvas->y.tick[i]);
        put_line(canvas, LEFT, y, RIGHT, y, i == 0 ? "frame" : "grid");
        put_text(canvas, LEFT - 10, y + 5, "text-anchor=\"end\"", axis_label(canvas->y.tick[i], label));
    }
    put_text(canvas, (LEFT + RIGHT) / 2.0, canvas->bottom + 44, "text-anchor=\"middle\"", x_label);
    char turned[80];
    snprintf(turned, sizeof turned, "text-anchor=\"middle\" transform=\"rotate(-90 20 %d)\"",
             (canvas->top + canvas->bottom) / 2);
    put_text(canvas, 20, (canvas->top + canvas->bottom) / 2.0, turned, y_label);
}

static void put_x_tick(const struct canvas *canvas, double x, const char *label) {
    put_line(canvas, x, canvas->top, x, canvas->bottom, "grid");
    put_text(canvas, x, canvas->bottom + 20, "text-anchor=\"middle\"", label);
}

static void put_legend(const struct canvas *canvas, size_t nth, const char *text) {
    char class[32];
    double x = LEFT, y = LEGEND_Y + (double)nth * LEGEND_LINE;
    snprintf(class, sizeof class, "line s%zu d%zu", nth, nth);
    put_line(canvas, x, y, x + 34, y, class);
    put_text(canvas, x + 42, y + 4, "class=\"small\"", text);
}

static int open_file(struct canvas *canvas, const char *path) {
    canvas->file = fopen(path, "we");
    return canvas->file ? 0 : complain(LEDIG_EIO, "cannot write %s: %s", path, strerror(errno));
}

static int finish(struct canvas *canvas, const char *path) {
    put_source(canvas);
    bool written = fputs("</svg>\n", canvas->file) >= 0 && !ferror(canvas->file);
    if (fclose(canvas->file) != 0) written = false;
    return written ? 0 : complain(LEDIG_EIO, "cannot write %s", path);
}

/* ---- Latency percentiles ---- */

static double latency_ms(const struct histogram *latency_us, double share) {
    return fmax((double)histogram_at(latency_us, share) / 1000, LATENCY_MS_MIN);
}

/* The axis of percentiles: 1/(1 - share) by its logarithm, as HdrHistogram's plots have it, as far as the most values
 * recorded can tell. */
static void put_percentiles(const struct canvas *canvas, double nines) {
    char label[16] = "99.";
    put_x_tick(canvas, LEFT, "0");
    put_x_tick(canvas, across(log10(2) / nines), "50");
    for (int nine = 1; nine <= (int)floor(nines + 1e-9); nine++) {
        if (nine == 1)
            snprintf(label, sizeof label, "90");
        else if (nine == 2)
            snprintf(label, sizeof label, "99");
        else
            snprintf(label, sizeof label, "99.%.*s", nine - 2, "9999999999");
        put_x_tick(canvas, across(nine / nines), label);
    }
}

static void put_latency(const struct canvas *canvas, size_t nth, const struct plot_latency *series, double nines) {
    const struct histogram *latency_us = series->latency_us;
    const double own = fmax(log10((double)latency_us->total), log10(2)); /* beyond there is only the maximum */
    double before = NAN;
    fprintf(canvas->file, "<polyline class=\"line s%zu d%zu\" points=\"", nth, nth);
    for (int i = 0; i <= SAMPLES; i++) {
        double at = fmin(own * i / SAMPLES, nines);
        double y = up(canvas, i == SAMPLES ? latency_ms(latency_us, 1) : latency_ms(latency_us, 1 - pow(10, -at)));
        if (i < SAMPLES && y == before) continue;
        if (i > 1 && i < SAMPLES) /* a step stays a step */
            fprintf(canvas->file, "%.1f,%.1f ", across(fmin(own * (i - 1) / SAMPLES, nines) / nines), before);
        fprintf(canvas->file, "%.1f,%.1f ", across(at / nines), y);
        before = y;
    }
    fputs("\"/>\n", canvas->file);
    fprintf(canvas->file, "<circle class=\"f%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>\n", nth,
            across(fmin(own, nines) / nines), up(canvas, latency_ms(latency_us, 1)));
    char text[256], p50[AXIS_LABEL_CHARS], p99[AXIS_LABEL_CHARS], max[AXIS_LABEL_CHARS];
    snprintf(p50, sizeof p50, "%.3g", latency_ms(latency_us, 0.5));
    snprintf(p99, sizeof p99, "%.3g", latency_ms(latency_us, 0.99));
    snprintf(max, sizeof max, "%.3g", latency_ms(latency_us, 1));
    snprintf(text, sizeof text, "%s: median %s, p99 %s, max %s ms", series->name, p50, p99, max);
    put_legend(canvas, nth, text);
}

int plot_write_latency(const struct plot *plot, const struct plot_latency *series, size_t count, const char *path) {
    struct canvas canvas = {.plot = plot};
    double low = INFINITY, high = 0, nines = 2;
    size_t shown = 0;
    for (size_t i = 0; i < count; i++) {
        const struct histogram *latency_us = series[i].latency_us;
        if (latency_us->total == 0) continue;
        shown++;
        low = fmin(low, latency_ms(latency_us, LOWEST_SHARE));
        high = fmax(high, latency_ms(latency_us, 1));
        nines = fmax(nines, log10((double)latency_us->total));
    }
    if (high <= 0 || count > PLOT_SERIES_MAX)
        return complain(LEDIG_EBAD_REQUEST, "there are no latencies to plot in %s", path);
    axis_fit(&canvas.y, low, high, true);
    int error = open_file(&canvas, path);
    if (error != 0) return error;
    lay_out(&canvas, shown);
    begin(&canvas, "percentile", "latency (ms)");
    put_percentiles(&canvas, nines);
    for (size_t i = 0, nth = 0; i < count; i++)
        if (series[i].latency_us->total > 0) put_latency(&canvas, nth++, &series[i], nines);
    return finish(&canvas, path);
}

/* ---- Cost against size ---- */

static bool drawn(const struct plot *plot, const struct plot_point *point) {
    return isfinite(point->x) && isfinite(point->y) && !(plot->x_log && point->x <= 0) &&
           !(plot->y_log && point->y <= 0);
}

static void put_points(const struct canvas *canvas, size_t nth, const struct plot_points *series) {
    const struct plot *plot = canvas->plot;
    char class[32];
    snprintf(class, sizeof class, "bar s%zu", nth);
    for (size_t i = 0; i < series->count; i++) {
        const struct plot_point *point = &series->point[i];
        if (!drawn(plot, point)) continue;
        double x = across(axis_at(&canvas->x, point->x));
        if (isfinite(point->low) && isfinite(point->high)) {
            double bottom = up(canvas, point->low), top = up(canvas, point->high);
            put_line(canvas, x, bottom, x, top, class);
            put_line(canvas, x - 5, bottom, x + 5, bottom, class);
            put_line(canvas, x - 5, top, x + 5, top, class);
        }
        fprintf(canvas->file, "<circle class=\"f%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>\n", nth, x,
                up(canvas, point->y));
    }
    fprintf(canvas->file, "<polyline class=\"line s%zu d%zu\" points=\"", nth, nth);
    for (size_t i = 0; i < series->count; i++)
        if (drawn(plot, &series->point[i]))
            fprintf(canvas->file, "%.1f,%.1f ", across(axis_at(&canvas->x, series->point[i].x)),
                    up(canvas, series->point[i].y));
    fputs("\"/>\n", canvas->file);
    put_legend(canvas, nth, series->name);
}

int plot_write_cost(const struct plot *plot, const struct plot_points *series, size_t count, const char *path) {
    struct canvas canvas = {.plot = plot};
    double x_low = INFINITY, x_high = -INFINITY, y_low = INFINITY, y_high = -INFINITY;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < series[i].count; j++) {
            const struct plot_point *point = &series[i].point[j];
            if (!drawn(plot, point)) continue;
            bool spread = isfinite(point->low) && isfinite(point->high);
            x_low = fmin(x_low, point->x);
            x_high = fmax(x_high, point->x);
            y_low = fmin(y_low, spread && !(plot->y_log && point->low <= 0) ? fmin(point->low, point->y) : point->y);
            y_high = fmax(y_high, spread ? fmax(point->high, point->y) : point->y);
        }
    if (x_high < x_low || count > PLOT_SERIES_MAX)
        return complain(LEDIG_EBAD_REQUEST, "there are no points to plot in %s", path);
    axis_fit(&canvas.x, x_low, x_high, plot->x_log);
    axis_fit(&canvas.y, y_low, y_high, plot->y_log);
    int error = open_file(&canvas, path);
    if (error != 0) return error;
    lay_out(&canvas, count);
    begin(&canvas, plot->x_label, plot->y_label);
    for (size_t i = 0; i < canvas.x.count; i++) {
        char label[AXIS_LABEL_CHARS];
        put_x_tick(&canvas, across(axis_at(&canvas.x, canvas.x.tick[i])), axis_label(canvas.x.tick[i], label));
    }
    for (size_t i = 0; i < count; i++)
        put_points(&canvas, i, &series[i]);
    return finish(&canvas, path);
}
