/* Generates the file tree of the guest's disk, always the same one: text made of seeded words (compressible), seeded
 * random bytes (incompressible), the manifest that lists them, and the debugfs script that puts them on the disk.
 *
 * usage: seedtree DIRECTORY BINARY_MIB TEXT_MIB    writes DIRECTORY/{manifest,script} and the files under
 * DIRECTORY/tree: data/work.bin, BINARY_MIB more of random bytes, TEXT_MIB of text
 *
 * A script in a fixed order is used instead of `mkfs.ext4 -d` because that takes the order of the files and their
 * change times from the file system of the building machine, so no two disks would be equal. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pattern.h"

#define TEXT_FOLDERS 32
/* The page-cache half of the largest working set: 320 MiB at most. */
#define WORK_BYTES (160 * MEBIBYTE)
#define FILE_BYTES_MAX WORK_BYTES
#define VOCABULARY 2048

struct word {
    char text[16];
    size_t length;
};

static struct word vocabulary[VOCABULARY];
static uint64_t random_state, binary_bytes, text_bytes;
static unsigned char *buffer;
static FILE *manifest, *script;

static void die(const char *what)
{
    fprintf(stderr, "seedtree: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Uniform in 0 to below - 1; below is small against 2^32, so the bias does not matter. */
static uint64_t random_below(uint64_t below)
{
    return ((next_random(&random_state) >> 32) * below) >> 32;
}

/* Small files are as common as large ones are rare: a uniform choice of the power of two, then within it. */
static uint64_t random_size(unsigned log2_min, unsigned log2_max)
{
    uint64_t floor = 1ULL << (log2_min + random_below(log2_max - log2_min));
    return floor + random_below(floor);
}

static void invent_vocabulary(void)
{
    static const char consonants[] = "bcdfghklmnprstvw", vowels[] = "aeiou";

    for (size_t i = 0; i < VOCABULARY; i++) {
        size_t syllables = 1 + random_below(4);
        struct word *word = &vocabulary[i];
        for (size_t s = 0; s < syllables; s++) {
            word->text[word->length++] = consonants[random_below(sizeof(consonants) - 1)];
            word->text[word->length++] = vowels[random_below(sizeof(vowels) - 1)];
            if (random_below(3) == 0)
                word->text[word->length++] = consonants[random_below(sizeof(consonants) - 1)];
        }
    }
}

static void write_text(uint64_t length)
{
    uint64_t at = 0, line = 0;

    while (at < length) {
        /* The product of two choices prefers the front of the list, as languages prefer a few words. */
        const struct word *word = &vocabulary[random_below(1 + random_below(VOCABULARY))];
        size_t fits = word->length < length - at ? word->length : length - at;
        memcpy(buffer + at, word->text, fits);
        at += fits;
        line += fits + 1;
        if (at < length)
            buffer[at++] = line > 72 ? '\n' : ' ';
        if (line > 72)
            line = 0;
    }
}

static void write_binary(uint64_t length)
{
    uint64_t seed = next_random(&random_state);

    for (uint64_t page = 0; page * PAGE_BYTES < length; page++)
        pattern_fill((uint64_t *)(buffer + page * PAGE_BYTES), seed, page, 100);
}

/* Saves the buffer as tree/FOLDER/NAME; the script is expected to stand in that folder of the disk. */
static void save(const char *folder, const char *name, uint64_t length)
{
    char path[256];
    uint64_t sum = checksum_end(checksum_add(checksum_start(length), buffer, length));

    snprintf(path, sizeof(path), "tree%s/%s", folder, name);
    FILE *out = fopen(path, "wb");
    if (!out || fwrite(buffer, 1, length, out) != length || fclose(out))
        die(path);
    fprintf(manifest, "%016llx %llu %s/%s\n", (unsigned long long)sum, (unsigned long long)length, folder + 1, name);
    fprintf(script, "write %s %s\n", path, name);
}

static void enter(const char *folder)
{
    char path[256];
    const char *name = strrchr(folder, '/') + 1;

    snprintf(path, sizeof(path), "tree%s", folder);
    if (mkdir(path, 0755))
        die(path);
    /* debugfs looks up the parent of `mkdir /NAME` in the current folder, so go there first. */
    fprintf(script, "cd /\ncd %.*s\nmkdir %s\ncd %s\n", (int)(name - folder), folder, name, folder);
}

static void generate(void)
{
    char name[64];
    uint64_t total = 0;

    enter("/data");
    write_binary(WORK_BYTES);
    save("/data", "work.bin", WORK_BYTES);
    for (int i = 0; total < binary_bytes; i++) {
        uint64_t length = random_size(16, 23);
        write_binary(length);
        snprintf(name, sizeof(name), "b%04d.bin", i);
        save("/data", name, length);
        total += length;
    }
    enter("/text");
    total = 0;
    for (int folder = 0; folder < TEXT_FOLDERS; folder++) {
        char path[64];
        snprintf(path, sizeof(path), "/text/d%02d", folder);
        enter(path);
        for (int i = 0; total < text_bytes * (folder + 1) / TEXT_FOLDERS; i++) {
            uint64_t length = random_size(10, 20);
            write_text(length);
            snprintf(name, sizeof(name), "t%04d.txt", i);
            save(path, name, length);
            total += length;
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: seedtree DIRECTORY BINARY_MIB TEXT_MIB\n");
        return 2;
    }
    binary_bytes = strtoull(argv[2], NULL, 10) * MEBIBYTE;
    text_bytes = strtoull(argv[3], NULL, 10) * MEBIBYTE;
    random_state = mix64(0x646f726d6f757365ULL);
    buffer = malloc(FILE_BYTES_MAX + PAGE_BYTES);
    umask(022);
    if (!buffer || chdir(argv[1]) || mkdir("tree", 0755))
        die(argv[1]);
    manifest = fopen("manifest", "w");
    script = fopen("script", "w");
    if (!manifest || !script)
        die(argv[1]);
    invent_vocabulary();
    generate();
    fprintf(script, "cd /\nwrite manifest manifest\n");
    if (fclose(manifest) || fclose(script))
        die(argv[1]);
    return 0;
}
