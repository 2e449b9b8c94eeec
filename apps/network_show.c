// SPDX-License-Identifier: MIT
#include "network_show.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "io/clock.h"

// Called for each ENTRY (`entry`) or INVITE (`invite`) of the answer.
struct pages {
    struct wend_admin *admin;
    void *context;
    void (*member)(struct pages *, const struct wend_attributes *);
    void (*invite)(struct pages *, const struct wend_attributes *);
};

static void take_page(struct pages *p, const struct wend_attributes *page)
{
    struct wend_bytes rest = page->all, value;
    struct wend_attributes inside;
    while (wend_attribute_next(&rest, WEND_ATTRIBUTE_ENTRY, &value))
        if (p->member != NULL && wend_attributes_parse(value, &inside) == 0)
            p->member(p, &inside);
    rest = page->all;
    while (wend_attribute_next(&rest, WEND_ATTRIBUTE_INVITE, &value))
        if (p->invite != NULL && wend_attributes_parse(value, &inside) == 0)
            p->invite(p, &inside);
}

static int ask_page(struct pages *p, struct wend_client *client, uint32_t offset,
                    struct wend_admin_errand *e)
{
    struct wend_admin *a = p->admin;
    const uint64_t now = wend_clock_unix_seconds();
    uint8_t signature[WEND_SIGNATURE_LEN], memory[256];
    wend_show_sign(a->seed, wend_leg_handshake_hash(wend_client_leg(client)), now, signature);
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    wend_attribute_put(&w, WEND_ATTRIBUTE_NETWORK,
                       (struct wend_bytes){a->public_key, sizeof a->public_key});
    wend_attribute_put_u64(&w, WEND_ATTRIBUTE_TIME, now);
    wend_attribute_put(&w, WEND_ATTRIBUTE_SIGNATURE,
                       (struct wend_bytes){signature, sizeof signature});
    wend_attribute_put_u32(&w, WEND_ATTRIBUTE_OFFSET, offset);
    *e = (struct wend_admin_errand){.type = WEND_CONTROL_SHOW, .attributes = {memory, w.len}};
    return wend_admin_judge(a, e, wend_admin_ask(client, e));
}

static bool is_connected(void *context, struct wend_leg *leg, const struct wend_leg_event *event)
{
    (void)context;
    (void)leg;
    return event->kind == WEND_LEG_CONNECTED;
}

static int all_pages(struct pages *p)
{
    struct wend_client *client = wend_admin_connect(p->admin);
    if (client == NULL)
        return WEND_EXIT_FAILED;
    struct wend_admin_errand e = {0};
    uint32_t offset = 0;
    bool more = true;
    // The signature is over the session's hash, so the session comes first.
    int status = wend_admin_judge(p->admin, &e, wend_client_run(client, is_connected, NULL));
    while (status == WEND_EXIT_OK && more) {
        status = ask_page(p, client, offset, &e);
        struct wend_attributes page;
        if (status != WEND_EXIT_OK)
            break;
        if (wend_attributes_parse((struct wend_bytes){e.answer, e.answer_len}, &page) != 0) {
            status = wend_cli_fail(WEND_EXIT_FAILED, p->admin->command,
                                   "the server's answer is malformed", NULL, "update the server");
            break;
        }
        take_page(p, &page);
        const uint32_t next = wend_attribute_u32(page.offset);
        more = page.more && next > offset;
        offset = next;
    }
    wend_client_close(client);
    return status;
}

// --- printing ---

static void format_time(uint64_t seconds, char ret[static 32])
{
    const time_t t = (time_t)seconds;
    struct tm tm;
    if (gmtime_r(&t, &tm) == NULL || strftime(ret, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        snprintf(ret, 32, "%s", "?");
}

static json_t *json_base64(const uint8_t *at, size_t len)
{
    char text[64];
    wend_assert(WEND_BASE64_SIZE(len) <= sizeof text);
    return json_string(wend_base64_encode((struct wend_bytes){at, len}, text));
}

static json_t *json_time(uint64_t seconds)
{
    char text[32];
    format_time(seconds, text);
    return json_string(text);
}

static const char *status_name(uint8_t status)
{
    return status == WEND_STATUS_ONLINE    ? "online"
           : status == WEND_STATUS_OFFLINE ? "offline"
                                           : "removed";
}

static void add_member(struct pages *p, const struct wend_attributes *entry)
{
    const struct wend_trust trust = {.network = &p->admin->network};
    const struct wend_chain chain = {entry->delegation, entry->membership, entry->receipt};
    struct wend_member m;
    const enum wend_error error =
        wend_trust_check_member(&trust, &chain, wend_clock_unix_seconds(), &m);
    json_t *o = json_object();
    if (error == WEND_ERROR_NONE) {
        char address[WEND_ADDRESS_TEXT_LEN];
        const struct wend_address ipv4 = wend_address_ipv4(m.ipv4, 0);
        const struct wend_address ipv6 = wend_inside_address(p->admin->public_key, m.key);
        json_object_set_new(o, "name", json_string(m.name));
        json_object_set_new(o, "key", json_base64(m.key, sizeof m.key));
        json_t *addresses = json_array();
        json_array_append_new(addresses, json_string(wend_address_format_ip(&ipv4, address)));
        json_array_append_new(addresses, json_string(wend_address_format_ip(&ipv6, address)));
        json_object_set_new(o, "addresses", addresses);
        json_object_set_new(o, "status",
                            json_string(status_name(wend_attribute_u8(entry->status))));
        json_object_set_new(o, "invite", json_base64(m.invite_id, sizeof m.invite_id));
        json_object_set_new(o, "expires", json_time(m.expires));
    } else if (entry->peer.len == WEND_RECORD_KEY_LEN) {
        // The server's word alone; a peer would not believe it either.
        json_object_set_new(o, "key", json_base64(entry->peer.at, entry->peer.len));
        json_object_set_new(o, "status", json_string("refused"));
        json_object_set_new(o, "reason", json_string(wend_error_name((uint16_t)error)));
    } else {
        json_decref(o);
        return;
    }
    json_array_append_new(json_object_get(p->context, "members"), o);
}

static bool is_listed(json_t *invites, const char *id)
{
    for (size_t i = 0; i < json_array_size(invites); i++)
        if (strcmp(json_string_value(json_object_get(json_array_get(invites, i), "id")), id) == 0)
            return true;
    return false;
}

static void list_invite(struct pages *p, struct wend_bytes delegation, uint32_t used)
{
    struct wend_delegation d;
    uint8_t id[WEND_INVITE_ID_LEN];
    json_t *invites = json_object_get(p->context, "invites");
    if (wend_record_verify(delegation, p->admin->public_key) != 0 ||
        wend_delegation_decode(delegation, &d) != 0)
        return;
    wend_invite_id(d.invite_key, id);
    json_t *name = json_base64(id, sizeof id);
    if (is_listed(invites, json_string_value(name))) {
        json_decref(name);
        return;
    }
    json_t *o = json_object();
    json_object_set_new(o, "id", name);
    json_object_set_new(o, "used", json_integer((json_int_t)used));
    json_object_set_new(o, "uses", json_integer((json_int_t)d.uses));
    json_object_set_new(o, "join_before", json_time(d.join_before));
    json_array_append_new(invites, o);
}

static void add_invite(struct pages *p, const struct wend_attributes *invite)
{
    list_invite(p, invite->delegation, wend_attribute_u32(invite->slot));
}

// One that the server has not seen.
static void add_unused(void *context, struct wend_bytes delegation)
{
    list_invite(context, delegation, 0);
}

static void add_servers(json_t *servers, const struct wend_network_record *r)
{
    for (size_t i = 0; i < r->server_count; i++) {
        json_t *o = json_object(), *addresses = json_array();
        for (size_t j = 0; j < r->servers[i].address_count; j++) {
            const struct wend_server_address *at = &r->servers[i].addresses[j];
            char text[WEND_HOST_LEN_MAX + 16];
            if (at->host[0] != 0)
                snprintf(text, sizeof text, "%s:%u", at->host, at->address.port);
            else
                wend_address_format(&at->address, text);
            json_array_append_new(addresses, json_string(text));
        }
        json_object_set_new(o, "key", json_base64(r->servers[i].session_key, WEND_RECORD_KEY_LEN));
        json_object_set_new(o, "addresses", addresses);
        json_array_append_new(servers, o);
    }
}

static const char *text_of(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "-";
}

static void print_text(json_t *root)
{
    size_t i;
    json_t *o;
    printf("network %s  pool %s  key %s\n", text_of(root, "name"), text_of(root, "pool"),
           text_of(root, "key"));
    printf("\n%-20s %-9s %-16s %s\n", "member", "status", "address", "expires");
    json_array_foreach(json_object_get(root, "members"), i, o)
    {
        const char *address = json_string_value(json_array_get(json_object_get(o, "addresses"), 0));
        printf("%-20s %-9s %-16s %s\n", text_of(o, "name"), text_of(o, "status"),
               address != NULL ? address : "-", text_of(o, "expires"));
    }
    printf("\n%-20s %-9s %s\n", "invite", "used", "join before");
    json_array_foreach(json_object_get(root, "invites"), i, o) printf(
        "%-20s %lld/%-7lld %s\n", text_of(o, "id"), json_integer_value(json_object_get(o, "used")),
        json_integer_value(json_object_get(o, "uses")), text_of(o, "join_before"));
    printf("\nserver\n");
    json_array_foreach(json_object_get(root, "servers"), i, o)
    {
        size_t j;
        json_t *address;
        json_array_foreach(json_object_get(o, "addresses"), j, address)
            printf("%s\n", json_string_value(address));
    }
}

int wend_network_show(struct wend_admin *a, bool json)
{
    char pool[WEND_ADDRESS_TEXT_LEN];
    json_t *root = json_object();
    json_object_set_new(root, "version", json_integer(1));
    json_object_set_new(root, "name", json_string(a->network.name));
    json_object_set_new(root, "key", json_base64(a->public_key, sizeof a->public_key));
    json_object_set_new(root, "serial", json_integer((json_int_t)a->network.serial));
    json_object_set_new(root, "pool", json_string(wend_prefix_format(&a->network.pool, pool)));
    json_object_set_new(root, "members", json_array());
    json_object_set_new(root, "invites", json_array());
    json_object_set_new(root, "servers", json_array());
    add_servers(json_object_get(root, "servers"), &a->network);
    struct pages pages = {.admin = a, .context = root, .member = add_member, .invite = add_invite};
    const int status = all_pages(&pages);
    wend_admin_each_invite(a, add_unused, &pages);
    if (status == WEND_EXIT_OK && json) {
        json_dumpf(root, stdout, JSON_INDENT(2));
        printf("\n");
    } else if (status == WEND_EXIT_OK) {
        print_text(root);
    }
    json_decref(root);
    return status;
}

// --- looking one up ---

struct wanted {
    const char *device;
    uint8_t *key;
    char *name;
    bool found;
};

static void match_member(struct pages *p, const struct wend_attributes *entry)
{
    struct wanted *wanted = p->context;
    struct wend_membership m;
    char key[WEND_BASE64_SIZE(WEND_RECORD_KEY_LEN)];
    if (wanted->found || entry->membership.at == NULL ||
        wend_membership_decode(entry->membership, &m) != 0)
        return;
    wend_base64_encode((struct wend_bytes){m.device, sizeof m.device}, key);
    if (strcmp(wanted->device, m.name) != 0 && strcmp(wanted->device, key) != 0)
        return;
    memcpy(wanted->key, m.device, sizeof m.device);
    memcpy(wanted->name, m.name, sizeof m.name);
    wanted->found = true;
}

int wend_network_find(struct wend_admin *a, const char *device, uint8_t ret_key[static 32],
                      char ret_name[static 64])
{
    struct wanted wanted = {.device = device, .key = ret_key, .name = ret_name};
    struct pages pages = {.admin = a, .context = &wanted, .member = match_member};
    const int status = all_pages(&pages);
    if (status != WEND_EXIT_OK || wanted.found)
        return status;
    return wend_cli_fail(WEND_EXIT_FAILED, a->command, "no such device", device,
                         "`wend network show` lists them; a key in base64 works too");
}
