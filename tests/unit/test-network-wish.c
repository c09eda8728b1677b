/* SPDX-License-Identifier: Apache-2.0 */

/* What a NetworkConfig may say, what becomes of it, and what is to be done about the difference. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "agent/network-wish.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define CARD "'mac':'02:42:0a:00:00:02'"

/* JSON with ' for ". */
static int read_text(const char *json, Wish **ret, Error *err) {
        cleanup_free char *text = xstrdup(json);
        NetworkConfig config = { 0 };
        int r;

        for (char *p = text; *p; p++)
                if (*p == '\'')
                        *p = '"';
        assert_int_equal(json_read_text(text, strlen(text), NULL, network_config_fields, &config, err), 0);
        r = wish_new(&config, ret, err);
        json_clear(network_config_fields, &config);
        return r;
}

static void assert_item(const Wish *wish, size_t i, uint32_t link, const char *text) {
        cleanup_free char *found = network_item_text(&wish->items.items[i]);

        assert_string_equal(found, text);
        assert_int_equal(wish->items.items[i].link, link);
}

static void test_wish(void **state) {
        static const uint8_t mac[] = { 2, 0x42, 10, 0, 0, 0xfe };
        cleanup(wish_freep) Wish *wish = NULL;
        cleanup_error Error error = { 0 };
        const NetworkItem *items;

        (void)state;
        assert_int_equal(
                read_text("{'interfaces':[{'card':3,'name':'eth0.1','mac':'02:42:0A:00:00:fe','mtu':"
                          "1400,'up':true,"
                          "'addresses':[{'address':'10.0.0.2','prefix':24,'broadcast':'10.0.0.255','"
                          "peer':'10.0.0.2'},"
                          "{'address':'fd00::2','prefix':64,'scope':253,'flags':130}]},"
                          "{'card':0,'name':'x'," CARD
                          ",'noIpv6':true,'settings':{'ipv4/arp_notify':'1','ipv6/neigh/locktime':'7'}}],"
                          "'routes':[{'destination':'0.0.0.0/"
                          "0','gateway':'10.0.0.1','interface':'eth0.1','flags':4},"
                          "{'destination':'fd01::/16','interface':'x','scope':253},"
                          "{'destination':'10.2.0.0/16','type':7,'interface':'lo'},"
                          "{'destination':'127.1.0.0/16','interface':'lo','type':1,'protocol':4}],"
                          "'neighbours':[{'interface':'x','address':'fd00::1'," CARD "}],'dns':true}",
                          &wish, &error),
                0);
        items = wish->items.items;
        assert_true(wish->dns);
        assert_int_equal(wish->n_interfaces, 2);
        assert_int_equal(wish->interfaces[0].card, 3);
        assert_memory_equal(wish->interfaces[0].mac, mac, sizeof(mac));
        assert_int_equal(wish->interfaces[0].mtu, 1400);
        assert_true(wish->interfaces[0].up && !wish->interfaces[0].no_ipv6);
        assert_string_equal(wish->interfaces[1].name, "x");
        assert_true(wish->interfaces[1].no_ipv6);
        for (size_t i = 0; i < NETWORK_SETTINGS; i++) {
                const WishSettings *settings = &wish->interfaces[1].settings;
                int value = streq(network_settings[i], "ipv4/arp_notify")       ? 1
                            : streq(network_settings[i], "ipv6/neigh/locktime") ? 7
                                                                                : 0;

                assert_false(wish->interfaces[0].settings.given[i]);
                assert_int_equal(settings->given[i], value != 0);
                assert_int_equal(settings->values[i], value);
        }

        /* those with a gateway behind those on the link */
        assert_int_equal(wish->items.n, 7);
        assert_item(wish, 0, 1, "address 10.0.0.2/24");
        assert_item(wish, 1, 1, "address fd00::2/64");
        assert_item(wish, 2, 2, "route to fd01::/16");
        assert_item(wish, 3, 0, "route to 10.2.0.0/16");
        assert_item(wish, 4, WISH_LOOPBACK, "route to 127.1.0.0/16");
        assert_item(wish, 5, 1, "route to 0.0.0.0/0 by 10.0.0.1");
        assert_item(wish, 6, 2, "neighbour fd00::1");

        /* as the kernel tells of them */
        assert_int_equal(items[0].peer.family, 0);
        assert_int_equal(items[1].scope, 0);
        assert_int_equal(items[1].flags, 0);
        assert_int_equal(items[2].metric, 1024);
        assert_int_equal(items[2].type, RTN_UNICAST);
        assert_int_equal(items[2].protocol, RTPROT_BOOT);
        assert_int_equal(items[4].protocol, RTPROT_STATIC);
        assert_int_equal(items[5].metric, 0);
        assert_int_equal(items[5].flags, RTNH_F_ONLINK);
}

static void test_nothing(void **state) {
        cleanup(wish_freep) Wish *wish = NULL;
        cleanup_error Error error = { 0 };

        (void)state;
        assert_int_equal(read_text("{}", &wish, &error), 0);
        assert_int_equal(wish->n_interfaces + wish->items.n, 0);
        assert_false(wish->dns);
}

#define ETH0       "{'name':'eth0'," CARD "}"
#define NAMED(n)   "{'interfaces':[{'name':'" n "'," CARD "}]}"
#define WITH(more) "{'interfaces':[{'name':'eth0'," CARD "," more "}]}"
#define MAC(mac)   "{'interfaces':[{'name':'eth0','mac':'" mac "'}]}"
#define ROUTE(r)   "{'interfaces':[" ETH0 "],'routes':[{" r "}]}"
#define NAME_WORDS "cannot be the name of an interface"
#define MAC_WORDS  "is not a hardware address"

static void test_refusals(void **state) {
        static const struct {
                const char *json, *message;
        } cases[] = {
                { NAMED("lo"), "interface: \"lo\" " NAME_WORDS },
                { NAMED("."), "interface: \".\" " NAME_WORDS },
                { NAMED(".."), "interface: \"..\" " NAME_WORDS },
                { NAMED("all"), "interface: \"all\" " NAME_WORDS },
                { NAMED("default"), "interface: \"default\" " NAME_WORDS },
                { NAMED(""), "interface: \"\" " NAME_WORDS },
                { NAMED("a/b"), "interface: \"a/b\" " NAME_WORDS },
                { NAMED("eth%d"), "interface: \"eth%d\" " NAME_WORDS },
                { NAMED("a:b"), "interface: \"a:b\" " NAME_WORDS },
                { NAMED("a b"), "interface: \"a b\" " NAME_WORDS },
                { NAMED("a\\n"), "interface: \"a\\x0a\" " NAME_WORDS },
                { NAMED("0123456789abcdef"), "interface: \"0123456789abcdef\" " NAME_WORDS },
                { MAC(""), "interface eth0: mac: \"\" " MAC_WORDS },
                { MAC("02:42:0a:00:00"), "interface eth0: mac: \"02:42:0a:00:00\" " MAC_WORDS },
                { MAC("02:42:0a:00:00:002"), "interface eth0: mac: \"02:42:0a:00:00:002\" " MAC_WORDS },
                { MAC("02-42-0a-00-00-02"), "interface eth0: mac: \"02-42-0a-00-00-02\" " MAC_WORDS },
                { MAC("02:42:0a:00:00:0g"), "interface eth0: mac: \"02:42:0a:00:00:0g\" " MAC_WORDS },
                { WITH("'card':256"), "interface eth0: card: 256 is more than 255" },
                { WITH("'mtu':67"), "interface eth0: mtu: 67 is not between 68 and 65535" },
                { WITH("'mtu':65536"), "interface eth0: mtu: 65536 is not between 68 and 65535" },
                { WITH("'addresses':[{'address':'10.0.0.256','prefix':8}]"),
                  "interface eth0: address: \"10.0.0.256\" is not an IP address" },
                { WITH("'addresses':[{'address':'fe80::1%1','prefix':8}]"),
                  "interface eth0: address: \"fe80::1%1\" is not an IP address" },
                { WITH("'addresses':[{'address':'10.0.0.2','prefix':33}]"),
                  "interface eth0: prefix: 33 is more than 32" },
                { WITH("'addresses':[{'address':'fd00::2','prefix':129}]"),
                  "interface eth0: prefix: 129 is more than 128" },
                { WITH("'addresses':[{'address':'10.0.0.2','prefix':8,'peer':'fd00::1'}]"),
                  "interface eth0: peer: \"fd00::1\" is of another family" },
                { WITH("'addresses':[{'address':'fd00::2','prefix':8,'broadcast':'fd00::1'}]"),
                  "interface eth0: broadcast: IPv6 has none" },
                { WITH("'addresses':[{'address':'10.0.0.2','prefix':8,'scope':256}]"),
                  "interface eth0: scope: 256 is more than 255" },
                { WITH("'settings':{'ipv4/../../core':'1'}"),
                  "interface eth0: setting: \"ipv4/../../core\" is not known" },
                { WITH("'settings':{'ipv4/arp_notify':'-1'}"),
                  "interface eth0: ipv4/arp_notify: \"-1\" is not a number" },
                { WITH("'settings':{'ipv4/arp_notify':'2147483648'}"),
                  "interface eth0: ipv4/arp_notify: \"2147483648\" is not a number" },
                { WITH("'settings':{'ipv4/neigh/../../core':'1'}"),
                  "interface eth0: setting: \"ipv4/neigh/../../core\" is not known" },
                { "{'interfaces':[" ETH0 "," ETH0 "]}", "interface eth0: there are two of this name" },
                { "{'interfaces':[" ETH0 ",{'name':'eth1'," CARD "}]}",
                  "interface eth1: card 0 is that of eth0" },
                { ROUTE("'destination':'10.0.0.0','interface':'eth0'"),
                  "route 0, to 10.0.0.0: destination: \"10.0.0.0\" is not ADDRESS/PREFIX" },
                { ROUTE("'destination':'10.0.0.0/33','interface':'eth0'"),
                  "route 0, to 10.0.0.0/33: prefix: 33 is more than 32" },
                { ROUTE("'destination':'10.0.0.0/','interface':'eth0'"),
                  "route 0, to 10.0.0.0/: destination: \"10.0.0.0/\" is not ADDRESS/PREFIX" },
                { ROUTE("'destination':'10.0.0.0/8','interface':'eth1'"),
                  "route 0, to 10.0.0.0/8: interface: \"eth1\" is none of those that there are to be" },
                { ROUTE("'destination':'10.0.0.0/8'"), "route 0, to 10.0.0.0/8: interface: missing" },
                { ROUTE("'destination':'10.0.0.0/8','type':10,'interface':'eth0'"),
                  "route 0, to 10.0.0.0/8: type: 10 is more than 9" },
                { ROUTE("'destination':'10.0.0.0/8','source':'fd00::1','interface':'eth0'"),
                  "route 0, to 10.0.0.0/8: source: \"fd00::1\" is of another family" },
                { ROUTE("'destination':'10.0.0.0/8','gateway':'there','interface':'eth0'"),
                  "route 0, to 10.0.0.0/8: gateway: \"there\" is not an IP address" },
                { "{'neighbours':[{'interface':'eth0','address':'10.0.0.1'," CARD "}]}",
                  "neighbour 0: interface: \"eth0\" is none of those that there are to be" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
                cleanup_error Error error = { 0 };
                Wish *wish = NULL;

                assert_int_equal(read_text(cases[i].json, &wish, &error), -EINVAL);
                assert_string_equal(error.message, cases[i].message);
                assert_null(wish);
        }
}

static void test_too_many(void **state) {
        NetworkInterface interfaces[NETWORK_CARDS_MAX + 1] = { 0 };
        const NetworkConfig cases[] = {
                { .interfaces = interfaces, .n_interfaces = NETWORK_CARDS_MAX + 1 },
                { .n_routes = NETWORK_ROUTES_MAX + 1 },
                { .n_neighbours = NETWORK_NEIGHBOURS_MAX + 1 },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
                cleanup_error Error error = { 0 };
                Wish *wish = NULL;

                assert_int_equal(wish_new(&cases[i], &wish, &error), -E2BIG);
        }
}

static void test_subtract(void **state) {
        NetworkItems a = { 0 }, b = { 0 }, difference = { 0 };

        (void)state;
        for (uint32_t i = 0; i < 100; i++) {
                NetworkItem item = { .kind = ITEM_ROUTE, .link = 100 - i, .address = { 2, { 10 } } };

                network_items_add(&a, &item);
                if (i % 3 == 0)
                        network_items_add(&b, &item);
                item.metric = 1;
                network_items_add(&b, &item);
        }
        network_items_subtract(&a, &b, &difference);
        assert_int_equal(difference.n, 66);
        assert_int_equal(difference.items[0].link, 99);
        assert_int_equal(difference.items[65].link, 2);
        network_items_done(&difference);
        network_items_subtract(&a, &a, &difference);
        assert_int_equal(difference.n, 0);
        network_items_subtract(&a, &difference, &difference);
        assert_int_equal(difference.n, 100);
        network_items_done(&a);
        network_items_done(&b);
        network_items_done(&difference);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_wish),     cmocka_unit_test(test_nothing),
                cmocka_unit_test(test_refusals), cmocka_unit_test(test_too_many),
                cmocka_unit_test(test_subtract),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
