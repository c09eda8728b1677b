/* SPDX-License-Identifier: Apache-2.0 */

/*
 * `carrel gpu list`, `carrel gpu why`, and what is chosen for whom, on hosts good and bad. Each CASE.json in
 * tests/data/gpu-hosts describes a host (gpu-host.h; base.json comes first) and what is asked about it; CASE.txt is
 * what the user gets to see (UPDATE_GOLDEN=1 writes it anew). Of a description, besides the host:
 *   says      what is special about the host
 *   needs     memory, hostMemory (MiB), addressBits, hugePages, bootDisplay, allowed, self
 *   why       addresses; json: those of which the JSON is wanted
 *   ask       values of the annotation; or objects {"text", "near"}, {"group"}, {"index"}
 *   vfio      why /dev/vfio/vfio cannot be opened, which a file cannot show to root
 *   nodes     ... and /dev/vfio/GROUP: {address: why}
 */

#include "unit.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/loop.h"
#include "common/base/mem.h"
#include "golden.h"
#include "gpu-host.h"
#include "runtime/commands/gpu-report.h"
#include "runtime/gpu/select.h"
#include "runtime/gpu/window.h"
#include "runtime/host/gpu-facts.h"
#include "runtime/host/gpu-lease.h"

#define HOSTS TEST_DATA "/gpu-hosts"

typedef struct Case {
        Json *base, *description;
        GpuFacts *facts;
        GpuNeeds needs;
        char **allowed;
        StrBuf out;
} Case;

/* ---- a case ---- */

static uint64_t number_of(const Json *object, const char *key) {
        uint64_t value = 0;

        json_uint64(json_get(object, key), &value);
        return value;
}

static void set_needs(Case *c) {
        const Json *needs = json_get(c->description, "needs"), *allowed = json_get(needs, "allowed");

        for (size_t i = 0; i < json_count(allowed); i++)
                strv_append(&c->allowed, json_string(json_item(allowed, i)));
        c->needs = (GpuNeeds){
                .memory = number_of(needs, "memory") << 20,
                .host_memory = number_of(needs, "hostMemory") << 20,
                .address_bits = (uint32_t)number_of(needs, "addressBits"),
                .huge_pages = json_bool(json_get(needs, "hugePages")),
                .allow_boot_display = json_bool(json_get(needs, "bootDisplay")),
                .allowed = c->allowed,
                .self = json_string(json_get(needs, "self")),
        };
}

/* Containers called "gone-..." do not. */
static bool lives(const char *root, const char *id, void *user) {
        (void)root;
        (void)user;
        return !str_after(id, "gone-");
}

static void set_problems(Case *c) {
        const Json *nodes = json_get(c->description, "nodes");
        const char *problem = json_string(json_get(c->description, "vfio"));

        if (problem) {
                free(c->facts->vfio_problem);
                c->facts->vfio_problem = xstrdup(problem);
        }
        for (size_t i = 0; i < c->facts->n_devices; i++) {
                PciDevice *d = &c->facts->devices[i];

                problem = json_string(json_get(nodes, d->address));
                if (!problem)
                        continue;
                free(d->node_problem);
                d->node_problem = xstrdup(problem);
        }
}

static void open_case(const char *name, Case *c) {
        const Json *descriptions[2];
        FakeHost host;

        *c = (Case){ .base = golden_read(HOSTS, "base"), .description = golden_read(HOSTS, name) };
        descriptions[0] = c->base;
        descriptions[1] = c->description;
        fake_host_make(&host, descriptions, 2);
        c->facts = gpu_facts_collect(host.root);
        gpu_mark_left(&(VfioHost){ host.root, 1000 }, lives, NULL, c->facts);
        fake_host_done(&host);
        set_problems(c);
        set_needs(c);
}

static void close_case(Case *c) {
        json_free(c->base);
        json_free(c->description);
        gpu_facts_free(c->facts);
        strv_free(c->allowed);
        strbuf_done(&c->out);
}

/* ---- what is asked about it ---- */

static void explain(const Case *c, const char *address, GpuFindings *ret, const PciDevice **ret_device) {
        PciAddress at;

        if (!pci_address_parse(address, &at))
                fail_msg("%s: no address", address);
        *ret_device = gpu_facts_find(c->facts, &at);
        if (!*ret_device)
                fail_msg("%s: no such device", address);
        gpu_diagnose_host(c->facts, &c->needs, ret);
        gpu_diagnose_device(c->facts, *ret_device, &c->needs, ret);
}

static void show_why(Case *c, const char *key,
                     char *(*print)(const PciDevice *device, const GpuFindings *findings)) {
        const Json *list = json_get(c->description, key);

        for (size_t i = 0; i < json_count(list); i++) {
                const char *address = json_string(json_item(list, i));
                cleanup_gpu_findings GpuFindings findings = { 0 };
                cleanup_free char *text = NULL;
                const PciDevice *device;

                explain(c, address, &findings, &device);
                text = print(device, &findings);
                strbuf_printf(&c->out, "\n$ carrel gpu %swhy %s\n%s", streq(key, "json") ? "--json " : "",
                              address, text);
        }
}

static int parse_ask(const Json *ask, GpuRequest *request, int32_t *near, Error *err) {
        const char *text = json_string(ask) ? json_string(ask) : json_string(json_get(ask, "text"));
        const char *kind = json_get(ask, "group") ? "group" : "index";
        GpuWish wish = { .kind = json_get(ask, "group") ? GPU_WISH_GROUP : GPU_WISH_INDEX };

        *near = json_get(ask, "near") ? (int32_t)number_of(ask, "near") : -1;
        if (text)
                return gpu_request_parse(text, "annotation " GPU_ANNOTATION, request, err);
        wish.number = (uint32_t)number_of(ask, kind);
        return gpu_request_add(request, &wish,
                               streq(kind, "group") ? "linux.devices" : "NVIDIA_VISIBLE_DEVICES", err);
}

static void show_choice(StrBuf *out, const Case *c, const GpuChoice *choice) {
        cleanup_gpu_findings GpuFindings findings = { 0 };
        GpuWindow window;

        if (choice->n_slots == 0) {
                strbuf_puts(out, "nothing\n");
                return;
        }
        for (size_t i = 0; i < choice->n_slots; i++) {
                strbuf_printf(out, "slot %zu:", i);
                for (size_t j = 0; j < choice->slots[i].n_functions; j++)
                        strbuf_printf(out, " %s", choice->slots[i].functions[j]->address);
                strbuf_putc(out, '\n');
        }
        gpu_window(choice, c->needs.memory, &window);
        gpu_diagnose_window(&window, &c->needs, &findings);
        strbuf_printf(out, "node %" PRId32 "; %s: %s\n", choice->numa_node,
                      gpu_severity_name(gpu_findings_severity(&findings)), findings.items[0].text);
}

static void show_asked(Case *c) {
        const Json *list = json_get(c->description, "ask");

        for (size_t i = 0; i < json_count(list); i++) {
                GpuPreference preference = { .needs = &c->needs };
                cleanup_free char *shown = json_tree_to_text(json_item(list, i), false);
                cleanup_gpu_request GpuRequest request = { 0 };
                cleanup_gpu_choice GpuChoice choice = { 0 };
                cleanup_error Error e = { 0 };
                int r = parse_ask(json_item(list, i), &request, &preference.numa_node, &e);

                if (r >= 0)
                        r = gpu_select(&request, c->facts, &preference, &choice, &e);
                strbuf_printf(&c->out, "\n$ ask %s\n", shown);
                if (r < 0)
                        strbuf_printf(&c->out, "%s\n", e.message);
                else
                        show_choice(&c->out, c, &choice);
                assert_true(r >= 0 || (e.code > 0 && !strchr(e.message, '\n')));
        }
}

/* ---- codes ---- */

#define CODES_MAX 64

/* Which of gpu_codes the cases showed. */
static bool seen[CODES_MAX];

/* What is said, of every function: a code that docs/gpu.md has, no worse than it says there, on one line. */
static void check_findings(const GpuFindings *findings) {
        for (size_t i = 0; i < findings->count; i++) {
                const GpuFinding *f = &findings->items[i];
                const GpuCode *code = gpu_code_find(f->code);

                if (!code || f->severity > code->worst)
                        fail_msg("%s (%s) is not among gpu_codes", f->code, gpu_severity_name(f->severity));
                if (strchr(f->text, '\n') || (f->fix && strchr(f->fix, '\n')))
                        fail_msg("%s: more than one line", f->code);
                seen[code - gpu_codes] = true;
        }
}

static void check_all_functions(const Case *c) {
        for (size_t i = 0; i < c->facts->n_devices; i++) {
                cleanup_gpu_findings GpuFindings findings = { 0 };
                const PciDevice *device;

                explain(c, c->facts->devices[i].address, &findings, &device);
                check_findings(&findings);
        }
}

/* What is gathered can be written down and read back: `carrel plan --facts`. */
static void check_round_trip(const Case *c) {
        cleanup_free char *text = json_to_text(gpu_facts_fields, c->facts, false), *again = NULL;
        cleanup_free char *said = gpu_list_to_json(c->facts, &c->needs), *said_again = NULL;
        cleanup(gpu_facts_freep) GpuFacts *read = xnew(GpuFacts, 1);
        cleanup_error Error e = { 0 };

        must(json_read_text(text, strlen(text), NULL, gpu_facts_fields, read, &e), &e);
        must(gpu_facts_complete(read, &e), &e);
        again = json_to_text(gpu_facts_fields, read, false);
        assert_string_equal(text, again);
        said_again = gpu_list_to_json(read, &c->needs);
        assert_string_equal(said, said_again);
}

static bool check_case(const char *name) {
        cleanup_free char *list = NULL, *text = NULL;
        Case c;

        open_case(name, &c);
        list = gpu_list_to_text(c.facts, &c.needs);
        strbuf_printf(&c.out, "%s\n\n$ carrel gpu list\n%s", json_string(json_get(c.description, "says")),
                      list);
        show_why(&c, "why", gpu_why_to_text);
        show_why(&c, "json", gpu_why_to_json);
        show_asked(&c);
        check_all_functions(&c);
        check_round_trip(&c);
        text = strbuf_take(&c.out);
        close_case(&c);
        return golden_same(HOSTS, name, text);
}

static void test_hosts(void **state) {
        size_t cases, bad;

        (void)state;
        golden_each(HOSTS, check_case, &cases, &bad);
        assert_true(cases >= 28);
        assert_int_equal(bad, 0);
        for (size_t i = 0; gpu_codes[i].code; i++)
                if (!seen[i])
                        fail_msg("no host of tests/data/gpu-hosts shows the code %s", gpu_codes[i].code);
}

/* ---- time ---- */

#define BIG_PROCESSES 600
#define BIG_FILES     40 /* of a process */
#define BIG_CARDS     40 /* network functions */
#define BIG_QUEUES    64 /* of a card: folders each */
#define BIG_DISKS     24
#define BIG_GPUS      8
#define BIG_PORTS     128
#define LIMIT_USEC    50000U /* for `carrel gpu why` as a whole */

static void add_big_functions(StrBuf *b) {
        for (int i = 0; i < BIG_PORTS; i++)
                strbuf_printf(b, "\"%04x:00:%02x.0 8086:352a 060400 group=%d driver=pcieport\",", i / 32,
                              i % 32, 1000 + i);
        for (int i = 0; i < BIG_GPUS; i++)
                strbuf_printf(
                        b,
                        "\"0000:%02x:00.0 10de:2330 030200 parent=0000:00:%02x.0 group=%d driver=nvidia "
                        "bars=0:16Mpw,2:128Gpw,4:32Mpw nvidia=%d drm=card%d,renderD%d\",",
                        16 + i, i, i, i, i, 128 + i);
        for (int i = 0; i < BIG_DISKS; i++)
                strbuf_printf(b,
                              "\"0001:%02x:00.0 144d:a80a 010802 parent=0001:00:%02x.0 group=%d driver=nvme "
                              "bars=0:16Kw disk=nvme%dn1:259:%d part=nvme%dn1p1:259:%d\",",
                              16 + i, i, 100 + i, i, 2 * i, i, 2 * i + 1);
        for (int i = 0; i < BIG_CARDS; i++)
                strbuf_printf(b,
                              "%s\"0002:%02x:00.%d 15b3:101d 020000 parent=0002:00:%02x.0 group=%d "
                              "driver=mlx5_core "
                              "bars=0:32Mpw net=eth%d+\"",
                              i > 0 ? "," : "", 16 + i / 2, i % 2, i / 2, 200 + i, i);
}

/* Folders and links as a busy server has them. */
static Json *describe_big_host(void) {
        cleanup_strbuf StrBuf b = { 0 };
        cleanup_error Error e = { 0 };
        Json *v = NULL;

        strbuf_puts(&b, "{\"devices\": [");
        add_big_functions(&b);
        strbuf_puts(&b, "], \"files\": {");
        for (int i = 0; i < BIG_CARDS; i++)
                for (int q = 0; q < BIG_QUEUES; q++)
                        strbuf_printf(&b,
                                      "%s\"/sys/bus/pci/devices/0002:%02x:00.%d/net/eth%d/queues/tx-%d/"
                                      "byte_queue_limits/"
                                      "limit\": \"0\"",
                                      i + q > 0 ? "," : "", 16 + i / 2, i % 2, i, q);
        strbuf_puts(&b, "}, \"processes\": [");
        for (int i = 0; i < BIG_PROCESSES; i++) {
                strbuf_printf(&b, "%s{\"pid\": %d, \"name\": \"worker\", \"open\": [", i > 0 ? "," : "",
                              1000 + i);
                for (int j = 0; j < BIG_FILES; j++)
                        strbuf_printf(&b, "%s\"%s%d\"", j > 0 ? "," : "",
                                      j % 4 == 0 ? "/dev/pts/" : "socket:", j);
                strbuf_printf(&b, "%s]}", i % 100 == 0 ? ", \"/dev/nvidia3\"" : "");
        }
        strbuf_puts(&b, "]}");
        must(json_parse(b.data, b.length, NULL, &v, &e), &e);
        return v;
}

/* What can not be had for less: each process's folder listed, each link in it read. */
static uint64_t floor_usec(const FakeHost *host) {
        uint64_t begin = now_usec(), links = 0;

        for (int i = 0; i < BIG_PROCESSES; i++) {
                cleanup_free char *path = xasprintf("%s/proc/%d/fd", host->path, 1000 + i);
                DIR *d = opendir(path);
                const struct dirent *entry;
                char target[64];

                assert_non_null(d);
                while ((entry = readdir(d)))
                        links += readlinkat(dirfd(d), entry->d_name, target, sizeof(target)) > 0;
                closedir(d);
        }
        assert_true(links >= BIG_PROCESSES * BIG_FILES);
        return now_usec() - begin;
}

static uint64_t facts_usec(const FakeHost *host) {
        uint64_t begin = now_usec(), took;
        cleanup(gpu_facts_freep) GpuFacts *facts = gpu_facts_collect(host->root);
        const PciDevice *used;
        PciAddress at;

        took = now_usec() - begin;
        assert_int_equal(facts->n_devices, BIG_PORTS + BIG_GPUS + BIG_DISKS + BIG_CARDS);
        assert_true(pci_address_parse("0000:13:00.0", &at));
        used = gpu_facts_find(facts, &at);
        assert_non_null(used);
        assert_int_equal(used->n_users, BIG_PROCESSES / 100);
        return took;
}

/* The best of some runs. A machine on which already the floor is near the limit has slow system calls (emulated, or
 * busy): there the ratio counts. */
static void test_time(void **state) {
        cleanup_json Json *base = golden_read(HOSTS, "base"), *big = describe_big_host();
        const Json *descriptions[] = { base, big };
        uint64_t best = UINT64_MAX, least = UINT64_MAX;
        FakeHost host;

        (void)state;
        fake_host_make(&host, descriptions, 2);
        for (int i = 0; i < 7; i++) {
                uint64_t floor = floor_usec(&host), took = facts_usec(&host);

                least = floor < least ? floor : least;
                best = took < best ? took : best;
        }
        fake_host_done(&host);
        print_message("facts of a big host: %" PRIu64 " us, floor %" PRIu64 " us\n", best, least);
        assert_true(best < LIMIT_USEC || (least > LIMIT_USEC / 3 && best < 3 * least));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_hosts),
                cmocka_unit_test(test_time),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
