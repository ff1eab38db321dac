/*
 * Plays files to a fuzzer's target, without the fuzzer: replay_X FILE-OR-DIRECTORY...
 * Built with the sanitizers, which end it at the first fault. Prints how many files it played.
 */
#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static unsigned played;

static void fail(const char *name)
{
    perror(name);
    exit(1);
}

/* The bytes are in memory of exactly their size, so that one too many is noticed. */
static void play_file(const char *name)
{
    struct stat st;
    FILE *file = fopen(name, "rb");
    uint8_t *bytes;
    size_t size;

    if (!file || fstat(fileno(file), &st) != 0)
        fail(name);
    size = (size_t)st.st_size;
    bytes = malloc(size ? size : 1);
    if (!bytes || fread(bytes, 1, size, file) != size)
        fail(name);
    fclose(file);
    LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
    played++;
}

static void play(const char *name)
{
    char path[4096];
    struct dirent *entry;
    DIR *dir = opendir(name);

    if (!dir) {
        play_file(name);
        return;
    }
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.') {
            snprintf(path, sizeof(path), "%s/%s", name, entry->d_name);
            play_file(path);
        }
    closedir(dir);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        play(argv[i]);
    printf("%u files\n", played);
    return 0;
}
