// SPDX-License-Identifier: MIT
// Theory of operation. The file is read whole, its new content is made in memory, and what differs
// is written over it: from the first byte that changes to the end, then cut to length. A file whose
// last line has no newline keeps it so: the block goes before that line, not after it.
#include "io/hosts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

#define LOCK_TRIES   10
#define LOCK_WAIT_NS 20000000
#define LINE_MAX_LEN 256

// Text that grows; `failed` latches without memory.
struct text {
    char *at;
    size_t len, room;
    bool failed;
};

static void add(struct text *t, const char *at, size_t len)
{
    if (t->failed || len == 0)
        return;
    if (t->len + len > t->room) {
        const size_t room = 2 * (t->len + len) + 1024;
        char *more = realloc(t->at, room);
        if (more == NULL) {
            t->failed = true;
            return;
        }
        t->at = more;
        t->room = room;
    }
    memcpy(t->at + t->len, at, len);
    t->len += len;
}

__attribute__((format(printf, 2, 3))) static void add_line(struct text *t, const char *format, ...)
{
    char line[LINE_MAX_LEN];
    va_list arguments;
    va_start(arguments, format);
    const int n = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (n < 0 || (size_t)n >= sizeof line)
        t->failed = true;
    else
        add(t, line, (size_t)n);
}

// --- lines ---

struct line {
    const char *at;
    size_t len;   // without the newline and what white space stands before it
    size_t whole; // with them
};

static struct line line_at(const struct text *t, size_t offset)
{
    const char *at = t->at + offset;
    const char *newline = memchr(at, '\n', t->len - offset);
    struct line l = {.at = at,
                     .whole = newline != NULL ? (size_t)(newline - at) + 1 : t->len - offset};
    l.len = l.whole;
    while (l.len > 0 && strchr(" \t\r\n", l.at[l.len - 1]) != NULL && l.at[l.len - 1] != 0)
        l.len--;
    return l;
}

static bool is_marker(const struct line *l, const char *word, const struct wend_hosts *h)
{
    char marker[LINE_MAX_LEN];
    const int n =
        snprintf(marker, sizeof marker, "# wend %s %s %s", word, h->network, h->interface);
    return n > 0 && (size_t)n == l->len && memcmp(l->at, marker, l->len) == 0;
}

static bool begins_a_block(const struct line *l)
{
    static const char word[] = "# wend begin ";
    return l->len >= sizeof word - 1 && memcmp(l->at, word, sizeof word - 1) == 0;
}

// A line that a block of this network holds: `ADDRESS NAME NAME.NETWORK.wend`.
static bool is_entry(const struct line *l, const struct wend_hosts *h)
{
    char text[LINE_MAX_LEN], full[LINE_MAX_LEN];
    struct wend_address address;
    if (l->len >= sizeof text || memchr(l->at, 0, l->len) != NULL)
        return false;
    memcpy(text, l->at, l->len);
    text[l->len] = 0;
    char *name = strchr(text, ' ');
    char *rest = name != NULL ? strchr(name + 1, ' ') : NULL;
    if (rest == NULL)
        return false;
    *name++ = 0;
    *rest++ = 0;
    const int n = snprintf(full, sizeof full, "%s.%s.wend", name, h->network);
    return n > 0 && (size_t)n < sizeof full && strcmp(full, rest) == 0 &&
           wend_address_parse(text, 0, &address) == 0;
}

// --- the block ---

static void add_entry(struct text *t, const struct wend_hosts *h, const struct wend_name *name,
                      const struct wend_address *a)
{
    char ip[WEND_ADDRESS_TEXT_LEN];
    if (a->family != WEND_FAMILY_NONE)
        add_line(t, "%s %s %s.%s.wend\n", wend_address_format_ip(a, ip), name->name, name->name,
                 h->network);
}

static void add_block(struct text *t, const struct wend_hosts *h, const struct wend_name *names,
                      size_t count)
{
    add_line(t, "# wend begin %s %s\n", h->network, h->interface);
    for (size_t i = 0; i < count; i++) {
        // No member may stand for this machine itself (RFC 6761 section 6.3), nor break the line.
        if (!wend_name_is_valid(wend_bytes_of_text(names[i].name)) ||
            strcmp(names[i].name, "localhost") == 0)
            continue;
        add_entry(t, h, &names[i], &names[i].ipv4);
        add_entry(t, h, &names[i], &names[i].ipv6);
    }
    add_line(t, "# wend end %s %s\n", h->network, h->interface);
}

// Where the block that begins at `offset` ends: behind its end marker, or, if that is missing,
// behind the last line that can only be its own.
static size_t end_of_block(const struct text *old, size_t offset, const struct wend_hosts *h)
{
    struct line l = line_at(old, offset);
    const size_t first = offset + l.whole;
    for (size_t at = first; at < old->len; at += l.whole) {
        l = line_at(old, at);
        if (is_marker(&l, "end", h))
            return at + l.whole;
        if (begins_a_block(&l))
            break;
    }
    size_t at = first;
    for (; at < old->len; at += l.whole) {
        l = line_at(old, at);
        if (!is_entry(&l, h))
            break;
    }
    return at;
}

// A last line without newline behind a block without end, which is a piece of what we write.
static bool is_piece(const struct text *old, size_t offset, const struct text *block)
{
    const struct line l = line_at(old, offset);
    if (l.at[l.whole - 1] == '\n')
        return false;
    for (size_t at = 0; at < block->len;) {
        const struct line ours = line_at(block, at);
        if (ours.whole > l.whole && memcmp(ours.at, l.at, l.whole) == 0)
            return true;
        at += ours.whole;
    }
    return false;
}

// What somebody else wrote between our markers stays.
static void keep_strangers(struct text *t, const struct text *old, size_t from, size_t to,
                           const struct wend_hosts *h)
{
    for (size_t at = from; at < to;) {
        const struct line l = line_at(old, at);
        if (!is_marker(&l, "begin", h) && !is_marker(&l, "end", h) && !is_entry(&l, h))
            add(t, l.at, l.whole);
        at += l.whole;
    }
}

// Copies `old` with `block` in the place of the first block of ours and without any other.
static void replace(struct text *t, const struct text *old, const struct wend_hosts *h,
                    const struct text *block)
{
    bool placed = false;
    size_t at = 0;
    while (at < old->len) {
        const struct line l = line_at(old, at);
        const bool mine = is_marker(&l, "begin", h);
        const bool unfinished = l.at[l.whole - 1] != '\n';
        if (!placed && (mine || unfinished)) {
            add(t, block->at, block->len);
            placed = true;
        }
        if (!mine) {
            if (!is_marker(&l, "end", h)) // the end of nothing
                add(t, l.at, l.whole);
            at += l.whole;
            continue;
        }
        const size_t end = end_of_block(old, at, h);
        keep_strangers(t, old, at, end, h);
        at = end;
        if (at < old->len && is_piece(old, at, block))
            at = old->len;
    }
    if (!placed)
        add(t, block->at, block->len);
}

// --- the file ---

static int lock(int fd)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -errno;
        nanosleep(&(struct timespec){.tv_nsec = LOCK_WAIT_NS}, NULL);
    }
    return -EBUSY;
}

static int read_file(int fd, struct text *ret)
{
    char part[65536];
    for (;;) {
        const ssize_t n = pread(fd, part, sizeof part, (off_t)ret->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return ret->failed ? -ENOMEM : 0;
        add(ret, part, (size_t)n);
        if (ret->len > WEND_HOSTS_BYTES_MAX)
            return -EFBIG;
    }
}

static int write_from(int fd, const struct text *t, size_t offset)
{
    while (offset < t->len) {
        const ssize_t n = pwrite(fd, t->at + offset, t->len - offset, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        offset += (size_t)n;
    }
    if (ftruncate(fd, (off_t)t->len) != 0 || fsync(fd) != 0)
        return -errno;
    return 0;
}

static int write_file(int fd, const struct text *old, const struct text *new)
{
    size_t same = 0;
    while (same < old->len && same < new->len && old->at[same] == new->at[same])
        same++;
    if (same == old->len && same == new->len)
        return 0;
    const int error = write_from(fd, new, same);
    if (error != 0)
        (void)write_from(fd, old, same);
    return error;
}

static int edit(const struct wend_hosts *h, const struct text *block)
{
    const int fd = open(h->path, O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    struct text old = {0}, new = {0};
    int error = block->failed ? -ENOMEM : lock(fd);
    if (error == 0)
        error = read_file(fd, &old);
    if (error == 0) {
        replace(&new, &old, h, block);
        error = new.failed ? -ENOMEM : write_file(fd, &old, &new);
    }
    free(old.at);
    free(new.at);
    close(fd); // and unlocks
    return error;
}

int wend_hosts_write(const struct wend_hosts *h, const struct wend_name *names, size_t count)
{
    struct text block = {0};
    add_block(&block, h, names, count);
    const int error = edit(h, &block);
    free(block.at);
    return error;
}

int wend_hosts_remove(const struct wend_hosts *h)
{
    return edit(h, &(struct text){0});
}
