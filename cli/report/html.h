/* HTML, every value escaped. */
#ifndef SAFECLOSE_HTML_H
#define SAFECLOSE_HTML_H

#include <stdio.h>

/* A text, at most so many characters of it (0: all), in an element or in an attribute between double quotes. What
 * is no well-formed UTF-8, or a control character, is written as \xXX. */
void html_text(FILE *to, const char *text, size_t most);

/* "<NAME class=CLASS>text</NAME>"; class NULL: none. An empty text: nothing. */
void html_element(FILE *to, const char *name, const char *class, const char *text);

/* The style sheet and the script of the page. */
extern const char html_style[], html_script[];

#endif
