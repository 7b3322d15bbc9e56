/* Files of the disk, read through the page cache and compared with their checksums or seeds. Only the worker runs this. */
#define _GNU_SOURCE
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pattern.h"

#define READ_BYTES (256 * 1024)

/* Reads one file through the page cache and compares it with its line of the manifest. */
static bool verify_file(const char *name, uint64_t length, uint64_t sum_expected, char *answer)
{
    static unsigned char buffer[READ_BYTES]; /* only the worker reads files */
    char path[LINE_BYTES_MAX];
    uint64_t sum = checksum_start(length), total = 0;
    ssize_t got = -1;

    snprintf(path, sizeof(path), DISK "/%.200s", name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    /* Regular files are read in full buffers until the end, so every part but the last is a multiple of 8 bytes. */
    while (file >= 0 && (got = read(file, buffer, sizeof(buffer))) > 0) {
        sum = checksum_add(sum, buffer, (size_t)got);
        total += (uint64_t)got;
    }
    if (got < 0)
        fail(answer, path);
    else if (total != length || checksum_end(sum) != sum_expected)
        answer_with(answer, "error file=%.200s bytes=%llu expected=%llu sum=%016llx expected=%016llx", name,
                    (unsigned long long)total, (unsigned long long)length, (unsigned long long)checksum_end(sum),
                    (unsigned long long)sum_expected);
    if (file >= 0)
        close(file);
    return got == 0 && total == length && checksum_end(sum) == sum_expected;
}

static void read_files(uint64_t bytes_max, char *answer)
{
    char name[256];
    unsigned long long sum, length, files = 0, bytes = 0;
    FILE *manifest = fopen(DISK "/manifest", "r");

    if (!manifest) {
        fail(answer, "manifest");
        return;
    }
    bool intact = true;
    while (intact && bytes < bytes_max && fscanf(manifest, "%llx %llu %255s", &sum, &length, name) == 3) {
        intact = verify_file(name, length, sum, answer);
        files++;
        bytes += length;
    }
    fclose(manifest);
    if (intact)
        answer_with(answer, files ? "ok files=%llu bytes=%llu" : "error manifest is empty", files, bytes);
}

void run_read(char **argument, char *answer)
{
    (void)argument;
    read_files(UINT64_MAX, answer);
}

void run_readsome(char **argument, char *answer)
{
    uint64_t mebibytes;

    if (parse_number(argument[0], MEBIBYTES_MAX, &mebibytes, answer))
        read_files(mebibytes * MEBIBYTE, answer);
}

/* Opens a file named by the host; names stay on the disk. */
static int open_named(const char *name, int flags, char *answer)
{
    char path[LINE_BYTES_MAX];
    int file = -1;

    if (strstr(name, "..")) {
        answer_with(answer, "error path '%.200s' holds '..'", name);
        return -1;
    }
    snprintf(path, sizeof(path), DISK "/%.200s", name);
    file = open(path, flags | O_CLOEXEC, 0644);
    if (file < 0)
        fail(answer, path);
    return file;
}

void run_write(char **argument, char *answer)
{
    uint64_t seed, kibibytes, words[PAGE_WORDS];

    if (!parse_number(argument[1], UINT64_MAX, &seed, answer) ||
        !parse_number(argument[2], MEBIBYTES_MAX, &kibibytes, answer))
        return;
    int file = open_named(argument[0], O_WRONLY | O_CREAT | O_TRUNC, answer);
    if (file < 0)
        return;
    for (uint64_t at = 0; at < kibibytes * 1024; at += PAGE_BYTES) {
        size_t part = kibibytes * 1024 - at < PAGE_BYTES ? kibibytes * 1024 - at : PAGE_BYTES;
        pattern_fill(words, seed, at / PAGE_BYTES, 100);
        errno = ENOSPC; /* what a short write without an error means */
        if (write(file, words, part) != (ssize_t)part) {
            fail(answer, "write");
            close(file);
            return;
        }
    }
    int folder = open(DISK, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fsync(file) || folder < 0 || fsync(folder))
        fail(answer, "fsync");
    close(file);
    if (folder >= 0)
        close(folder);
}

void run_check(char **argument, char *answer)
{
    uint64_t seed, kibibytes, words[PAGE_WORDS], expected[PAGE_WORDS];

    if (!parse_number(argument[1], UINT64_MAX, &seed, answer) ||
        !parse_number(argument[2], MEBIBYTES_MAX, &kibibytes, answer))
        return;
    int file = open_named(argument[0], O_RDONLY, answer);
    if (file < 0)
        return;
    uint64_t at = 0;
    ssize_t got;
    bool intact = true;
    while (intact && (got = read(file, words, PAGE_BYTES)) > 0) {
        pattern_fill(expected, seed, at / PAGE_BYTES, 100);
        intact = !memcmp(words, expected, (size_t)got);
        at += intact ? (uint64_t)got : 0;
    }
    close(file);
    if (!intact || at != kibibytes * 1024)
        answer_with(answer, "error file=%.200s offset=%llu %s", argument[0], (unsigned long long)at,
                    intact ? "is the end, another length is expected" : "is the start of a page that differs");
}

void run_sync(char **argument, char *answer)
{
    (void)argument;
    (void)answer;
    sync();
}

void run_dropcaches(char **argument, char *answer)
{
    (void)argument;
    sync(); /* the kernel drops only clean pages */
    int file = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
    if (file < 0 || write(file, "3", 1) != 1)
        fail(answer, "drop_caches");
    if (file >= 0)
        close(file);
}
