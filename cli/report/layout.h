/* Text in columns, within a width. */
#ifndef SAFECLOSE_LAYOUT_H
#define SAFECLOSE_LAYOUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct layout {
    FILE *to;
    unsigned width; /* columns; 0: no limit */
};

/* Words of a text on as many lines as they need, the first of which begins with the label, the others with as many
 * blanks. A word that is too long has a line of its own. */
void layout_wrap(const struct layout *layout, const char *label, const char *text);

/* How many columns are left behind `used`; at least `least`. */
size_t layout_left(const struct layout *layout, size_t used, size_t least);

#endif
