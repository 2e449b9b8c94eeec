// SPDX-License-Identifier: MIT
// What the server wrote is there when it is opened again, and not before it was committed.
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../relay/world.h"
#include "io/store_server.h"

static char state[64];

static int make_state(void **unused)
{
    (void)unused;
    snprintf(state, sizeof state, "/tmp/wend-store-XXXXXX");
    return mkdtemp(state) != NULL ? 0 : -1;
}

static int remove_state(void **unused)
{
    static const char *const files[] = {"server.db", "server.db-wal", "server.db-shm", "sub"};
    char path[128];
    (void)unused;
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", state, files[i]);
        (void)remove(path);
    }
    return rmdir(state);
}

static struct wend_server_store *open_store(void)
{
    struct wend_server_store *s = NULL;
    assert_int_equal(wend_server_store_open(state, true, &s), 0);
    return s;
}

static void only_the_owner_reads_it(void **unused)
{
    char path[128];
    struct stat file;
    struct wend_server_store *s = NULL;
    (void)unused;
    assert_int_equal(wend_server_store_open(state, false, &s), -ENOENT);
    s = open_store();
    assert_int_equal(wend_server_store_put(s, "x", (struct wend_bytes){(uint8_t *)state, 4}), 0);
    static const char *const files[] = {"server.db", "server.db-wal"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", state, files[i]);
        assert_int_equal(stat(path, &file), 0);
        assert_int_equal(file.st_mode & 0777, 0600);
    }
    wend_server_store_close(s);
}

static void values_are_kept(void **unused)
{
    uint8_t value[8] = {1, 2, 3}, back[8];
    struct wend_server_store *s = open_store();
    (void)unused;
    assert_int_equal(wend_server_store_get(s, "key", back, sizeof back), 0);
    assert_int_equal(wend_server_store_put(s, "key", WEND_BYTES(value)), 0);
    value[0] = 9;
    assert_int_equal(wend_server_store_put(s, "key", WEND_BYTES(value)), 0);
    wend_server_store_close(s);
    s = open_store();
    assert_int_equal(wend_server_store_get(s, "key", back, 4), -EMSGSIZE);
    assert_int_equal(wend_server_store_get(s, "key", back, sizeof back), 8);
    assert_memory_equal(back, value, 8);
    wend_server_store_close(s);
}

static void claims_are_used_up(void **unused)
{
    const uint8_t first[16] = {1}, second[16] = {2};
    uint8_t back[16];
    struct wend_server_store *s = open_store();
    struct wend_relay_event used = {
        .kind = WEND_RELAY_STORE_CLAIM_USED, .network = {7}, .bytes = WEND_BYTES(second)};
    (void)unused;
    assert_int_equal(wend_server_store_unused_claim(s, back), -ENOENT);
    assert_int_equal(wend_server_store_new_claim(s, 1, first), 0);
    assert_int_equal(wend_server_store_new_claim(s, 2, second), 0);
    assert_int_equal(wend_server_store_unused_claim(s, back), 0);
    assert_memory_equal(back, second, 16);
    assert_int_equal(wend_server_store_begin(s), 0);
    assert_int_equal(wend_server_store_apply(s, &used), 0);
    wend_server_store_rollback(s);
    assert_int_equal(wend_server_store_unused_claim(s, back), 0);
    assert_memory_equal(back, second, 16);
    assert_int_equal(wend_server_store_begin(s), 0);
    assert_int_equal(wend_server_store_apply(s, &used), 0);
    assert_int_equal(wend_server_store_commit(s), 0);
    assert_int_equal(wend_server_store_unused_claim(s, back), 0);
    assert_memory_equal(back, first, 16);
    wend_server_store_close(s);
}

// Stores every event of a relay, as `wend serve` does.
static void store_events(struct world *w, struct wend_server_store *s)
{
    struct wend_relay_event e;
    assert_int_equal(wend_server_store_begin(s), 0);
    while (wend_relay_next_event(w->relay, &e))
        assert_int_equal(wend_server_store_apply(s, &e), 0);
    assert_int_equal(wend_server_store_commit(s), 0);
}

// One request, whose events go to the store.
static void ask_and_store(struct client *c, struct wend_server_store *s, uint16_t type,
                          struct wend_bytes attributes)
{
    uint8_t body[1300], sealed[1400];
    struct wend_writer w = wend_writer_of(body, sizeof body), out;
    wend_control_write(&w, type, ++c->id, attributes);
    out = wend_writer_of(sealed, sizeof sealed);
    assert_int_equal(wend_box_seal(&c->box, (struct wend_bytes){body, w.len}, &out), 0);
    struct wend_datagram d = c->way;
    d.bytes = (struct wend_bytes){sealed, out.len};
    assert_int_equal(wend_relay_receive(c->world->relay, &d, c->world->now, c->world->unix_seconds),
                     0);
    store_events(c->world, s);
    world_drain(c->world);
    assert_true(client_hear(c));
    assert_int_equal(client_error(c), 0);
}

static void a_network_survives(void **unused)
{
    static uint8_t entries[WEND_REVOCATION_LIST_MAX];
    const uint8_t secret[16] = {5};
    struct wend_server_store *s = open_store();
    struct wend_revocation_list list = {.serial = 1, .issued = WORLD_UNIX};
    struct world w, again;
    struct net home;
    struct client a, b, c;
    uint8_t memory[1200], bytes[400], gone[32];
    size_t bad;
    (void)unused;
    world_open(&w, NULL);
    net_init(&home, &w, 1);
    net_invite(&home, 9, 2, 3600);
    assert_int_equal(wend_server_store_new_claim(s, 1, secret), 0);
    assert_int_equal(wend_server_store_load_claims(s, w.relay), 0);
    client_init(&a, &w, 1);
    client_connect(&a);
    struct wend_writer out = wend_writer_of(memory, sizeof memory);
    wend_attribute_put(&out, WEND_ATTRIBUTE_SECRET, WEND_BYTES(secret));
    wend_attribute_put(&out, WEND_ATTRIBUTE_NETWORK_RECORD,
                       (struct wend_bytes){home.record, home.record_len});
    ask_and_store(&a, s, WEND_CONTROL_CLAIM, (struct wend_bytes){memory, out.len});
    assert_int_equal(client_join(&a, &home, "a"), 0);
    client_sign(&a, &home, "a");
    out = wend_writer_of(memory, sizeof memory);
    wend_attribute_put(&out, WEND_ATTRIBUTE_MEMBERSHIP,
                       (struct wend_bytes){a.membership, a.membership_len});
    wend_attribute_put(&out, WEND_ATTRIBUTE_DELEGATION, WEND_BYTES(home.delegation));
    ask_and_store(&a, s, WEND_CONTROL_JOIN_COMMIT, (struct wend_bytes){memory, out.len});
    memcpy(a.receipt, a.a.receipt.at, sizeof a.receipt);
    fill_key(gone, 1, 0x77);
    memcpy(list.network, home.key, 32);
    assert_int_equal(wend_revocation_add(&list, entries, sizeof entries, WEND_BYTES(gone)), 0);
    struct wend_writer signed_list = wend_writer_of(bytes, sizeof bytes);
    assert_int_equal(wend_revocation_list_sign(&list, home.seed, &signed_list), 0);
    out = wend_writer_of(memory, sizeof memory);
    wend_attribute_put(&out, WEND_ATTRIBUTE_REVOCATION_LIST,
                       (struct wend_bytes){bytes, signed_list.len});
    ask_and_store(&a, s, WEND_CONTROL_PUBLISH, (struct wend_bytes){memory, out.len});
    wend_server_store_close(s);
    world_close(&w);

    s = open_store();
    world_open(&again, NULL);
    assert_int_equal(wend_server_store_load(s, again.relay, &bad), 0);
    assert_int_equal(bad, 0);
    assert_int_equal(world_counts(&again).networks, 1);
    a.world = &again;
    client_connect(&a);
    assert_int_equal(client_register(&a, &home), 0);
    assert_int_equal(wend_attribute_u64(a.a.revocation_serial), 1);
    client_init(&b, &again, 2);
    client_connect(&b);
    assert_int_equal(client_join(&b, &home, "a"), WEND_ERROR_TAKEN);
    assert_int_equal(client_join(&b, &home, "b"), 0);
    client_init(&c, &again, 3);
    client_connect(&c);
    assert_int_equal(client_join(&c, &home, "c"), WEND_ERROR_EXHAUSTED); // slot 0 is still a's
    wend_server_store_close(s);
    world_close(&again);
}

static void damage_is_told(void **unused)
{
    char path[128];
    struct wend_server_store *s = open_store();
    (void)unused;
    wend_server_store_close(s);
    snprintf(path, sizeof path, "%s/server.db", state);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    for (int i = 0; i < 200; i++)
        fputc('x', file);
    fclose(file);
    s = NULL;
    assert_int_equal(wend_server_store_open(state, true, &s), -EIO);
    assert_null(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_the_owner_reads_it, make_state, remove_state),
        cmocka_unit_test_setup_teardown(values_are_kept, make_state, remove_state),
        cmocka_unit_test_setup_teardown(claims_are_used_up, make_state, remove_state),
        cmocka_unit_test_setup_teardown(a_network_survives, make_state, remove_state),
        cmocka_unit_test_setup_teardown(damage_is_told, make_state, remove_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
