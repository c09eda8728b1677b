/* SPDX-License-Identifier: Apache-2.0 */

/* config.json: every key of the specification ends up where the struct says, and comes back out. The checks have a
 * test of their own (spec-checks). */

#include "tests/unit/unit.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/oci/spec.h"

/* Documents are written with ' for ", so that they can be read. */
static char *quoted(const char *text) {
        char *copy = xstrdup(text);

        for (char *c = copy; *c; c++)
                if (*c == '\'')
                        *c = '"';
        return copy;
}

#define PROCESS                                                                                              \
        "'process':{'terminal':true,'consoleSize':{'height':25,'width':80},"                                 \
        "'user':{'uid':1000,'gid':100,'umask':18,'additionalGids':[10,4294967295]},"                         \
        "'args':['/bin/sh','-c',''],'env':['PATH=/bin','X='],'cwd':'/home',"                                 \
        "'capabilities':{'bounding':['CAP_KILL'],'effective':['CAP_SYS_ADMIN'],"                             \
        "'inheritable':['CAP_CHOWN'],'permitted':['CAP_BPF'],'ambient':['CAP_NET_RAW']},"                    \
        "'rlimits':[{'type':'RLIMIT_NOFILE','soft':1024,'hard':18446744073709551615}],"                      \
        "'noNewPrivileges':true,'apparmorProfile':'p','oomScoreAdj':-1000,"                                  \
        "'scheduler':{'policy':'SCHED_DEADLINE','nice':-20,'priority':99,"                                   \
        "'flags':['SCHED_FLAG_RECLAIM'],'runtime':1,'deadline':2,'period':3},"                               \
        "'selinuxLabel':'u:r:t:s0','ioPriority':{'class':'IOPRIO_CLASS_BE','priority':7},"                   \
        "'execCPUAffinity':{'initial':'0-1','final':'2'}}"

#define HOOKS                                                                                                \
        "'hooks':{'prestart':[{'path':'/a','args':['a','b'],'env':['E=1'],'timeout':5}],"                    \
        "'createRuntime':[{'path':'/b'}],'createContainer':[{'path':'/c'}],"                                 \
        "'startContainer':[{'path':'/d'}],'poststart':[{'path':'/e'}],"                                      \
        "'poststop':[{'path':'/f'},{'path':'/g'}]}"

#define RESOURCES                                                                                            \
        "'resources':{'devices':[{'allow':false,'access':'rwm'},"                                            \
        "{'allow':true,'type':'c','major':1,'minor':-1,'access':'r'}],"                                      \
        "'memory':{'limit':1048576,'reservation':2,'swap':-1,'kernel':3,'kernelTCP':4,'swappiness':0,"       \
        "'disableOOMKiller':false,'useHierarchy':true,'checkBeforeUpdate':true},"                            \
        "'cpu':{'shares':1024,'quota':-1,'burst':5,'period':100000,'realtimeRuntime':6,"                     \
        "'realtimePeriod':7,'cpus':'0-3','mems':'0','idle':1},"                                              \
        "'blockIO':{'weight':10,'leafWeight':11,"                                                            \
        "'weightDevice':[{'major':8,'minor':0,'weight':500,'leafWeight':300}],"                              \
        "'throttleReadBpsDevice':[{'major':8,'minor':1,'rate':600}],"                                        \
        "'throttleWriteBpsDevice':[{'major':8,'minor':2,'rate':601}],"                                       \
        "'throttleReadIOPSDevice':[{'major':8,'minor':3,'rate':602}],"                                       \
        "'throttleWriteIOPSDevice':[{'major':8,'minor':4,'rate':603}]},"                                     \
        "'pids':{'limit':0},'hugepageLimits':[{'pageSize':'2MB','limit':9223372036854775808}],"              \
        "'network':{'classID':1048577,'priorities':[{'name':'eth0','priority':500}]},"                       \
        "'rdma':{'mlx5_1':{'hcaHandles':3}},'unified':{'memory.high':'max'}}"

#define SECCOMP                                                                                              \
        "'seccomp':{'defaultAction':'SCMP_ACT_ERRNO','defaultErrnoRet':38,"                                  \
        "'architectures':['SCMP_ARCH_X86_64'],'flags':['SECCOMP_FILTER_FLAG_LOG'],"                          \
        "'listenerPath':'/run/l','listenerMetadata':'m',"                                                    \
        "'syscalls':[{'names':['personality'],'action':'SCMP_ACT_ALLOW','errnoRet':0,"                       \
        "'args':[{'index':5,'value':18446744073709551615,'valueTwo':1,'op':'SCMP_CMP_MASKED_EQ'}]}]}"

#define LINUX                                                                                                \
        "'linux':{'namespaces':[{'type':'pid'},{'type':'network','path':'/proc/1/ns/net'},"                  \
        "{'type':'user'},{'type':'time'}],"                                                                  \
        "'uidMappings':[{'containerID':0,'hostID':1000,'size':1}],"                                          \
        "'gidMappings':[{'containerID':0,'hostID':100,'size':65536}],"                                       \
        "'timeOffsets':{'monotonic':{'secs':-5,'nanosecs':6},'boottime':{'secs':7}},"                        \
        "'devices':[{'type':'c','path':'/dev/x','major':10,'minor':229,'fileMode':438,'uid':0,'gid':5}],"    \
        "'cgroupsPath':'/a/b','rootfsPropagation':'rslave'," RESOURCES ","                                   \
        "'intelRdt':{'closID':'c','l3CacheSchema':'L3:0=f'},'sysctl':{'net.ipv4.ip_forward':'1'}," SECCOMP   \
        ",'maskedPaths':['/proc/kcore'],'readonlyPaths':['/proc/sys'],'mountLabel':'l',"                     \
        "'personality':{'domain':'LINUX32','flags':['x']}}"

static const char full[] =
        "{'ociVersion':'1.2.0'," PROCESS ",'root':{'path':'rootfs','readonly':true},"
        "'hostname':'h','domainname':'d','mounts':[{'destination':'/proc','type':'proc','source':'proc',"
        "'options':['ro','nosuid'],'uidMappings':[{'containerID':0,'hostID':1,'size':2}],"
        "'gidMappings':[{'containerID':3,'hostID':4,'size':5}]}]," HOOKS ",'annotations':{'a.b':'c'}," LINUX
        "}";

static OciSpec *parse(const char *text) {
        cleanup_free char *json = quoted(text);
        OciSpec *spec = NULL;
        Error err = { 0 };

        if (oci_spec_parse(json, strlen(json), &spec, &err) < 0)
                fail_msg("%s", err.message);
        return spec;
}

static void test_round_trip(void **state) {
        cleanup(oci_spec_freep) OciSpec *spec = parse(full);
        cleanup_free char *text = json_to_text(oci_spec_fields, spec, false), *expected = quoted(full);

        (void)state;
        assert_string_equal(text, expected);
}

static void test_process(void **state) {
        cleanup(oci_spec_freep) OciSpec *spec = parse(full);
        const OciProcess *p = spec->process;

        (void)state;
        assert_true(p->terminal && p->no_new_privileges);
        assert_true(p->console_size->height == 25 && p->console_size->width == 80);
        assert_true(p->user.uid == 1000 && p->user.gid == 100 && p->user.umask.value == 18);
        assert_true(p->user.n_additional_gids == 2 && p->user.additional_gids[1] == UINT32_MAX);
        assert_int_equal(strv_length(p->args), 3);
        assert_string_equal(p->env[1], "X=");
        assert_string_equal(p->capabilities->ambient[0], "CAP_NET_RAW");
        assert_true(p->rlimits[0].soft == 1024 && p->rlimits[0].hard == UINT64_MAX);
        assert_true(p->oom_score_adj.set && p->oom_score_adj.value == -1000);
        assert_true(p->scheduler->nice == -20 && p->scheduler->period == 3);
        assert_int_equal(p->io_priority->priority, 7);
        assert_string_equal(p->exec_cpu_affinity->final, "2");
}

static void test_hooks_and_mounts(void **state) {
        cleanup(oci_spec_freep) OciSpec *spec = parse(full);

        (void)state;
        assert_string_equal(spec->hooks->prestart[0].args[1], "b");
        assert_int_equal(spec->hooks->prestart[0].timeout.value, 5);
        assert_string_equal(spec->hooks->create_runtime[0].path, "/b");
        assert_string_equal(spec->hooks->create_container[0].path, "/c");
        assert_string_equal(spec->hooks->start_container[0].path, "/d");
        assert_string_equal(spec->hooks->poststart[0].path, "/e");
        assert_int_equal(spec->hooks->n_poststop, 2);
        assert_string_equal(spec->mounts[0].options[1], "nosuid");
        assert_int_equal(spec->mounts[0].gid_mappings[0].size, 5);
        assert_string_equal(str_map_get(&spec->annotations, "a.b"), "c");
}

static void test_linux(void **state) {
        cleanup(oci_spec_freep) OciSpec *spec = parse(full);
        const OciLinux *l = spec->linux_;

        (void)state;
        assert_null(oci_namespace(l, "pid")->path);
        assert_string_equal(oci_namespace(l, "network")->path, "/proc/1/ns/net");
        assert_null(oci_namespace(l, "cgroup"));
        assert_null(oci_namespace(NULL, "pid"));
        assert_null(oci_namespace_path(l, "pid"));
        assert_string_equal(oci_namespace_path(l, "network"), "/proc/1/ns/net");
        assert_null(oci_namespace_path(l, "cgroup"));
        assert_true(l->devices[0].minor == 229 && l->devices[0].file_mode.value == 0666);
        assert_true(l->time_offsets->monotonic->secs == -5 && l->time_offsets->boottime->nanosecs == 0);
        assert_string_equal(str_map_get(&l->sysctl, "net.ipv4.ip_forward"), "1");
        assert_true(l->seccomp->syscalls[0].args[0].value == UINT64_MAX);
        assert_true(l->seccomp->syscalls[0].errno_ret.set && l->seccomp->syscalls[0].errno_ret.value == 0);
        assert_string_equal(l->personality->domain, "LINUX32");
}

static void test_resources(void **state) {
        cleanup(oci_spec_freep) OciSpec *spec = parse(full);
        const OciResources *r = spec->linux_->resources;

        (void)state;
        assert_true(!r->devices[0].major.set && r->devices[1].minor.value == -1);
        assert_true(r->memory->limit.value == 1048576 && r->memory->swap.value == -1);
        assert_true(r->memory->disable_oom_killer.set && !r->memory->disable_oom_killer.value);
        assert_true(r->cpu->quota.value == -1 && r->cpu->idle.value == 1);
        assert_int_equal(r->block_io->throttle_write_iops[0].rate, 603);
        assert_int_equal(r->block_io->weight_device[0].leaf_weight.value, 300);
        assert_true(r->pids->limit.set && r->pids->limit.value == 0);
        assert_true(r->hugepage_limits[0].limit == (uint64_t)INT64_MAX + 1);
        assert_string_equal(str_map_get(&r->unified, "memory.high"), "max");
}

static void test_small(void **state) {
        cleanup(oci_spec_freep) OciSpec *spec =
                parse("{'ociVersion':'1.0.0-rc5-dev','process':{'args':['a'],'cwd':'/'},'root':{'path':'/r'},"
                      "'hooks':null,'linux':{'seccomp':null,'resources':{}},'vm':{'hypervisor':{'path':1}},'"
                      "x':[[]]}");
        cleanup_free char *text = json_to_text(oci_spec_fields, spec, false);

        (void)state;
        assert_true(spec->process->user.uid == 0 && !spec->process->capabilities);
        assert_null(spec->hooks);
        assert_null(spec->linux_->seccomp);
        assert_non_null(spec->linux_->resources);
        cleanup_free char *expected =
                quoted("{'ociVersion':'1.0.0-rc5-dev','process':{'user':{'uid':0,'gid':0},"
                       "'args':['a'],'cwd':'/'},'root':{'path':'/r'},"
                       "'linux':{'resources':{}}}");
        assert_string_equal(text, expected);
}

static void test_process_alone(void **state) {
        cleanup_free char *text =
                quoted("{'terminal':true,'user':{'uid':1,'gid':2},'args':['id'],'cwd':'/tmp'}");
        cleanup(oci_process_freep) OciProcess *process = NULL;
        cleanup_error Error err = { 0 };

        (void)state;
        assert_int_equal(oci_process_parse(text, strlen(text), &process, &err), 0);
        assert_string_equal(process->args[0], "id");
        assert_int_equal(process->user.gid, 2);
}

static void test_resources_alone(void **state) {
        cleanup_free char *text = quoted("{'memory':{'limit':1073741824},'cpu':{'quota':50000}}");
        cleanup(oci_resources_freep) OciResources *resources = NULL;
        cleanup_error Error err = { 0 };

        (void)state;
        assert_int_equal(oci_resources_parse(text, strlen(text), &resources, &err), 0);
        assert_int_equal(resources->memory->limit.value, 1073741824);
        assert_int_equal(resources->cpu->quota.value, 50000);
        assert_null(resources->pids);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip),       cmocka_unit_test(test_process),
                cmocka_unit_test(test_hooks_and_mounts), cmocka_unit_test(test_linux),
                cmocka_unit_test(test_resources),        cmocka_unit_test(test_small),
                cmocka_unit_test(test_process_alone),    cmocka_unit_test(test_resources_alone),
        };

        return cmocka_run_group_tests_name("spec", tests, NULL, NULL);
}
