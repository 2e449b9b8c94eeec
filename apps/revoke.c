// SPDX-License-Identifier: MIT
// wend revoke: puts a device or an invite on the network's revocation list.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin.h"
#include "io/clock.h"
#include "network_show.h"

#define PART_MAX 1024 // bytes of a longer list in one message

// The list as the server holds it, fetched in parts.
struct list {
    uint8_t bytes[WEND_REVOCATION_LIST_MAX];
    size_t len; // 0: none yet
    uint8_t entries[WEND_REVOCATION_LIST_MAX];
    struct wend_revocation_list decoded;
};

static int ask_part(struct wend_admin *a, struct wend_client *client, uint32_t offset,
                    struct wend_admin_errand *e)
{
    uint8_t memory[64];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    wend_attribute_put(&w, WEND_ATTRIBUTE_NETWORK,
                       (struct wend_bytes){a->public_key, sizeof a->public_key});
    wend_attribute_put_u8(&w, WEND_ATTRIBUTE_OBJECT, WEND_OBJECT_REVOCATION_LIST);
    wend_attribute_put_u32(&w, WEND_ATTRIBUTE_OFFSET, offset);
    *e = (struct wend_admin_errand){.type = WEND_CONTROL_FETCH, .attributes = {memory, w.len}};
    return wend_admin_judge(a, e, wend_admin_ask(client, e));
}

static int malformed(const struct wend_admin *a)
{
    return wend_cli_fail(WEND_EXIT_FAILED, a->command, "the server's revocation list is malformed",
                         NULL, "do not trust this server");
}

static int fetch(struct wend_admin *a, struct wend_client *client, struct list *list)
{
    for (;;) {
        struct wend_admin_errand e;
        struct wend_attributes part;
        const int status = ask_part(a, client, (uint32_t)list->len, &e);
        if (status != WEND_EXIT_OK)
            return status;
        if (wend_attributes_parse((struct wend_bytes){e.answer, e.answer_len}, &part) != 0)
            return malformed(a);
        const uint32_t size = wend_attribute_u32(part.size);
        if (size > sizeof list->bytes || part.part.len > size - list->len)
            return malformed(a);
        if (part.part.len > 0)
            memcpy(list->bytes + list->len, part.part.at, part.part.len);
        list->len += part.part.len;
        if (list->len == size)
            break;
        if (part.part.len == 0)
            return malformed(a);
    }
    const struct wend_bytes whole = {list->bytes, list->len};
    if (list->len > 0 && (wend_record_verify(whole, a->public_key) != 0 ||
                          wend_revocation_list_decode(whole, &list->decoded) != 0))
        return malformed(a);
    return WEND_EXIT_OK;
}

// Adds the entry under the next serial, and signs into `ret`.
static int extend(struct wend_admin *a, struct list *list, struct wend_bytes entry,
                  struct wend_writer *ret)
{
    struct wend_revocation_list *l = &list->decoded;
    memcpy(l->network, a->public_key, sizeof l->network);
    const int error = wend_revocation_add(l, list->entries, sizeof list->entries, entry);
    if (error == -EEXIST)
        return wend_cli_fail(WEND_EXIT_FAILED, a->command, "it is revoked already", NULL, NULL);
    if (error != 0)
        return wend_cli_fail(WEND_EXIT_FAILED, a->command, "the revocation list is full", "1024",
                             "make a new network");
    l->serial++;
    l->issued = wend_clock_unix_seconds();
    wend_assert(wend_revocation_list_sign(l, a->seed, ret) == 0);
    return WEND_EXIT_OK;
}

static int publish_part(struct wend_admin *a, struct wend_client *client, struct wend_bytes list,
                        size_t at)
{
    const size_t part = list.len - at < PART_MAX ? list.len - at : PART_MAX;
    uint8_t memory[WEND_LEG_BODY_MAX];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    if (part == list.len) {
        wend_attribute_put(&w, WEND_ATTRIBUTE_REVOCATION_LIST, list);
    } else {
        wend_attribute_put(&w, WEND_ATTRIBUTE_NETWORK,
                           (struct wend_bytes){a->public_key, sizeof a->public_key});
        wend_attribute_put_u8(&w, WEND_ATTRIBUTE_OBJECT, WEND_OBJECT_REVOCATION_LIST);
        wend_attribute_put_u32(&w, WEND_ATTRIBUTE_OFFSET, (uint32_t)at);
        wend_attribute_put_u32(&w, WEND_ATTRIBUTE_SIZE, (uint32_t)list.len);
        wend_attribute_put(&w, WEND_ATTRIBUTE_PART, (struct wend_bytes){list.at + at, part});
    }
    struct wend_admin_errand e = {.type = WEND_CONTROL_PUBLISH, .attributes = {memory, w.len}};
    return wend_admin_judge(a, &e, wend_admin_ask(client, &e));
}

static int publish(struct wend_admin *a, struct wend_client *client, struct wend_bytes list)
{
    int status = WEND_EXIT_OK;
    for (size_t at = 0; at < list.len && status == WEND_EXIT_OK; at += PART_MAX)
        status = publish_part(a, client, list, at);
    return status;
}

static int revoke(struct wend_admin *a, struct wend_bytes entry)
{
    struct list *list = calloc(1, sizeof *list);
    uint8_t *bytes = malloc(WEND_REVOCATION_LIST_MAX);
    struct wend_client *client = wend_admin_connect(a);
    int status = WEND_EXIT_FAILED;
    if (list != NULL && bytes != NULL && client != NULL) {
        struct wend_writer w = wend_writer_of(bytes, WEND_REVOCATION_LIST_MAX);
        status = fetch(a, client, list);
        if (status == WEND_EXIT_OK)
            status = extend(a, list, entry, &w);
        if (status == WEND_EXIT_OK)
            status = publish(a, client, (struct wend_bytes){bytes, w.len});
    }
    wend_client_close(client);
    free(bytes);
    free(list);
    return status;
}

static int read_invite_id(const char *text, uint8_t ret[static WEND_INVITE_ID_LEN])
{
    const struct wend_bytes in = {(const uint8_t *)text, strlen(text)};
    return wend_base64_decode(in, ret, WEND_INVITE_ID_LEN) == WEND_INVITE_ID_LEN ? 0 : -EINVAL;
}

static int revoke_invite(struct wend_admin *a, const char *text)
{
    uint8_t id[WEND_INVITE_ID_LEN];
    if (read_invite_id(text, id) != 0)
        return wend_cli_fail(WEND_EXIT_USAGE, a->command, "not an invite's id", text,
                             "`wend network show` lists them");
    const int status = revoke(a, (struct wend_bytes){id, sizeof id});
    if (status == WEND_EXIT_OK)
        printf("revoked invite %s\n", text);
    return status;
}

static int revoke_device(struct wend_admin *a, const char *device)
{
    uint8_t key[32];
    char name[64];
    int status = wend_network_find(a, device, key, name);
    if (status == WEND_EXIT_OK)
        status = revoke(a, (struct wend_bytes){key, sizeof key});
    if (status == WEND_EXIT_OK)
        printf("revoked device %s\n", name);
    return status;
}

int wend_cmd_revoke(int argc, char **argv)
{
    const char *invite = NULL, *key_file = NULL;
    const struct wend_cli_option options[] = {
        {.name = "invite",
         .argument = "ID",
         .value = &invite,
         .help = "revoke an invite and all who joined with it"},
        {.name = "key-file",
         .argument = "FILE",
         .value = &key_file,
         .help = "the network's key (STATE/networks/NAME.key)"},
    };
    const struct wend_cli_spec spec = {
        .command = "revoke",
        .usage = "NAME DEVICE | NAME --invite ID [--key-file FILE]",
        .about = "Puts a device (by name or key) or an invite out of network NAME, for good.",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .positional_min = 1,
        .positional_max = 2,
    };
    struct wend_cli_common common;
    char *positional[3];
    const int parsed = wend_cli_parse(&spec, argc, argv, &common, positional);
    if (parsed != 0)
        return parsed > 0 ? WEND_EXIT_OK : WEND_EXIT_USAGE;
    if ((positional[1] != NULL) == (invite != NULL))
        return wend_cli_fail(WEND_EXIT_USAGE, "revoke", "name a device or an invite", NULL,
                             "see wend revoke --help");
    struct wend_admin a = {.command = "revoke", .state = common.state, .name = positional[0]};
    int status = wend_admin_open(&a, key_file, false);
    if (status == WEND_EXIT_OK)
        status = invite != NULL ? revoke_invite(&a, invite) : revoke_device(&a, positional[1]);
    wend_admin_close(&a);
    return status;
}
