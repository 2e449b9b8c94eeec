// SPDX-License-Identifier: MIT
// Records and revocations: published, fetched, applied; and what a network's key is shown.
#include "world.h"

struct list {
    struct wend_revocation_list decoded;
    uint8_t entries[WEND_REVOCATION_LIST_MAX];
    uint8_t bytes[WEND_REVOCATION_LIST_MAX];
    size_t len;
};

static void revoke(struct list *l, const struct net *n, struct wend_bytes value)
{
    memcpy(l->decoded.network, n->key, 32);
    l->decoded.issued = WORLD_UNIX;
    assert_int_equal(wend_revocation_add(&l->decoded, l->entries, sizeof l->entries, value), 0);
}

static void sign(struct list *l, const struct net *n)
{
    l->decoded.serial++;
    struct wend_writer w = wend_writer_of(l->bytes, sizeof l->bytes);
    assert_int_equal(wend_revocation_list_sign(&l->decoded, n->seed, &w), 0);
    l->len = w.len;
}

static uint16_t publish(struct client *c, enum wend_attribute_type type, struct wend_bytes record)
{
    uint8_t memory[1300];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    wend_attribute_put(&w, type, record);
    return client_ask(c, WEND_CONTROL_PUBLISH, (struct wend_bytes){memory, w.len});
}

static uint16_t publish_part(struct client *c, const struct net *n, const struct list *l, size_t at)
{
    uint8_t memory[1300];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    const size_t len = l->len - at < 1024 ? l->len - at : 1024;
    wend_attribute_put(&w, WEND_ATTRIBUTE_NETWORK, WEND_BYTES(n->key));
    wend_attribute_put_u8(&w, WEND_ATTRIBUTE_OBJECT, WEND_OBJECT_REVOCATION_LIST);
    wend_attribute_put_u32(&w, WEND_ATTRIBUTE_OFFSET, (uint32_t)at);
    wend_attribute_put_u32(&w, WEND_ATTRIBUTE_SIZE, (uint32_t)l->len);
    wend_attribute_put(&w, WEND_ATTRIBUTE_PART, (struct wend_bytes){l->bytes + at, len});
    return client_ask(c, WEND_CONTROL_PUBLISH, (struct wend_bytes){memory, w.len});
}

static size_t fetch(struct client *c, const struct net *n, uint8_t object, uint8_t *ret)
{
    size_t have = 0;
    for (;;) {
        uint8_t memory[64];
        struct wend_writer w = wend_writer_of(memory, sizeof memory);
        wend_attribute_put(&w, WEND_ATTRIBUTE_NETWORK, WEND_BYTES(n->key));
        wend_attribute_put_u8(&w, WEND_ATTRIBUTE_OBJECT, object);
        wend_attribute_put_u32(&w, WEND_ATTRIBUTE_OFFSET, (uint32_t)have);
        assert_int_equal(client_ask(c, WEND_CONTROL_FETCH, (struct wend_bytes){memory, w.len}), 0);
        assert_int_equal(wend_attribute_u32(c->a.offset), have);
        if (c->a.part.len > 0)
            memcpy(ret + have, c->a.part.at, c->a.part.len);
        have += c->a.part.len;
        if (have == wend_attribute_u32(c->a.size))
            return have;
        assert_true(c->a.part.len > 0);
    }
}

static void a_revoked_device_is_out_at_once(void **state)
{
    static struct list list;
    struct world w;
    struct net home;
    struct client a, b, admin;
    struct kept k;
    struct wend_hint hint;
    struct wend_attributes e;
    (void)state;
    memset(&list, 0, sizeof list);
    world_open(&w, NULL);
    net_load(&home, &w, 1);
    client_init(&a, &w, 1);
    client_up(&a, &home, "a");
    assert_int_equal(client_subscribe(&a, (struct wend_position){0}), 0);
    client_init(&b, &w, 2);
    client_up(&b, &home, "b");
    world_wait(&w, WEND_MS(10)); // a is told of b
    client_init(&admin, &w, 50);
    client_connect(&admin);
    while (client_hear(&a))
        ;
    const struct wend_bytes key = WEND_BYTES(b.identity.public_key);
    revoke(&list, &home, key);
    sign(&list, &home);
    assert_int_equal(
        publish(&admin, WEND_ATTRIBUTE_REVOCATION_LIST, (struct wend_bytes){list.bytes, list.len}),
        0);
    assert_int_equal(world_counts(&w).online, 1);
    assert_int_equal(world_count_events(&w, WEND_RELAY_STORE_REVOCATIONS), 1);
    // It is told that its session is gone, by the index that it knows.
    assert_true(world_take(&w, &b.way, &k));
    assert_int_equal(wend_hint_read(k.d.bytes, &hint), 0);
    assert_int_equal(hint.kind, WEND_HINT_UNKNOWN_SESSION);
    assert_int_equal(wend_get_u32le(hint.echo), b.box.remote_index);
    // It is no longer known, and refused when it comes again.
    const uint8_t body[8] = {0, 4};
    (void)client_say(&b, WEND_BYTES(body));
    assert_true(world_take(&w, &b.way, &k));
    assert_int_equal(wend_hint_read(k.d.bytes, &hint), 0);
    client_connect(&b);
    assert_int_equal(client_register(&b, &home), WEND_ERROR_REVOKED);
    assert_int_equal(client_join(&b, &home, "b"), WEND_ERROR_REVOKED);
    // The others hear of it, with the serial of the list.
    world_wait(&w, WEND_MS(400));
    bool removed = false;
    while (client_hear(&a)) {
        struct wend_bytes rest = a.a.all, entry;
        while (wend_attribute_next(&rest, WEND_ATTRIBUTE_ENTRY, &entry)) {
            assert_int_equal(wend_attributes_parse(entry, &e), 0);
            removed = removed ||
                      (e.status.at != NULL && wend_attribute_u8(e.status) == WEND_STATUS_REMOVED &&
                       memcmp(e.peer.at, b.identity.public_key, 32) == 0);
        }
    }
    assert_true(removed);
    assert_int_equal(wend_attribute_u64(a.a.revocation_serial), 1);
    // The name is free for another key; the slot is not.
    struct client c;
    client_init(&c, &w, 3);
    client_up(&c, &home, "b");
    assert_int_equal(c.slot, 2);
    world_close(&w);
}

static void a_revoked_invite_puts_out_all_who_came_by_it(void **state)
{
    static struct list list;
    struct world w;
    struct net home, first;
    struct client a, b, c;
    uint8_t id[WEND_INVITE_ID_LEN];
    (void)state;
    memset(&list, 0, sizeof list);
    world_open(&w, NULL);
    net_load(&home, &w, 1);
    first = home;
    client_init(&a, &w, 1);
    client_up(&a, &home, "a");
    net_invite(&home, 7, 5, 3600);
    client_init(&b, &w, 2);
    client_up(&b, &home, "b");
    wend_invite_id(home.invite_key, id);
    revoke(&list, &home, WEND_BYTES(id));
    sign(&list, &home);
    assert_int_equal(
        publish(&a, WEND_ATTRIBUTE_REVOCATION_LIST, (struct wend_bytes){list.bytes, list.len}), 0);
    assert_int_equal(world_counts(&w).online, 1);
    client_init(&c, &w, 3);
    client_connect(&c);
    assert_int_equal(client_join(&c, &home, "c"), WEND_ERROR_REVOKED);
    assert_int_equal(client_join(&c, &first, "c"), 0);
    world_close(&w);
}

static void only_newer_and_signed_lists_count(void **state)
{
    static struct list list;
    struct world w;
    struct net home, other;
    struct client a;
    uint8_t key[32];
    (void)state;
    memset(&list, 0, sizeof list);
    world_open(&w, NULL);
    net_load(&home, &w, 1);
    net_init(&other, &w, 2);
    client_init(&a, &w, 1);
    client_connect(&a);
    fill_key(key, 1, 0x99);
    revoke(&list, &home, WEND_BYTES(key));
    sign(&list, &home);
    const struct wend_bytes view = {list.bytes, list.len};
    list.bytes[list.len - 1] ^= 1;
    assert_int_equal(publish(&a, WEND_ATTRIBUTE_REVOCATION_LIST, view), WEND_ERROR_FORGED);
    list.bytes[list.len - 1] ^= 1;
    assert_int_equal(publish(&a, WEND_ATTRIBUTE_REVOCATION_LIST, view), 0);
    assert_int_equal(publish(&a, WEND_ATTRIBUTE_REVOCATION_LIST, view), 0); // said twice
    list.decoded.serial = 0;
    list.decoded.issued++;
    sign(&list, &home);
    assert_int_equal(publish(&a, WEND_ATTRIBUTE_REVOCATION_LIST, view), WEND_ERROR_STALE);
    assert_int_equal(publish(&a, WEND_ATTRIBUTE_NETWORK_RECORD,
                             (struct wend_bytes){other.record, other.record_len}),
                     WEND_ERROR_UNKNOWN_PEER);
    home.decoded.serial = 2;
    net_sign_record(&home);
    assert_int_equal(publish(&a, WEND_ATTRIBUTE_NETWORK_RECORD,
                             (struct wend_bytes){home.record, home.record_len}),
                     0);
    assert_int_equal(world_count_events(&w, WEND_RELAY_STORE_NETWORK), 1);
    assert_int_equal(world_count_events(&w, WEND_RELAY_STORE_REVOCATIONS), 1);
    world_close(&w);
}

static void a_long_list_goes_in_parts(void **state)
{
    static struct list list;
    static uint8_t back[WEND_REVOCATION_LIST_MAX];
    struct world w;
    struct net home;
    struct client a, b;
    uint8_t key[32];
    (void)state;
    memset(&list, 0, sizeof list);
    world_open(&w, NULL);
    net_load(&home, &w, 1);
    client_init(&a, &w, 1);
    client_connect(&a);
    assert_int_equal(fetch(&a, &home, WEND_OBJECT_REVOCATION_LIST, back), 0);
    for (uint32_t i = 0; i < 1024; i++) {
        fill_key(key, i, 0x99);
        revoke(&list, &home, WEND_BYTES(key));
    }
    sign(&list, &home);
    assert_int_equal(publish_part(&a, &home, &list, 1024), WEND_ERROR_MALFORMED); // no beginning
    for (size_t at = 0; at < list.len; at += 1024) {
        assert_int_equal(publish_part(&a, &home, &list, at), 0);
        if (at == 2048)
            assert_int_equal(publish_part(&a, &home, &list, 1024), 0); // a repetition
        if (at == 3072)
            assert_int_equal(publish_part(&a, &home, &list, 9216), WEND_ERROR_MALFORMED);
    }
    assert_int_equal(fetch(&a, &home, WEND_OBJECT_REVOCATION_LIST, back), list.len);
    assert_memory_equal(back, list.bytes, list.len);
    assert_int_equal(fetch(&a, &home, WEND_OBJECT_NETWORK_RECORD, back), home.record_len);
    assert_memory_equal(back, home.record, home.record_len);
    // Four may publish at once; the fifth displaces the one that was quiet longest.
    list.decoded.issued++;
    sign(&list, &home);
    assert_int_equal(publish_part(&a, &home, &list, 0), 0);
    for (uint32_t i = 0; i < 4; i++) {
        world_wait(&w, WEND_S(1));
        client_init(&b, &w, 10 + i);
        client_connect(&b);
        assert_int_equal(publish_part(&b, &home, &list, 0), 0);
    }
    assert_int_equal(publish_part(&a, &home, &list, 1024), WEND_ERROR_MALFORMED);
    assert_int_equal(publish_part(&b, &home, &list, 1024), 0);
    world_close(&w);
}

static uint16_t show(struct client *c, const struct net *n, uint32_t offset, int64_t skew)
{
    uint8_t memory[256], signature[64];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    const uint64_t time = c->world->unix_seconds + (uint64_t)skew;
    wend_show_sign(n->seed, c->hash, time, signature);
    wend_attribute_put(&w, WEND_ATTRIBUTE_NETWORK, WEND_BYTES(n->key));
    wend_attribute_put_u64(&w, WEND_ATTRIBUTE_TIME, time);
    wend_attribute_put(&w, WEND_ATTRIBUTE_SIGNATURE, WEND_BYTES(signature));
    wend_attribute_put_u32(&w, WEND_ATTRIBUTE_OFFSET, offset);
    return client_ask(c, WEND_CONTROL_SHOW, (struct wend_bytes){memory, w.len});
}

static unsigned count(const struct client *c, enum wend_attribute_type type)
{
    struct wend_bytes rest = c->a.all, value;
    unsigned n = 0;
    while (wend_attribute_next(&rest, type, &value))
        n++;
    return n;
}

static void the_networks_key_is_shown_everything(void **state)
{
    struct world w;
    struct net home, stolen;
    struct client clients[5], admin;
    char name[8];
    unsigned members = 0, invites = 0;
    uint32_t offset = 0;
    (void)state;
    world_open(&w, NULL);
    net_load(&home, &w, 1);
    for (uint32_t i = 0; i < 5; i++) {
        client_init(&clients[i], &w, 1 + i);
        snprintf(name, sizeof name, "d%u", i);
        net_invite(&home, 20 + i / 2, 2, 3600);
        client_up(&clients[i], &home, name);
    }
    client_init(&admin, &w, 50);
    client_connect(&admin);
    for (bool more = true; more;) {
        assert_int_equal(show(&admin, &home, offset, 0), 0);
        members += count(&admin, WEND_ATTRIBUTE_ENTRY);
        invites += count(&admin, WEND_ATTRIBUTE_INVITE);
        more = admin.a.more;
        assert_true(wend_attribute_u32(admin.a.offset) > offset);
        offset = wend_attribute_u32(admin.a.offset);
    }
    assert_int_equal(members, 5);
    assert_int_equal(invites, 3);
    stolen = home;
    stolen.seed[0] ^= 1;
    assert_int_equal(show(&admin, &stolen, 0, 0), WEND_ERROR_FORGED);
    assert_int_equal(show(&admin, &home, 0, -601), WEND_ERROR_BACKDATED);
    assert_int_equal(show(&admin, &home, 0, 601), WEND_ERROR_NOT_YET_VALID);
    admin.hash[0] ^= 1; // a signature for another session
    assert_int_equal(show(&admin, &home, 0, 0), WEND_ERROR_FORGED);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_revoked_device_is_out_at_once),
        cmocka_unit_test(a_revoked_invite_puts_out_all_who_came_by_it),
        cmocka_unit_test(only_newer_and_signed_lists_count),
        cmocka_unit_test(a_long_list_goes_in_parts),
        cmocka_unit_test(the_networks_key_is_shown_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
