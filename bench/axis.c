#include "bench/axis.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define LINEAR_STEPS 6
#define FINE_DECADES 2.0 /* up to here a logarithmic axis also has ticks at 2 and 5 */
#define DECADES_MAX 8
#define ROUNDING 1e-9 /* what the last digit of a logarithm may be off */

static const double mantissas[] = {1, 2, 5};

static double power(int exponent) { /* exact for the negative ones, too: 1/1000, not 0.001000000002 */
    return exponent < 0 ? 1 / pow(10, -exponent) : pow(10, exponent);
}

static void add_tick(struct axis *axis, double value) {
    if (axis->count < AXIS_TICKS_MAX) axis->tick[axis->count++] = value;
}

static void fit_linear(struct axis *axis, double low, double high) {
    if (!isfinite(low) || low > 0) low = 0;
    if (!isfinite(high) || high <= low) high = low + 1;
    double raw = (high - low) / LINEAR_STEPS;
    int exponent = (int)floor(log10(raw) + ROUNDING);
    double step = power(exponent + 1);
    for (size_t i = sizeof mantissas / sizeof *mantissas; i-- > 0;)
        if (mantissas[i] * power(exponent) >= raw * (1 - ROUNDING)) step = mantissas[i] * power(exponent);
    double first = floor(low / step + ROUNDING), last = ceil(high / step - ROUNDING);
    for (double i = first; i <= last; i++)
        add_tick(axis, i * step);
}

static void add_decade(struct axis *axis, int exponent, double low, double high) {
    for (size_t i = 0; i < sizeof mantissas / sizeof *mantissas; i++) {
        double value = mantissas[i] * power(exponent),
               next = i < 2 ? mantissas[i + 1] * power(exponent) : power(exponent + 1);
        bool reaches = next > low * (1 + ROUNDING) && (axis->count == 0 || axis->tick[axis->count - 1] < high);
        if (reaches) add_tick(axis, value);
    }
}

static void fit_log(struct axis *axis, double low, double high) {
    if (!isfinite(high) || high <= 0) high = 1;
    if (!isfinite(low) || low <= 0) low = high / 10;
    if (low >= high) low = high / 2;
    int first = (int)floor(log10(low) + ROUNDING), last = (int)ceil(log10(high) - ROUNDING);
    if (log10(high / low) <= FINE_DECADES) {
        for (int exponent = first; exponent <= last; exponent++)
            add_decade(axis, exponent, low, high);
        return;
    }
    int step = (last - first + DECADES_MAX - 1) / DECADES_MAX;
    for (int exponent = first; exponent < last + step; exponent += step)
        add_tick(axis, power(exponent));
}

void axis_fit(struct axis *axis, double low, double high, bool log) {
    *axis = (struct axis){.log = log};
    if (log)
        fit_log(axis, low, high);
    else
        fit_linear(axis, low, high);
    axis->low = axis->tick[0];
    axis->high = axis->tick[axis->count - 1];
}

double axis_at(const struct axis *axis, double value) {
    double share;
    if (!axis->log)
        share = (value - axis->low) / (axis->high - axis->low);
    else if (value > 0)
        share = log(value / axis->low) / log(axis->high / axis->low);
    else
        share = 0;
    return share > 0 ? fmin(share, 1) : 0;
}

char *axis_label(double value, char text[static AXIS_LABEL_CHARS]) {
    double size = fabs(value);
    if (size >= 1e9)
        snprintf(text, AXIS_LABEL_CHARS, "%.4gG", value / 1e9);
    else if (size >= 1e6)
        snprintf(text, AXIS_LABEL_CHARS, "%.4gM", value / 1e6);
    else if (size >= 1e4)
        snprintf(text, AXIS_LABEL_CHARS, "%.4gk", value / 1e3);
    else if (size >= 1e3)
        snprintf(text, AXIS_LABEL_CHARS, "%d,%03d", (int)value / 1000, (int)size % 1000);
    else if (size >= 1e-4 || size == 0) {
        snprintf(text, AXIS_LABEL_CHARS, "%.4f", value);
        size_t length = strlen(text);
        while (text[length - 1] == '0')
            text[--length] = '\0';
        if (text[length - 1] == '.') text[--length] = '\0';
    } else
        snprintf(text, AXIS_LABEL_CHARS, "%.3g", value);
    return text;
}
