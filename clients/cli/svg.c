/* Documents, styles, shapes. Colours are given twice, since not every reader of SVG knows variables. */
#include "svg.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "utf8.h"

/* Colours and shapes are those of the dashboard. */
static const struct {
	const char *status, *light, *dark;
	const char *shape; /* in a box of 12 by 12 */
	bool is_line;      /* the shape is drawn, not filled */
} looks[] = {
	{ "completed", "#2f9350", "#49ad6b",
	  "M6 .5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11zm2.5 3.3L5.3 7 3.6 5.4l-1 1 2.7 2.7 4.2-4.2z", false },
	{ "running", "#2f62e8", "#6d94ff", "M2.6 1.3 10.9 6 2.6 10.7z", false },
	{ "pending", "#1590a6", "#48b3c7", "M6 1.3a4.7 4.7 0 1 1 0 9.4 4.7 4.7 0 0 1 0-9.4z", true },
	{ "retry", "#c47a00", "#e6a93a", "M10.3 7.2A4.5 4.5 0 1 1 9.2 2.9M9.8.6v2.9H6.9", true },
	{ "blocked", "#868c95", "#7b838d",
	  "M1.8 3.4V1.8H3.4M5 1.8h2M8.6 1.8h1.6v1.6M10.2 5v2M10.2 8.6v1.6H8.6M7 10.2H5M3.4 10.2H1.8V8.6M1.8 7V5", true },
	{ "failed", "#d03440", "#f4656d", "M2 2l8 8M10 2l-8 8", true },
	{ "cancelled", "#857c74", "#948b82", "M6 1.3a4.7 4.7 0 1 1 0 9.4 4.7 4.7 0 0 1 0-9.4zM2.8 9.2l6.4-6.4", true },
	{ "skipped", "#8d66b8", "#aa8bd4", "M1.5 2.5 5 6 1.5 9.5M6.5 2.5 10 6 6.5 9.5", true },
};

static const char light_style[] =
	"svg{background:#fff}text{font:12px ui-sans-serif,system-ui,'Segoe UI',Roboto,'DejaVu "
	"Sans',sans-serif;fill:#1c2530}"
	".h{font-size:17px;font-weight:600}.d{fill:#66727f}.s{font-size:11px}.r{text-anchor:end}.m{text-anchor:middle}"
	".page{fill:#fff}.rule{stroke:#e3e8ee;stroke-width:1}.zebra{fill:#f6f8fa}.card{fill:#fff;stroke:#cbd3dc;stroke-"
	"width:1}"
	".edge{fill:none;stroke:#b4bec9;stroke-width:1.2}.tip{fill:#b4bec9}.hot{stroke:#e8590c}.card.hot{stroke-width:2.2}"
	".edge.hot{stroke-width:2.4}.tip.hot{fill:#e8590c;stroke:none}.hotfill{fill:#e8590c}.hottext{font-weight:600}"
	".wait{fill:#b6dce3}.back{fill:#ecd2a3}.block{stroke:#aab4bf;stroke-width:1.4;stroke-dasharray:1.5 3}"
	".now{stroke:#e8590c;stroke-width:1;stroke-dasharray:4 3}"
	".glow{fill:none;stroke:#e8590c;stroke-width:1.6}.link{fill:none;stroke:#e8590c;stroke-width:1.3;opacity:.75}";

static const char dark_style[] =
	"svg{background:#12171d}text{fill:#e3e8ee}.d{fill:#8f9baa}.page{fill:#12171d}.rule{stroke:#27303a}.zebra{fill:#"
	"171d25}"
	".card{fill:#1a212a;stroke:#3a4552}.edge{stroke:#4a5665}.tip{fill:#4a5665}.hot{stroke:#ff922b}"
	".tip.hot{fill:#ff922b}.hotfill{fill:#ff922b}.wait{fill:#20454d}.back{fill:#5c4722}.block{stroke:#556170}.now{"
	"stroke:"
	"#ff922b}"
	".glow{stroke:#ff922b}.link{stroke:#ff922b}";

void svg_add_text(struct text *out, struct slice text, size_t most) {
	for (size_t columns = 0; text.length > 0; columns++) {
		size_t length = utf8_character(text);
		char c = text.bytes[0];
		if (most > 0 && columns + 1 == most && length < text.length) {
			text_add(out, "…");
			return;
		}
		if (length == 0 || (unsigned char)c < 0x20 || c == 0x7F)
			text_add_char(out, ' ');
		else if (strchr("<>&\"", c) != NULL)
			text_add(out, c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : "&quot;");
		else
			text_append(out, text.bytes, length);
		length = length == 0 ? 1 : length;
		text.bytes += length;
		text.length -= length;
	}
}

/* Of a character of an id in a sans of 12 pixels, on the wide side. */
static double width_of(char c) {
	if (strchr("ijlft.:'|", c) != NULL)
		return 4.4;
	if (strchr("mwMW", c) != NULL)
		return 11;
	return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? 8 : 7.2;
}

static double width_of_all(const char *bytes, size_t length) {
	double sum = 0;
	for (size_t i = 0; i < length; i++)
		sum += width_of(bytes[i]);
	return sum;
}

void svg_add_name(struct text *out, struct slice name, double room) {
	size_t most = name.length, head = most, tail = 0;
	while (width_of_all(name.bytes, head) + width_of_all(name.bytes + name.length - tail, tail) > room && most > 4) {
		if (tail == 0)
			room -= 11; /* for the ellipsis */
		most--;
		head = most * 3 / 10;
		tail = most - head;
	}
	svg_add_text(out, (struct slice){ name.bytes, head }, 0);
	if (tail > 0)
		text_add(out, "…");
	svg_add_text(out, (struct slice){ name.bytes + name.length - tail, tail }, 0);
}

static void add_colours(struct text *out, bool dark) {
	for (size_t i = 0; i < COUNT(looks); i++) {
		const char *colour = dark ? looks[i].dark : looks[i].light;
		text_printf(out, ".f-%s{fill:%s}.l-%s{fill:none;stroke:%s;stroke-width:1.7;stroke-linecap:round}",
		            looks[i].status, colour, looks[i].status, colour);
	}
}

void svg_open(struct text *out, double width, double height, const char *title) {
	text_printf(out,
	            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" "
	            "width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" role=\"img\">\n<title>",
	            width, height, width, height);
	svg_add_text(out, slice_of(title), 0);
	text_printf(out, "</title>\n<style>%s", light_style);
	add_colours(out, false);
	text_printf(out, "@media (prefers-color-scheme:dark){%s", dark_style);
	add_colours(out, true);
	text_add(out, "}</style>\n<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n");
}

void svg_close(struct text *out) {
	text_add(out, "</svg>\n");
}

static size_t look_of(struct slice status) {
	size_t i = 0;
	while (i + 1 < COUNT(looks) && !slice_is(status, looks[i].status))
		i++;
	return i;
}

unsigned svg_status_bit(struct slice status) {
	return 1U << look_of(status);
}

void svg_add_mark(struct text *out, struct slice status, double x, double y) {
	size_t look = look_of(status);
	text_printf(out, "<path class=\"%c-%s\" transform=\"translate(%.1f %.1f)\" d=\"%s\"/>",
	            looks[look].is_line ? 'l' : 'f', looks[look].status, x - 6, y - 6, looks[look].shape);
}

double svg_add_legend(struct text *out, unsigned seen, double x, double y) {
	for (size_t i = 0; i < COUNT(looks); i++) {
		if ((seen & (1U << i)) == 0)
			continue;
		svg_add_mark(out, slice_of(looks[i].status), x + 6, y);
		text_printf(out, "<text class=\"s d\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", x + 17, y + 4, looks[i].status);
		x += 32 + 6.2 * (double)strlen(looks[i].status);
	}
	return x;
}

int svg_write(const struct text *svg, const char *path) {
	bool is_stdout = strcmp(path, "-") == 0;
	FILE *file = is_stdout ? stdout : fopen(path, "we");
	bool written = file != NULL && fwrite(svg->bytes, 1, svg->length, file) == svg->length;
	if (file != NULL && !is_stdout)
		written = fclose(file) == 0 && written;
	if (written)
		return EXIT_DONE;
	fprintf(stderr, "corder: cannot write %s: %s\n", path, strerror(errno));
	return EXIT_USAGE;
}
