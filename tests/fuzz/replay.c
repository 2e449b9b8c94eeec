// SPDX-License-Identifier: MIT
// Runs a fuzz target, which is linked in, over the files of the directories given: what a fuzzer
// once found stays found, with any compiler. A directory without a file is a failure, so that a
// missing corpus is not taken for a passed one.
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// The input lies in an allocation of exactly its size, so that a sanitizer sees one byte too far.
static int replay_stream(FILE *file)
{
    size_t len = 0;
    size_t capacity = 4096;
    uint8_t *data = malloc(capacity);
    while (data != NULL) {
        len += fread(data + len, 1, capacity - len, file);
        if (len < capacity)
            break;
        capacity *= 2;
        uint8_t *const larger = realloc(data, capacity);
        if (larger == NULL)
            free(data);
        data = larger;
    }
    uint8_t *const exact = data == NULL ? NULL : malloc(len > 0 ? len : 1);
    const int result = exact == NULL || ferror(file) ? -1 : 0;
    if (result == 0) {
        memcpy(exact, data, len);
        LLVMFuzzerTestOneInput(exact, len);
    }
    free(exact);
    free(data);
    return result;
}

static int replay_file(const char *directory, const char *name)
{
    char path[4096];
    const int len = snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *const file = len > 0 && (size_t)len < sizeof path ? fopen(path, "rb") : NULL;
    if (file == NULL) {
        perror(name);
        return -1;
    }
    printf("replay %s\n", path); // before it runs, so that the last line names the culprit
    fflush(stdout);
    const int result = replay_stream(file);
    if (result != 0)
        fprintf(stderr, "%s: cannot be read\n", path);
    fclose(file);
    return result;
}

static int skip_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

// Returns the number of files replayed, or -1.
static int replay_directory(const char *directory)
{
    struct dirent **entries = NULL;
    const int count = scandir(directory, &entries, skip_hidden, alphasort);
    int failed = 0;
    if (count <= 0)
        fprintf(stderr, "%s: no corpus\n", directory);
    for (int i = 0; i < count; i++) {
        failed |= replay_file(directory, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return failed || count <= 0 ? -1 : count;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s DIRECTORY…\n", argv[0]);
        return 2;
    }
    const uint8_t nothing = 0;
    LLVMFuzzerTestOneInput(&nothing, 0);
    int failed = 0;
    int total = 0;
    for (int i = 1; i < argc; i++) {
        const int count = replay_directory(argv[i]);
        failed |= count < 0;
        total += count > 0 ? count : 0;
    }
    printf("%d inputs\n", total);
    return failed ? 1 : 0;
}
