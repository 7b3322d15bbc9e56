/* The load of the workloads: closed, unpaced loops, each of whose operations is counted in the meter.
 *
 * usage: worker pipe KIB               copies standard input to standard output; an operation is a block
 *        worker read FILES FOLDER      reads random 16 KiB of random files below FILES, one time in 20 appends 4 KiB
 *                                      to a file in FOLDER
 *        worker transactions FOLDER    creates or deletes, and reads or appends to, small files
 *        worker http PORT FILES        requests random ones of the paths in FILES, one a line, over one connection
 *        worker marks BYTE             reads standard input; an operation is a byte of this value
 *        worker redis-fill SOCKET MIB  stores random values until they are this much; counts nothing
 *        worker redis SOCKET MIB       gets random ones of them, one time in 10 sets one
 *
 * Ends with 1 and a line on standard error when something is not as it should be. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "../pattern.h"
#include "meter.h"

#define NAMES_MAX 65536
#define BUFFER_BYTES (1 << 20)
#define READ_BYTES 16384
#define APPEND_BYTES 4096
#define POOL_FILES 2000
#define POOL_FILE_BYTES_MAX 65536
#define VALUE_BYTES 16384
#define FILL_KEYS 32

static struct meter *meter;
static uint64_t started, random_state;
static char *names[NAMES_MAX];
static size_t name_count;
static unsigned char buffer[BUFFER_BYTES];

static void die(const char *what)
{
    fprintf(stderr, "worker: %s: %s\n", what, errno ? strerror(errno) : "not as expected");
    exit(1);
}

static uint64_t below(uint64_t bound)
{
    return ((next_random(&random_state) >> 32) * bound) >> 32;
}

static void fill_random(unsigned char *bytes, size_t length)
{
    for (size_t at = 0; at + 8 <= length; at += 8) {
        uint64_t word = next_random(&random_state);
        memcpy(bytes + at, &word, 8);
    }
}

static void write_all(int to, const unsigned char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t done = write(to, bytes, length);
        if (done <= 0)
            die("write");
        bytes += done;
        length -= (size_t)done;
    }
}

/* ---- pipe ---- */

static void run_pipe(size_t block)
{
    ssize_t got;
    size_t pending = 0;

    while ((got = read(0, buffer, block < sizeof(buffer) ? block : sizeof(buffer))) > 0) {
        write_all(1, buffer, (size_t)got);
        for (pending += (size_t)got; pending >= block; pending -= block)
            meter_count(meter, &started);
    }
    if (got < 0)
        die("read");
}

/* ---- files ---- */

static int add_name(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)walk;
    if (type == FTW_F && status->st_size >= READ_BYTES && name_count < NAMES_MAX)
        names[name_count++] = strdup(path);
    return 0;
}

static void append(const char *path, size_t length, off_t length_max)
{
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

    if (file < 0)
        die(path);
    fill_random(buffer, length);
    if (lseek(file, 0, SEEK_END) >= length_max && ftruncate(file, 0))
        die(path);
    write_all(file, buffer, length);
    close(file);
}

static void read_some(const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    off_t length = file < 0 ? 0 : lseek(file, 0, SEEK_END);

    if (length < READ_BYTES ||
        pread(file, buffer, READ_BYTES, (off_t)below((uint64_t)(length - READ_BYTES + 1))) != READ_BYTES)
        die(path);
    close(file);
}

static void run_read(const char *files, const char *folder)
{
    char path[4096];

    nftw(files, add_name, 32, FTW_PHYS);
    if (name_count == 0)
        die(files);
    for (;;) {
        if (below(20) == 0) {
            snprintf(path, sizeof(path), "%s/log-%d", folder, (int)below(16));
            append(path, APPEND_BYTES, 1 << 20);
        } else {
            read_some(names[below(name_count)]);
        }
        meter_count(meter, &started);
    }
}

static void pool_name(char *path, size_t size, const char *folder, uint64_t number)
{
    snprintf(path, size, "%s/%02d/%04d", folder, (int)(number % 16), (int)number);
}

static void create(const char *path)
{
    size_t length = 512 + below(POOL_FILE_BYTES_MAX - 512);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (file < 0)
        die(path);
    fill_random(buffer, length);
    write_all(file, buffer, length);
    close(file);
}

static void read_whole(const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);

    while (file >= 0 && read(file, buffer, sizeof(buffer)) > 0)
        ;
    if (file >= 0)
        close(file);
}

/* What postmark does: half of the transactions create or delete, half read or append. */
static void run_transactions(const char *folder)
{
    char path[4096];

    for (int i = 0; i < 16; i++) {
        snprintf(path, sizeof(path), "%s/%02d", folder, i);
        if (mkdir(path, 0755) && errno != EEXIST)
            die(path);
    }
    for (int i = 0; i < POOL_FILES; i++) {
        pool_name(path, sizeof(path), folder, (uint64_t)i);
        create(path);
    }
    for (;;) {
        pool_name(path, sizeof(path), folder, below(POOL_FILES));
        if (unlink(path))
            create(path);
        meter_count(meter, &started);
        pool_name(path, sizeof(path), folder, below(POOL_FILES));
        if (below(4) == 0)
            read_whole(path);
        else
            append(path, APPEND_BYTES, POOL_FILE_BYTES_MAX);
        meter_count(meter, &started);
    }
}

/* ---- http ---- */

static int connect_tcp(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1, connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connection < 0 || connect(connection, (struct sockaddr *)&address, sizeof(address)))
        die("connect");
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return connection;
}

/* Reads an answer with a Content-Length; false if the server closes the connection behind it. */
static bool read_answer(int connection)
{
    size_t have = 0;
    char *end = NULL;

    errno = 0;
    while (!end) {
        ssize_t got = read(connection, buffer + have, sizeof(buffer) - 1 - have);
        if (got <= 0)
            die("answer");
        have += (size_t)got;
        buffer[have] = 0;
        end = strstr((char *)buffer, "\r\n\r\n");
    }
    char *length_field = strcasestr((char *)buffer, "\r\nContent-Length:");
    if (strncmp((char *)buffer, "HTTP/1.1 200", 12) || !length_field || length_field > end)
        die("answer");
    bool closes = strcasestr((char *)buffer, "\r\nConnection: close") != NULL;
    size_t left = strtoull(length_field + 17, NULL, 10) + (size_t)(end + 4 - (char *)buffer) - have;
    while (left > 0) {
        ssize_t got = read(connection, buffer, left < sizeof(buffer) ? left : sizeof(buffer));
        if (got <= 0)
            die("body");
        left -= (size_t)got;
    }
    return !closes;
}

static void run_http(int port, const char *list)
{
    char line[1024];
    FILE *in = fopen(list, "r");
    int connection = -1;

    while (in && name_count < NAMES_MAX && fscanf(in, "%1023s", line) == 1)
        names[name_count++] = strdup(line);
    if (name_count == 0)
        die(list);
    for (;;) {
        if (connection < 0)
            connection = connect_tcp(port);
        int length = snprintf(line, sizeof(line), "GET %.900s HTTP/1.1\r\nHost: localhost\r\n\r\n",
                              names[below(name_count)]);
        write_all(connection, (unsigned char *)line, (size_t)length);
        if (!read_answer(connection)) {
            close(connection);
            connection = -1;
        }
        meter_count(meter, &started);
    }
}

/* ---- redis ---- */

static int connect_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (connection < 0 || connect(connection, (struct sockaddr *)&address, sizeof(address)))
        die(path);
    return connection;
}

/* Reads this many bytes of an answer that begins as it should. */
static void expect(int connection, const char *begin, size_t length)
{
    for (size_t have = 0; have < length;) {
        ssize_t got = read(connection, buffer + have, length - have);
        if (got <= 0)
            die("redis");
        have += (size_t)got;
    }
    errno = 0;
    if (memcmp(buffer, begin, strlen(begin)))
        die("redis");
}

/* Sets this many keys, one after another, with one request: a guest under emulation takes milliseconds to go from the
 * worker to the server and back. */
static void set(int connection, uint64_t first, uint64_t count)
{
    size_t length = 0;

    for (uint64_t key = first; key < first + count; key++) {
        length += (size_t)sprintf((char *)buffer + length, "*3\r\n$3\r\nSET\r\n$9\r\nk%08llu\r\n$%d\r\n",
                                  (unsigned long long)key, VALUE_BYTES);
        fill_random(buffer + length, VALUE_BYTES);
        memcpy(buffer + length + VALUE_BYTES, "\r\n", 2);
        length += VALUE_BYTES + 2;
    }
    write_all(connection, buffer, length);
    while (count--)
        expect(connection, "+OK\r\n", 5);
}

static void get(int connection, uint64_t key)
{
    char head[32];
    int length = sprintf((char *)buffer, "*2\r\n$3\r\nGET\r\n$9\r\nk%08llu\r\n", (unsigned long long)key);

    write_all(connection, buffer, (size_t)length);
    length = sprintf(head, "$%d\r\n", VALUE_BYTES);
    expect(connection, head, (size_t)length + VALUE_BYTES + 2);
}

static void run_redis(const char *path, uint64_t keys, bool fill)
{
    int connection = connect_unix(path);

    for (uint64_t key = 0; fill && key < keys; key += FILL_KEYS)
        set(connection, key, keys - key < FILL_KEYS ? keys - key : FILL_KEYS);
    while (!fill) {
        if (below(10) == 0)
            set(connection, below(keys), 1);
        else
            get(connection, below(keys));
        meter_count(meter, &started);
    }
}

/* ---- marks ---- */

/* For a browser's page, whose words come out of the browser sooner than anything it asks of the network. */
static void run_marks(int mark)
{
    ssize_t length;

    while ((length = read(0, buffer, sizeof(buffer))) > 0)
        for (ssize_t i = 0; i < length; i++)
            if (buffer[i] == mark)
                meter_count(meter, &started);
}

int main(int count, char **argument)
{
    const char *kind = count > 2 ? argument[1] : "";

    meter = open_meter();
    started = meter_nanos();
    random_state = mix64((uint64_t)getpid());
    if (!meter)
        die(METER_FILE);
    if (!strcmp(kind, "pipe"))
        run_pipe(strtoull(argument[2], NULL, 10) * 1024);
    else if (!strcmp(kind, "marks"))
        run_marks(atoi(argument[2]));
    else if (!strcmp(kind, "transactions"))
        run_transactions(argument[2]);
    else if (!strcmp(kind, "read") && count > 3)
        run_read(argument[2], argument[3]);
    else if (!strcmp(kind, "http") && count > 3)
        run_http(atoi(argument[2]), argument[3]);
    else if (!strncmp(kind, "redis", 5) && count > 3)
        run_redis(argument[2], strtoull(argument[3], NULL, 10) * MEBIBYTE / VALUE_BYTES, !strcmp(kind, "redis-fill"));
    else
        die("usage");
    return 0;
}
