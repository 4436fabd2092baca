/* A key-value store for the example: INCR key, GET key, one line each, over TCP port 7070.
 * `kvd` serves; `kvd --ping` exits 0 when a server answers. Counters live in memory. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT = 7070, MAX_KEYS = 1024, MAX_KEY = 128 };

static struct { char key[MAX_KEY]; long value; } table[MAX_KEYS];

static long *slot(const char *key) {
    for (int i = 0; i < MAX_KEYS; i++) {
        if (!table[i].key[0]) snprintf(table[i].key, MAX_KEY, "%s", key);
        if (strcmp(table[i].key, key) == 0) return &table[i].value;
    }
    return NULL;
}

static void answer(FILE *conn) {
    char line[256], verb[8], key[MAX_KEY];
    if (!fgets(line, sizeof line, conn)) return;
    if (strncmp(line, "PING", 4) == 0) { fputs("PONG\n", conn); return; }
    if (sscanf(line, "%7s %127s", verb, key) != 2) { fputs("ERR\n", conn); return; }
    long *value = slot(key);
    if (!value) { fputs("ERR full\n", conn); return; }
    if (strcmp(verb, "INCR") == 0) ++*value;
    fprintf(conn, "%ld\n", *value);
}

static struct sockaddr_in address(in_addr_t host) {
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(host) };
    return a;
}

static int ping(void) {
    struct sockaddr_in a = address(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char reply[5] = { 0 };
    if (connect(fd, (struct sockaddr *)&a, sizeof a)) return 1;
    if (write(fd, "PING\n", 5) != 5 || read(fd, reply, 4) != 4) return 1;
    return strcmp(reply, "PONG") != 0;
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--ping") == 0) return ping();
    int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    struct sockaddr_in a = address(INADDR_ANY);
    if (bind(listener, (struct sockaddr *)&a, sizeof a) || listen(listener, 64)) { perror("kvd"); return 1; }
    printf("kvd: ready on port %d\n", PORT);
    fflush(stdout);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0) continue;
        FILE *conn = fdopen(fd, "r+");
        answer(conn);
        fclose(conn);
    }
}
