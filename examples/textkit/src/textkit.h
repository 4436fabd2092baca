/* Small text functions with a stable C interface. */
#ifndef TEXTKIT_H
#define TEXTKIT_H

#include <stddef.h>

#define TEXTKIT_VERSION "1.2.0"

/* Version of the library that was linked, for instance "1.2.0". */
const char *textkit_version(void);

/* Number of words, that is of runs of bytes that are not white space. */
size_t textkit_words(const char *text);

/* Writes a lower-case slug of `text` to `out` (at most `size` bytes with the final zero).
 * Returns the length it would have without the limit. */
size_t textkit_slug(const char *text, char *out, size_t size);

#endif
