/* Documents, styles, shapes. Colours are given twice, since not every reader of SVG knows variables. */
#include "svg.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "utf8.h"

static const struct {
	const char *status, *light, *dark;
	const char *shape; /* around 0,0 */
	bool is_line;      /* the shape is drawn, not filled */
} looks[] = {
	{ "completed", "#2b8a4b", "#4cc274", "M-5 0.5 L-1.5 4 L5 -4", true },
	{ "running", "#0b7fa8", "#38bdf0", "M-4 -5 L5 0 L-4 5 Z", false },
	{ "pending", "#b7791f", "#e9b44c", "M0 -4.5 A4.5 4.5 0 1 1 0 4.5 A4.5 4.5 0 1 1 0 -4.5 Z", true },
	{ "retry", "#8b46c9", "#c08bf2", "M4.4 -1.5 A4.6 4.6 0 1 0 4.4 2 M5.4 -5 L4.6 -1 L0.8 -2", true },
	{ "blocked", "#7b8794", "#8b97a5", "M-4 -5 H-1.4 V5 H-4 Z M1.4 -5 H4 V5 H1.4 Z", false },
	{ "failed", "#c92a3b", "#ff6b78", "M-4 -4 L4 4 M4 -4 L-4 4", true },
	{ "cancelled", "#8a8580", "#9b958f", "M0 -4.6 A4.6 4.6 0 1 1 0 4.6 A4.6 4.6 0 1 1 0 -4.6 M-3.2 3.2 L3.2 -3.2",
	  true },
	{ "skipped", "#8a8580", "#9b958f", "M-4.5 3 C-3 -4 3 -4 4 2 M1.2 0.6 L4.1 2.6 L5.6 -0.6", true },
};

static const char light_style[] =
	"svg{background:#fff}text{font:12px ui-sans-serif,system-ui,'Segoe UI',Roboto,'DejaVu "
	"Sans',sans-serif;fill:#1c2530}"
	".h{font-size:17px;font-weight:600}.d{fill:#66727f}.s{font-size:11px}.r{text-anchor:end}.m{text-anchor:middle}"
	".page{fill:#fff}.rule{stroke:#e3e8ee;stroke-width:1}.zebra{fill:#f6f8fa}.card{fill:#fff;stroke:#cbd3dc;stroke-"
	"width:1}"
	".edge{fill:none;stroke:#b4bec9;stroke-width:1.2}.tip{fill:#b4bec9}.hot{stroke:#e8590c}.card.hot{stroke-width:2.2}"
	".edge.hot{stroke-width:2.4}.tip.hot{fill:#e8590c;stroke:none}.hotfill{fill:#e8590c}.hottext{font-weight:600}"
	".wait{fill:#f2d59b}.block{stroke:#aab4bf;stroke-width:1.4;stroke-dasharray:1.5 3}"
	".now{stroke:#e8590c;stroke-width:1;stroke-dasharray:4 3}"
	".glow{fill:none;stroke:#e8590c;stroke-width:1.6}.link{fill:none;stroke:#e8590c;stroke-width:1.3;opacity:.75}";

static const char dark_style[] =
	"svg{background:#12171d}text{fill:#e3e8ee}.d{fill:#8f9baa}.page{fill:#12171d}.rule{stroke:#27303a}.zebra{fill:#"
	"171d25}"
	".card{fill:#1a212a;stroke:#3a4552}.edge{stroke:#4a5665}.tip{fill:#4a5665}.hot{stroke:#ff922b}"
	".tip.hot{fill:#ff922b}.hotfill{fill:#ff922b}.wait{fill:#5c4a22}.block{stroke:#556170}.now{stroke:#ff922b}"
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

static void add_colours(struct text *out, bool dark) {
	for (size_t i = 0; i < COUNT(looks); i++) {
		const char *colour = dark ? looks[i].dark : looks[i].light;
		text_printf(out, ".f-%s{fill:%s}.l-%s{fill:none;stroke:%s;stroke-width:1.8;stroke-linecap:round}",
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
	            looks[look].is_line ? 'l' : 'f', looks[look].status, x, y, looks[look].shape);
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
