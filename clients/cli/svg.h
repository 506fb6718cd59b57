/* What the SVG pictures share: a document that needs nothing outside of itself, light or dark as its reader likes, with a
 * colour and a shape for every status. */
#ifndef CORDER_CLI_SVG_H
#define CORDER_CLI_SVG_H

#include "../../shared/base/text.h"

/* XML text; control characters become spaces. Cut to most characters with an ellipsis (0: never). */
void svg_add_text(struct text *out, struct slice text, size_t most);
/* An id in so many pixels: where it is too long its middle goes, for ids differ at their ends. */
void svg_add_name(struct text *out, struct slice name, double room);
void svg_open(struct text *out, double width, double height, const char *title);
void svg_close(struct text *out);
/* The shape of a status, 12 wide, in its colour, its middle at (x, y). */
void svg_add_mark(struct text *out, struct slice status, double x, double y);
/* The legend in one line, from x on: the statuses that `seen` names (a bit each, see svg_status_bit). Returns its end. */
unsigned svg_status_bit(struct slice status);
double svg_add_legend(struct text *out, unsigned seen, double x, double y);
/* Writes it into a file, "-" is stdout: an exit code, after a message. */
int svg_write(const struct text *svg, const char *path);

#endif
