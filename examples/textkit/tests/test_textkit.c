/* Tests of the library. Writes a JUnit report to the file named by the first argument. */
#include "../src/textkit.h"

#include <stdio.h>
#include <string.h>

static FILE *report;
static int failures;

static void check(const char *name, int ok) {
    printf("%s %s\n", ok ? "ok  " : "FAIL", name);
    if (ok) {
        fprintf(report, "  <testcase classname=\"textkit\" name=\"%s\" time=\"0.001\"/>\n", name);
    } else {
        failures++;
        fprintf(report, "  <testcase classname=\"textkit\" name=\"%s\"><failure message=\"not so\"/></testcase>\n", name);
    }
}

int main(int argc, char **argv) {
    char slug[16];
    report = fopen(argc > 1 ? argv[1] : "junit.xml", "w");
    if (!report) return 2;
    fprintf(report, "<testsuite name=\"textkit\">\n");
    check("no words in an empty text", textkit_words("") == 0);
    check("words are runs of other than white space", textkit_words("  one\ttwo\nthree ") == 3);
    check("a slug is lower case with single dashes",
          textkit_slug("Hello,  World!", slug, sizeof slug) == 11 && strcmp(slug, "hello-world") == 0);
    check("a slug is cut at the buffer and tells its length",
          textkit_slug("a very long headline indeed", slug, sizeof slug) == 27 && strlen(slug) == 15);
    check("the version is the header's", strcmp(textkit_version(), TEXTKIT_VERSION) == 0);
    fprintf(report, "</testsuite>\n");
    fclose(report);
    return failures != 0;
}
