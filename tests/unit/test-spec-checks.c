/* SPDX-License-Identifier: Apache-2.0 */

/* What is refused in a config.json, in the words that users see. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/oci/spec.h"

typedef struct Case {
        const char *text; /* with ' for " */
        const char *message;
} Case;

static char *quoted(const char *before, const char *text, const char *after) {
        char *whole = xasprintf("%s%s%s", before, text, after);

        for (char *c = whole; *c; c++)
                if (*c == '\'')
                        *c = '"';
        return whole;
}

/* Of equal keys the last one counts: a case overrides what a sound document begins with. */
#define SIXTY_FOUR "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SOUND      "{'ociVersion':'1.2.0','process':{'args':['sh'],'cwd':'/'},'root':{'path':'rootfs'},"

static void check_spec(const char *before, const Case *c, const char *after) {
        cleanup_free char *text = quoted(before, c->text, after);
        cleanup_error Error err = { 0 };
        OciSpec *spec = NULL;
        int r = oci_spec_parse(text, strlen(text), &spec, &err);

        if (r == 0)
                fail_msg("%s was accepted, not refused with: %s", c->text, c->message);
        assert_int_equal(r, -EINVAL);
        assert_null(spec);
        if (strcmp(err.message, c->message) != 0)
                fail_msg("%s\n  gave     %s\n  expected %s", c->text, err.message, c->message);
}

static void test_top(void **state) {
        static const Case cases[] = {
                { "[]", "expected an object, found an array" },
                { "{}", "ociVersion: missing" },
                { "{'ociVersion':'1.0'}", "process: missing" },
                { SOUND "'root':null}", "root: missing" },
                { SOUND "'root':{}}", "root.path: missing" },
                { SOUND "'root':{'path':''}}", "root.path: must not be empty" },
                { SOUND "'ociVersion':1}", "ociVersion: expected a string, found 1" },
                { SOUND "'ociVersion':'2.0.0'}", "ociVersion: expected version 1.x, found \"2.0.0\"" },
                { SOUND "'ociVersion':'0.9'}", "ociVersion: expected version 1.x, found \"0.9\"" },
                { SOUND "'annotations':{'a.b':true}}",
                  "annotations[\"a.b\"]: expected a string, found true" },
                { SOUND "'mounts':[{'destination':'/'},{'type':'proc'}]}", "mounts[1].destination: missing" },
                { SOUND "'mounts':[{'destination':'proc'}]}",
                  "mounts[0].destination: expected an absolute path, found \"proc\"" },
                { SOUND "'mounts':[{'destination':'/','options':'ro'}]}",
                  "mounts[0].options: expected an array of strings, found \"ro\"" },
                { SOUND "'hostname':'" SIXTY_FOUR "x'}",
                  "hostname: expected at most 64 characters, found 65" },
                { SOUND "'domainname':'" SIXTY_FOUR SIXTY_FOUR "'}",
                  "domainname: expected at most 64 characters, found 128" },
                { SOUND
                  "'mounts':[{'destination':'/','uidMappings':[{'containerID':0,'hostID':0,'size':0}]}]}",
                  "mounts[0].uidMappings[0].size: must be at least 1" },
                { SOUND "'hooks':{'prestart':[{}]}}", "hooks.prestart[0].path: missing" },
                { SOUND "'hooks':{'poststop':[{'path':'/a'},{'path':'b'}]}}",
                  "hooks.poststop[1].path: expected an absolute path, found \"b\"" },
                { SOUND "'hooks':{'createRuntime':[{'path':'/a','timeout':0}]}}",
                  "hooks.createRuntime[0].timeout: expected a positive number of seconds, found 0" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++)
                check_spec("", &cases[i], "");
}

static void test_process(void **state) {
        static const Case cases[] = {
                { "'cwd':'/'", "process.args: missing" },
                { "'args':[],'cwd':'/'", "process.args: must not be empty" },
                { "'args':['sh']", "process.cwd: missing" },
                { "'args':['sh'],'cwd':''", "process.cwd: must not be empty" },
                { "'args':['sh'],'cwd':'tmp'", "process.cwd: expected an absolute path, found \"tmp\"" },
                { "'args':['sh',5],'cwd':'/'", "process.args[1]: expected a string, found 5" },
        };
        static const Case more[] = {
                { "'user':{'gid':0}", "process.user.uid: missing" },
                { "'user':{'uid':'root','gid':0}",
                  "process.user.uid: expected an unsigned integer, found \"root\"" },
                { "'user':{'uid':5000000000,'gid':0}",
                  "process.user.uid: expected an integer from 0 to 4294967295, found 5000000000" },
                { "'rlimits':[{'type':'NOFILE','soft':1,'hard':1}]",
                  "process.rlimits[0].type: expected a limit such as \"RLIMIT_NOFILE\", found \"NOFILE\"" },
                { "'rlimits':[{'type':'RLIMIT_CPU','soft':1,'hard':1},{'type':'RLIMIT_CPU','soft':1,'hard':1}"
                  "]",
                  "process.rlimits[1].type: RLIMIT_CPU is there twice" },
                { "'rlimits':[{'type':'RLIMIT_CPU','soft':2,'hard':1}]",
                  "process.rlimits[0].soft: 2 is above the hard limit 1" },
                { "'rlimits':[{'type':'RLIMIT_CPU','soft':-1,'hard':1}]",
                  "process.rlimits[0].soft: expected an integer from 0 to 18446744073709551615, found -1" },
                { "'user':{'uid':0,'gid':0,'umask':512}",
                  "process.user.umask: expected at most 511 (0777), found 512" },
                { "'oomScoreAdj':1001",
                  "process.oomScoreAdj: expected an integer from -1000 to 1000, found 1001" },
                { "'scheduler':{'policy':'FIFO'}",
                  "process.scheduler.policy: expected a policy such as \"SCHED_OTHER\", found \"FIFO\"" },
                { "'ioPriority':{'class':'BE','priority':4}",
                  "process.ioPriority.class: expected a class such as \"IOPRIO_CLASS_BE\", found \"BE\"" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++)
                check_spec(SOUND "'process':{", &cases[i], "}}");
        for (size_t i = 0; i < ELEMENTS_OF(more); i++)
                check_spec(SOUND "'process':{'args':['sh'],'cwd':'/',", &more[i], "}}");
}

static void test_linux(void **state) {
        static const Case cases[] = {
                { "'namespaces':[{'path':'/x'}]", "linux.namespaces[0].type: missing" },
                { "'namespaces':[{'type':'net'}]", "linux.namespaces[0].type: expected a namespace such as "
                                                   "\"pid\" or \"network\", found \"net\"" },
                { "'namespaces':[{'type':'pid'},{'type':'ipc'},{'type':'pid'}]",
                  "linux.namespaces[2].type: pid is there twice" },
                { "'namespaces':[{'type':'pid','path':'ns'}]",
                  "linux.namespaces[0].path: expected an absolute path, found \"ns\"" },
                { "'namespaces':[{'type':'user'}]",
                  "linux.uidMappings: missing, and a new user namespace needs them" },
                { "'namespaces':[{'type':'user'}],'uidMappings':[{'containerID':0,'hostID':1,'size':1}]",
                  "linux.gidMappings: missing, and a new user namespace needs them" },
                { "'gidMappings':[{'containerID':0,'hostID':1}]", "linux.gidMappings[0].size: missing" },
                { "'gidMappings':[{'containerID':0,'hostID':1,'size':0}]",
                  "linux.gidMappings[0].size: must be at least 1" },
                { "'uidMappings':[{'containerID':1,'hostID':0,'size':4294967295},"
                  "{'containerID':0,'hostID':2,'size':4294967295}]",
                  "linux.uidMappings[1].size: 4294967295 ids reach beyond the last id" },
                { "'uidMappings':[{'containerID':0,'hostID':1,'size':1}]",
                  "linux.uidMappings: user namespace mappings specified, but user namespace isn't enabled in "
                  "the config" },
                { "'gidMappings':[{'containerID':0,'hostID':1,'size':1}]",
                  "linux.gidMappings: user namespace mappings specified, but user namespace isn't enabled in "
                  "the config" },
                { "'namespaces':[{'type':'pid'}],'timeOffsets':{'monotonic':{'secs':1}}",
                  "linux.timeOffsets: time namespace offsets specified, but time namespace isn't enabled in "
                  "the config" },
                { "'devices':[{'type':'x','path':'/dev/x'}]",
                  "linux.devices[0].type: expected c, b, u or p, found \"x\"" },
                { "'devices':[{'type':'c','path':'x'}]",
                  "linux.devices[0].path: expected an absolute path, found \"x\"" },
                { "'devices':[{'type':'c','path':'/x','major':4096}]",
                  "linux.devices[0].major: expected an integer from 0 to 4095, found 4096" },
                { "'devices':[{'type':'p','path':'/x','minor':-9},{'type':'b','path':'/x','minor':-1}]",
                  "linux.devices[1].minor: expected an integer from 0 to 1048575, found -1" },
                { "'resources':{'cpu':{'quota':'abc'}}",
                  "linux.resources.cpu.quota: expected a number, found \"abc\"" },
                { "'resources':{'memory':{'limit':1e9}}",
                  "linux.resources.memory.limit: expected an integer, found 1e9" },
                { "'resources':{'memory':{'disableOOMKiller':'no'}}",
                  "linux.resources.memory.disableOOMKiller: expected true or false, found \"no\"" },
                { "'resources':{'devices':[{'allow':true,'type':'d'}]}",
                  "linux.resources.devices[0].type: expected a, c or b, found \"d\"" },
                { "'resources':{'devices':[{'allow':true,'access':'rwx'}]}",
                  "linux.resources.devices[0].access: expected letters of \"rwm\", found \"rwx\"" },
                { "'resources':{'blockIO':{'throttleReadIOPSDevice':[{'major':8,'minor':0}]}}",
                  "linux.resources.blockIO.throttleReadIOPSDevice[0].rate: missing" },
                { "'resources':{'unified':{'memory.high':5}}",
                  "linux.resources.unified[\"memory.high\"]: expected a string, found 5" },
                { "'rootfsPropagation':'left'",
                  "linux.rootfsPropagation: expected shared, slave, private or unbindable, found \"left\"" },
                { "'personality':{'domain':'LINUX64'}",
                  "linux.personality.domain: expected LINUX or LINUX32, found \"LINUX64\"" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++)
                check_spec(SOUND "'linux':{", &cases[i], "}}");
}

static void test_seccomp(void **state) {
        static const Case cases[] = {
                { "", "linux.seccomp.defaultAction: missing" },
                { "'defaultAction':'ALLOW'", "linux.seccomp.defaultAction: expected an action such as "
                                             "\"SCMP_ACT_ERRNO\", found \"ALLOW\"" },
                { "'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':[],'action':'SCMP_ACT_LOG'}]",
                  "linux.seccomp.syscalls[0].names: must not be empty" },
                { "'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['a'],'action':'LOG'}]",
                  "linux.seccomp.syscalls[0].action: expected an action such as \"SCMP_ACT_ERRNO\", "
                  "found \"LOG\"" },
                { "'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['a'],'action':'SCMP_ACT_LOG',"
                  "'args':[{'index':6,'value':0,'op':'SCMP_CMP_EQ'}]}]",
                  "linux.seccomp.syscalls[0].args[0].index: expected an integer from 0 to 5, found 6" },
                { "'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['a'],'action':'SCMP_ACT_LOG',"
                  "'args':[{'index':0,'value':0,'op':'=='}]}]",
                  "linux.seccomp.syscalls[0].args[0].op: expected an operator such as \"SCMP_CMP_EQ\", "
                  "found \"==\"" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++)
                check_spec(SOUND "'linux':{'seccomp':{", &cases[i], "}}}");
}

/* A process.json and a set of resources are documents of their own: no "process." in front. */
static void test_other_documents(void **state) {
        cleanup_free char *process = quoted("", "{'args':['sh'],'cwd':'.'}", "");
        cleanup_free char *resources = quoted("", "{'devices':[{'allow':true,'access':'x'}]}", "");
        cleanup_error Error err = { 0 };
        OciProcess *p = NULL;
        OciResources *r = NULL;

        (void)state;
        assert_int_equal(oci_process_parse(process, strlen(process), &p, &err), -EINVAL);
        assert_string_equal(err.message, "cwd: expected an absolute path, found \".\"");
        assert_int_equal(oci_process_parse("{}", 2, &p, &err), -EINVAL);
        assert_string_equal(err.message, "args: missing");
        assert_int_equal(oci_resources_parse(resources, strlen(resources), &r, &err), -EINVAL);
        assert_string_equal(err.message, "devices[0].access: expected letters of \"rwm\", found \"x\"");
        assert_null(p);
        assert_null(r);
}

static void test_ids(void **state) {
        static const char *const good[] = { "a", "c1", "A_b+c.d-e", "...", "-", "0123456789abcdef" };
        static const Case bad[] = {
                { "", "container id cannot be empty" },
                { ".", "invalid container ID format: \".\"" },
                { "..", "invalid container ID format: \"..\"" },
                { "a/b", "invalid container ID format: \"a/b\"" },
                { "a\n", "invalid container ID format: \"a\\x0a\"" },
        };
        char longest[OCI_ID_MAX + 2] = "";

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(good); i++) {
                cleanup_error Error err = { 0 };

                assert_int_equal(oci_check_id(good[i], &err), 0);
        }
        for (size_t i = 0; i < ELEMENTS_OF(bad); i++) {
                cleanup_error Error err = { 0 };

                assert_int_equal(oci_check_id(bad[i].text, &err), -EINVAL);
                assert_string_equal(err.message, bad[i].message);
        }
        for (size_t n = OCI_ID_MAX; n <= OCI_ID_MAX + 1; n++) {
                cleanup_error Error err = { 0 };

                memset(longest, 'a', n);
                assert_int_equal(oci_check_id(longest, &err), n > OCI_ID_MAX ? -EINVAL : 0);
                if (n > OCI_ID_MAX)
                        assert_string_equal(err.message,
                                            "container id too long: 256 characters, the limit is 255");
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_top),
                cmocka_unit_test(test_process),
                cmocka_unit_test(test_linux),
                cmocka_unit_test(test_seccomp),
                cmocka_unit_test(test_other_documents),
                cmocka_unit_test(test_ids),
        };

        return cmocka_run_group_tests_name("spec-checks", tests, NULL, NULL);
}
