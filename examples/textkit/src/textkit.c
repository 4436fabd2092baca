#include "textkit.h"

#include <ctype.h>

const char *textkit_version(void) { return TEXTKIT_VERSION; }

size_t textkit_words(const char *text) {
    size_t words = 0;
    int inside = 0;
    for (; *text; text++) {
        int space = isspace((unsigned char)*text);
        if (!space && !inside) words++;
        inside = !space;
    }
    return words;
}

size_t textkit_slug(const char *text, char *out, size_t size) {
    size_t length = 0;
    int pending = 0;
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (!isalnum(c)) {
            pending = length > 0;
            continue;
        }
        if (pending) {
            if (length + 1 < size) out[length] = '-';
            length++;
            pending = 0;
        }
        if (length + 1 < size) out[length] = (char)tolower(c);
        length++;
    }
    if (size > 0) out[length < size ? length : size - 1] = '\0';
    return length;
}
